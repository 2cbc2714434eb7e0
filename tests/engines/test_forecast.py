"""A forecast of a Docker Engine's build, from the records of earlier ones, is what the build then does."""

from __future__ import annotations

import dataclasses

import pytest

from tests.engines.bench import Bench, finished
from tests.engines.forecasts import EDITS, FILES, TEXT, Edit, check_forecast, counts, edited
from workbench.build.events import StepFinished, StepStarted


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
async def test_the_forecast_is_what_happens(bench: Bench, edit: Edit) -> None:
    request = bench.request(TEXT.replace("MINE", bench.prefix), FILES, tags=(bench.tag("forecast"),))
    assert finished([event async for event in bench.engine.build(request)]).outcome == "succeeded"
    request = edited(edit, request)
    forecast = await bench.engine.forecast(request)
    assert forecast is not None
    events = [event async for event in bench.engine.build(request)]
    assert finished(events).outcome == "succeeded"
    if bench.name == "buildkit":  # metadata makes nothing there: it is neither reused nor done again
        told = {event.step for event in events if isinstance(event, StepStarted) and has_vertex(event.text)}
        forecast = dataclasses.replace(forecast, steps=tuple(it for it in forecast.steps if it.step in told))
        events = [event for event in events if not isinstance(event, StepFinished | StepStarted) or event.step in told]
    check_forecast(forecast, events)
    for event in events:
        if isinstance(event, StepFinished) and not event.cached and counts(0, events, event.step):
            assert event.why, event


def has_vertex(text: str) -> bool:
    return text.split()[0] in ("FROM", "RUN", "COPY", "ADD", "WORKDIR")
