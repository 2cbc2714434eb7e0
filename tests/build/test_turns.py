"""Never two builds of one context at once, unless all of them are headless ones."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.build.events import BuildFinished, BuildStarted
from workbench.build.request import BuildRequest
from workbench.build.turns import InTurn, Turn
from workbench.engines.replay import ReplayEngine

EVENTS = [BuildStarted(build="1", engine="replay"), BuildFinished(outcome="succeeded", image="sha256:1")]


def test_one_alone_or_several_together(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    first, second, elsewhere = Turn(tmp_path), Turn(tmp_path / "link"), Turn(tmp_path / "other")
    assert first.take(alone=True) and elsewhere.take(alone=True)
    assert not second.take(alone=True) and not second.take(alone=False)
    first.end()
    assert second.take(alone=False) and first.take(alone=False) and not first.take(alone=True)
    assert Turn(tmp_path, of="owner").take(alone=True), "a turn of something else"
    for turn in (first, second, elsewhere):
        turn.end()


def test_a_turn_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from workbench.build.turns import Turn; turn = Turn(pathlib.Path(sys.argv[1])); "
        "print(turn.take(alone=True), flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == b"True\n"
    turn = Turn(tmp_path)
    assert not turn.take(alone=True)
    holder.kill()
    holder.communicate()
    assert turn.take(alone=True)
    turn.end()


async def test_a_build_waits_for_its_turn_and_says_so_once(tmp_path: Path) -> None:
    waits: list[None] = []
    engine = InTurn(ReplayEngine(EVENTS), alone=True, on_wait=lambda: waits.append(None))
    other = Turn(tmp_path)
    assert other.take(alone=False)
    build = engine.build(BuildRequest(context=tmp_path))
    first = asyncio.ensure_future(build.__anext__())
    while not waits:
        await asyncio.sleep(0)
    assert not first.done()
    other.end()
    assert [await first, *[event async for event in build]] == EVENTS
    assert len(waits) == 1 and other.take(alone=True), "its turn has ended"
    other.end()


@pytest.mark.parametrize("ending", ["cancel", "aclose"])
async def test_what_waits_can_be_cancelled(tmp_path: Path, ending: str) -> None:
    engine = InTurn(ReplayEngine(EVENTS), alone=True, on_wait=lambda: None)
    other = Turn(tmp_path)
    assert other.take(alone=True)
    build = engine.build(BuildRequest(context=tmp_path))
    first = asyncio.ensure_future(build.__anext__())
    await asyncio.sleep(0)
    if ending == "cancel":
        build.cancel()
        event = await asyncio.wait_for(first, 5)
        assert isinstance(event, BuildFinished) and event.outcome == "cancelled"
    else:
        await build.aclose()
        await asyncio.wait({first}, timeout=5)
        assert first.done() and first.exception() is not None
    other.end()


async def test_without_a_state_folder_it_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    engine = InTurn(ReplayEngine(EVENTS), alone=True, on_wait=lambda: None)
    assert [event async for event in engine.build(BuildRequest(context=tmp_path))] == EVENTS
