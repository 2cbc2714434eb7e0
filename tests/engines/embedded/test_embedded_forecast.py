"""The embedded engine foresees from its step cache what the next build then does."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from builds import Builder

from tests.engines.forecasts import EDITS, FILES, TEXT, Edit, check_forecast, edited
from workbench.build.change import sentence
from workbench.build.request import BuildRequest
from workbench.engines.embedded.bwrap import Ability
from workbench.errors import DockerfileError


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
async def test_the_forecast_is_what_happens(build: Builder, sandbox: Ability, edit: Edit) -> None:
    await build(TEXT, FILES)
    request = edited(edit, BuildRequest(context=build.context))
    forecast = await build.engine.forecast(request)
    assert forecast is not None
    events = [event async for event in build.engine.build(request)]
    check_forecast(forecast, events)
    again = await build.engine.forecast(request)
    assert again is not None
    if not request.no_cache:
        assert again.first is None
        assert {step.verdict for step in again.steps} == {"reuse"}


async def test_the_first_step_that_is_done_again_says_why(build: Builder, sandbox: Ability) -> None:
    await build(TEXT, FILES)
    edit = Edit("a file", files={"two.txt": "other"})
    forecast = await build.engine.forecast(edited(edit, BuildRequest(context=build.context)))
    assert forecast is not None
    assert forecast.first is not None
    assert (forecast.first.line, sentence(forecast.first.why)) == (11, "two.txt changed")
    behind = [step for step in forecast.steps if step.step > forecast.first.step]
    assert {sentence(step.why) for step in behind} == {f"step {forecast.first.step} before it was not reused"}


async def test_what_depends_on_a_stage_that_is_done_again_is_unknown(scratch_build: Builder) -> None:
    text = "FROM scratch AS one\nCOPY a /\nFROM one\nLABEL x=1\nFROM scratch\nCOPY --from=0 /a /\nCOPY --from=1 /a /b\n"
    await scratch_build(text, {"a": "1"})
    scratch_build.put({"a": "2"})
    forecast = await scratch_build.engine.forecast(BuildRequest(context=scratch_build.context))
    assert forecast is not None
    assert [step.verdict for step in forecast.steps] == [
        "reuse", "rerun", "reuse", "rerun", "reuse", "unknown", "unknown"
    ]  # fmt: skip


async def test_nothing_is_done_or_fetched(scratch_build: Builder) -> None:
    text = "FROM nosuch.invalid/image\nCOPY a /\nADD http://127.0.0.1:9/x /\n"
    scratch_build.put({"Dockerfile": text, "a": ""})
    forecast = await scratch_build.engine.forecast(BuildRequest(context=scratch_build.context))
    assert forecast is not None
    assert [step.verdict for step in forecast.steps] == ["unknown"] * 3
    text = "FROM scratch\nCOPY a /\nADD http://127.0.0.1:9/x /\nCOPY a /b\n"
    request = BuildRequest(context=scratch_build.context, dockerfile_text=text)
    forecast = await scratch_build.engine.forecast(request)
    assert forecast is not None
    assert [step.verdict for step in forecast.steps] == ["reuse", "rerun", "rerun", "rerun"]
    assert scratch_build.store.catalog().images == {}
    with pytest.raises(DockerfileError):
        await scratch_build.engine.forecast(dataclasses.replace(request, dockerfile_text="FRM x\n"))


async def test_a_forecast_is_given_up(scratch_build: Builder) -> None:
    scratch_build.put({f"d/{number}": "x" * 1000 for number in range(2000)})
    text = "FROM scratch\n" + "COPY d /\n" * 50
    request = BuildRequest(context=scratch_build.context, dockerfile_text=text)
    task = asyncio.ensure_future(scratch_build.engine.forecast(request))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
