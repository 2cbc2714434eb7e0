"""The engine that builds nothing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.engines.bench import RECORDINGS, finished, replay
from workbench.build.events import BuildFinished, BuildStarted, StepLog
from workbench.build.images import Image
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.engines.replay import ReplayEngine, ReplayImages, read_recording
from workbench.errors import ImageNotFound, InputError, Unsupported

REQUEST = BuildRequest(context=None, tags=("mine",))
PACED = [
    BuildStarted(at=100.0, build="1", engine="test"),
    StepLog(at=100.2, step=1, text="later\n"),
    BuildFinished(at=1000.0, outcome="succeeded", image="sha256:" + "1" * 64),
]


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.jsonl")), ids=lambda path: path.stem)
async def test_recordings_are_told_as_they_are(path: Path) -> None:
    recorded = read_recording(path)
    events = [event async for event in ReplayEngine(recorded).build(REQUEST)]
    assert events == recorded


@pytest.mark.parametrize(
    ("scenario", "status", "statuses"),
    [
        ("genesis", "succeeded", ["done"] * 4),
        ("failing", "failed", ["done", "done", "failed", "pending"]),
        (
            "cached",
            "succeeded",
            ["done", "done", "cached", "cached", "cached", "done", "cached", "cached", "cached", "cached"],
        ),
        ("cancelled", "cancelled", ["done", "cancelled"]),
    ],
)
async def test_recordings_become_progress(scenario: str, status: str, statuses: list[str]) -> None:
    events = [event async for event in replay(scenario).build(REQUEST)]
    progress = BuildProgress().apply_all(events)
    assert progress.status == status
    assert [step.status for step in progress] == statuses


def test_the_packaged_recording_is_the_tests() -> None:
    import workbench.engines

    packaged = Path(workbench.engines.__file__).parent / "recordings" / "genesis.jsonl"
    assert packaged.read_bytes() == (RECORDINGS / "genesis.jsonl").read_bytes()


async def test_pace() -> None:
    build = ReplayEngine(PACED, speed=2.0).build(REQUEST)
    await build.__anext__()
    began = time.monotonic()
    await build.__anext__()
    assert 0.08 < time.monotonic() - began < 1
    waiting = asyncio.ensure_future(build.__anext__())
    await asyncio.sleep(0)
    build.cancel()
    end = await asyncio.wait_for(waiting, 1)
    assert isinstance(end, BuildFinished)
    assert end.outcome == "cancelled"
    assert [event async for event in build] == []


async def test_a_recording_without_an_end_gets_one() -> None:
    events = [event async for event in ReplayEngine(PACED[:2]).build(REQUEST)]
    assert finished(events).outcome == "cancelled"


async def test_recordings_in_turn_and_requests_are_kept() -> None:
    engine = ReplayEngine(PACED[:1], PACED)
    for count in (2, 3, 3):
        assert len([event async for event in engine.build(REQUEST)]) == count
    assert engine.requests == [REQUEST] * 3
    listed = await engine.images.list()
    assert [image.tags for image in listed] == [("mine:latest",)]


async def test_without_a_recording() -> None:
    with pytest.raises(InputError):
        ReplayEngine().build(REQUEST)


def test_a_line_that_is_no_event_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"event": "StepLog", "step": 1, "text": "x"}\n\n{"event": "Nonsense"}\n')
    with pytest.raises(InputError, match=r"bad\.jsonl:3"):
        read_recording(path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"bad\.jsonl:1"):
        read_recording(path)


async def test_images() -> None:
    first, second = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    images = ReplayImages([Image(first, tags=("a:latest",), created=1, size=10), Image(second, created=2, size=20)])
    assert [image.id for image in await images.list()] == [second, first]
    assert [image.id for image in await images.list(name="a")] == [first]
    await images.tag("111111111111", "b")
    assert (await images.inspect("b"))["RepoTags"] == ["a:latest", "b:latest"]
    assert (await images.plan_removal(["a"])).deleted == ()
    assert (await images.remove(["a", "b"])).deleted == (first,)
    with pytest.raises(ImageNotFound):
        await images.inspect("a")
    assert (await images.prune(dry_run=True)).deleted == (second,)
    assert (await images.prune()).bytes_freed == 20
    with pytest.raises(Unsupported):
        await images.pull("a")
    changes = images.changes()
    await asyncio.wait_for(anext(changes), 1)
