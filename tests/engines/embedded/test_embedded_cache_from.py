"""`--cache-from`: steps of an image count as cache where the step cache has none."""

from __future__ import annotations

from pathlib import Path

from builds import Builder, Result

from workbench.build.events import BuildWarning
from workbench.build.request import BuildRequest
from workbench.engines.embedded.bwrap import Ability

TEXT = "FROM busybox\nENV A=b\nCOPY a /a\nRUN cat /a > /b\nWORKDIR /w\nCMD sh\n"


async def elsewhere(build: Builder, tmp_path: Path) -> Path:
    """An archive of the image that TEXT makes, built in a store of its own; `build` starts without step cache."""
    first = await build(TEXT, {"a": "1"}, tags=("source:latest",))
    assert first.end.outcome == "succeeded", first.end
    archive = tmp_path / "source.tar"
    await build.engine.images.save(["source"], archive)
    await build.engine.images.remove(["source"], force=True)
    await build.engine.images.prune_cache()
    return archive


def warnings(result: Result) -> list[str]:
    return [event.code for event in result.events if isinstance(event, BuildWarning)]


async def test_every_step_of_the_image_is_reused(build: Builder, sandbox: Ability, tmp_path: Path) -> None:
    archive = await elsewhere(build, tmp_path)
    await build.engine.images.load(archive)
    source = build.store.image("source")
    request = BuildRequest(context=build.context, cache_from=("source",))
    forecast = await build.engine.forecast(request)
    assert forecast is not None
    assert [step.verdict for step in forecast.steps] == ["reuse"] * 6
    result = await build(TEXT, cache_from=("source",))
    assert result.cached == [False, True, True, True, True, True]
    assert result.image == source.id
    assert (await build(TEXT)).cached == [False, True, True, True, True, True], "the step cache has them now"


async def test_up_to_what_changed(build: Builder, sandbox: Ability, tmp_path: Path) -> None:
    await build.engine.images.load(await elsewhere(build, tmp_path))
    result = await build(TEXT, {"a": "2"}, cache_from=("source",))
    assert result.cached == [False, True, False, False, False, False]
    other = TEXT.replace("A=b", "A=c")
    assert (await build(other, {"a": "1"}, cache_from=("source",))).cached == [False] * 6
    assert (await build(TEXT, cache_from=("source",), no_cache=True)).cached == [False] * 6


async def test_an_image_that_is_not_there_is_a_warning(build: Builder) -> None:
    text = "FROM busybox\nENV A=b\n"
    result = await build(text, cache_from=("127.0.0.1:9/nosuch",))
    assert result.end.outcome == "succeeded"
    assert warnings(result) == ["CacheFrom"]
    assert warnings(await build(text, cache_from=("127.0.0.1:9/nosuch",))) == [], "nobody asked for it"
