"""A forecast of a Docker Engine's build, from the records of earlier ones, is what the build then does."""

from __future__ import annotations

import dataclasses

import pytest

from tests.engines.bench import BUILDERS, Bench, finished
from tests.engines.forecasts import EDITS, FILES, TEXT, check_forecast, counts, edited
from workbench.build.change import sentence
from workbench.build.events import BuildEvent, StepFinished, StepStarted
from workbench.build.forecast import Forecast

LEFT_OUT = ("a file that a pattern takes", "a variable", "another order", "a step less", "a file of the first stage")
"""Edits that the embedded engine is tried with, and that would only take time here."""


@pytest.mark.slow
@pytest.mark.parametrize("bench", [name for name in BUILDERS if name != "embedded"], indirect=True)
async def test_the_forecast_is_what_happens(bench: Bench) -> None:
    files = FILES | {"one.txt": bench.prefix, "tools/a.sh": bench.prefix}  # a shared engine knows none of them
    first = bench.request(TEXT.replace("MINE", bench.prefix), files, tags=(bench.tag("forecast"),))
    assert finished([event async for event in bench.engine.build(first)]).outcome == "succeeded"
    for edit in EDITS:
        if edit.name in LEFT_OUT:
            continue
        for name, content in files.items():
            (bench.context / name).write_text(content)
        request = edited(edit, first)
        forecast = await bench.engine.forecast(request)
        assert forecast is not None
        events = [event async for event in bench.engine.build(request)]
        assert finished(events).outcome == "succeeded", edit.name
        forecast, events = of_files(bench, forecast, events)
        check_forecast(forecast, events, edit.name)
        for event in events:
            if isinstance(event, StepFinished) and not event.cached and counts(event.step, events):
                assert event.why, (edit.name, event)


def of_files(bench: Bench, forecast: Forecast, events: list[BuildEvent]) -> tuple[Forecast, list[BuildEvent]]:
    """Metadata makes nothing in BuildKit: it is neither reused nor done again."""
    if bench.name != "buildkit":
        return forecast, events
    steps = {event.step for event in events if isinstance(event, StepStarted) and has_vertex(event.text)}
    kept = [event for event in events if not isinstance(event, StepFinished | StepStarted) or event.step in steps]
    return dataclasses.replace(forecast, steps=tuple(it for it in forecast.steps if it.step in steps)), kept


def has_vertex(text: str) -> bool:
    return text.split()[0] in ("FROM", "RUN", "COPY", "ADD", "WORKDIR")


@pytest.mark.slow
@pytest.mark.parametrize("bench", [name for name in BUILDERS if name != "embedded"], indirect=True)
async def test_reasons_on_a_docker_engine(bench: Bench) -> None:
    text = f"FROM busybox\nENV RUN={bench.prefix}\nARG VERSION=1\nCOPY a /a\nRUN echo $VERSION\n"
    # BuildKit knows a COPY by its content, whoever made it: a shared engine has seen none with these bytes
    await bench.build(text, {"a": f"{bench.prefix} 1"}, tags=(bench.tag("why"),))

    async def why(step: int, **options: object) -> str:
        events = await bench.build(text, tags=(bench.tag("why"),), **options)
        return next(sentence(it.why) for it in events if isinstance(it, StepFinished) and it.step == step)

    assert await why(5) == ""
    assert await why(5, build_args={"VERSION": "2"}) == "ARG VERSION: 1 -> 2"
    (bench.context / "a").write_text(f"{bench.prefix} 2")
    assert await why(4) == "a changed"
    assert await why(5, no_cache=True) == "--no-cache"
