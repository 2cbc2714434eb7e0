"""The bridge between the live loop and the screen."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.app import App

from tests.tui.stage import NARROW, make_app, make_context, running, screen_text, until
from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    PlannedStep,
    StepFinished,
    StepLog,
    StepStarted,
)
from workbench.build.history import History
from workbench.build.progress import StepState
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.replay import ReplayEngine
from workbench.tui.live import Live, mark_of, marks_of
from workbench.tui.widgets.marks import mark_width

IMAGE = "sha256:" + "a" * 64
EVENTS = [
    BuildStarted(
        build="1", engine="replay", steps=(PlannedStep(1, "FROM scratch", 1, 1), PlannedStep(2, "RUN x", 2, 3))
    ),
    StepStarted(step=1, total=2, text="FROM scratch", line=1, end_line=1),
    StepFinished(step=1, cached=True),
    StepStarted(step=2, total=2, text="RUN x", line=2, end_line=3),
    *(StepLog(step=2, text=f"line {number}\n") for number in range(20_000)),
    StepFinished(step=2, seconds=1.25, bytes=1_100_000),
    BuildFinished(outcome="succeeded", image=IMAGE, tags=("x:latest",)),
]


class Host(App[None]):
    def __init__(self, context: Path, recording: Sequence[BuildEvent] = EVENTS, *, speed: float = 0.0) -> None:
        super().__init__()
        self.context = context
        self.recording = ReplayEngine(recording, speed=speed)
        self.moves: list[Live.Moved] = []

    def on_mount(self) -> None:
        request = BuildRequest(context=self.context, tags=("x",))
        self.live = Live(self.screen, self.recording, lambda: request, Config(), mode="off")
        self.run_worker(self.live.loop.run(build_first=True), exit_on_error=False)

    def on_live_moved(self, event: Live.Moved) -> None:
        self.moves.append(event)


async def test_an_engine_that_another_workbench_chose_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(make_context(tmp_path / "lab"))  # told by a replay, recorded on docker
    async with running(app, (140, 45)) as pilot:
        assert app.live is not None and app.live.other_engine == "", "it builds in this process"
        monkeypatch.setattr(app.live.loop, "outlives", True, raising=False)
        app.workspace._show_build(app.live)
        await until(pilot, lambda: app.workspace.build_box.title.endswith(" · docker"), "the engine is not named")


async def test_a_build_is_folded_whole_told_seldom_and_kept_in_the_history(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nRUN x\n")
    app = Host(tmp_path)
    async with app.run_test() as pilot:
        end = time.monotonic() + 20
        while not (app.moves and app.moves[-1].finished and History().list(tmp_path)):
            assert time.monotonic() < end, "the build ended and was kept"
            await pilot.pause(0.02)
        assert app.live.progress.status == "succeeded"
        assert str(app.live.progress.logs[2]).splitlines()[-1] == "line 19999"
        assert len(app.moves) < 40, "20,000 events are not 20,000 messages"
        record = History().list(tmp_path)[0]
        assert (record.outcome, record.image, record.revision) == ("succeeded", IMAGE, 1)
        await app.live.loop.stop()


async def test_the_first_line_after_a_pause_is_told_at_once(tmp_path: Path) -> None:
    """And every later one with the next look, not with the build's end."""
    started = EVENTS[0].at
    lines = [StepLog(step=2, text=f"line {number}\n", at=started + number * 0.2) for number in range(1, 5)]
    (tmp_path / "Dockerfile").write_text("FROM scratch\nRUN x\n")
    app = Host(tmp_path, [*EVENTS[:4], *lines, replace(EVENTS[-1], at=started + 1.0)], speed=1.0)
    async with app.run_test() as pilot:
        end = time.monotonic() + 20
        while not (app.moves and app.moves[-1].finished):
            assert time.monotonic() < end, "the build ended"
            await pilot.pause(0.02)
        assert len(app.moves) >= len(lines)
        await app.live.loop.stop()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (StepState(1, "RUN x", 1, 1), "○ "),
        (StepState(1, "RUN x", 1, 1, status="running", started=10.0), "● 2.5s"),
        (StepState(1, "RUN x", 1, 1, status="done", seconds=0.81), "✔ 0.8s"),
        (StepState(1, "RUN x", 1, 1, status="done", seconds=0.8, bytes=1_100_000), "✔ +1.1MB"),
        (StepState(1, "RUN x", 1, 1, status="cached"), "✔ cached"),
        (StepState(1, "RUN x", 1, 1, status="failed"), "✘ failed"),
    ],
)
def test_the_gutter_says_state_and_time_or_bytes(step: StepState, said: str) -> None:
    mark = mark_of(step, 12.5)
    assert f"{mark.sign} {mark.word}" == said


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (40, ["✔ ", "✔ ", "✘ ", "● "]),
        (78, ["✔ +1.1MB ", "✔ cached ", "✘ failed ", "● 2.5s   "]),
        (90, ["✔    0.8s +1.1MB  ", "✔ cached          ", "✘    3.0s failed  ", "● 2.5s            "]),
    ],
)
def test_the_gutter_says_what_there_is_room_for(width: int, lines: list[str]) -> None:
    steps = [
        StepState(1, "RUN x", 1, 1, status="done", seconds=0.8, bytes=1_100_000),
        StepState(1, "RUN x", 1, 1, status="cached"),
        StepState(1, "RUN x", 1, 1, status="failed", seconds=3.0),
        StepState(1, "RUN x", 1, 1, status="running", started=10.0),
    ]
    assert [mark_of(step, 12.5).text(mark_width(width)) for step in steps] == lines


async def test_a_narrow_gutter_has_the_sign_and_the_line_below_says_time_and_bytes(tmp_path: Path) -> None:
    context = make_context(tmp_path / "lab")
    app = make_app(context)
    async with running(app, (43, 24)) as pilot:
        assert app.editor_panel.editor.gutter_width < 9
        app.editor_panel.editor.go_to(2)
        await until(pilot, lambda: "step 2: done · 0.1s" in screen_text(app), "the step's time")
        assert "✔ 1  FROM" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: re.search("✔ [0-9.]+s +1  FROM", screen_text(app)), "sign and time")


def test_marks_stand_on_the_first_line_of_each_instruction() -> None:
    from workbench.build.progress import BuildProgress

    assert set(marks_of(BuildProgress().apply_all(EVENTS), 0.0)) == {1, 2}


@pytest.mark.slow
async def test_on_focus_a_save_waits_until_the_terminal_has_the_focus_or_the_editor_is_left(tmp_path: Path) -> None:
    context = make_context(tmp_path / "lab", "FROM scratch\nCOPY src /\n")
    app = make_app(context, config=Config(watch="focus"))
    async with running(app) as pilot:
        for revision, look in ((2, "focus"), (3, "panel")):
            app.activate("dockerfile")
            await pilot.pause()
            (context / "src/app.py").write_text(f"revision {revision}\n")
            await until(pilot, lambda wanted=revision: app._live.state.saved == wanted, "the save is seen")  # type: ignore[misc]
            assert app._live.state.built == revision - 1
            assert "watching on focus" in screen_text(app)
            if look == "focus":
                app.post_message(events.AppBlur())
                app.post_message(events.AppFocus())
            else:
                await pilot.press("alt+3")
            await until(pilot, lambda wanted=revision: app._live.state.built == wanted, f"built at {look}")  # type: ignore[misc]
        await pilot.press("f6")
        await until(pilot, lambda: "not watching" in screen_text(app), "off")
        await pilot.press("f6")
        await until(pilot, lambda: app._live.state.mode == "focus", "and back to what it was")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "said"),
    [
        (NARROW, "nothing to rebuild: the same bytes (src/app.py)"),
        ((140, 45), "Build r1  ✔ the same bytes (src/app.py) "),
    ],
    ids=["80x24", "140x45"],
)
async def test_why_a_change_built_nothing_is_on_the_screen(tmp_path: Path, size: tuple[int, int], said: str) -> None:
    context = make_context(tmp_path / "lab", "FROM scratch\nCOPY src /\n")
    app = make_app(context)
    async with running(app, size) as pilot:
        await app._live.loop.made_from()
        await asyncio.sleep(0.15)  # the watch's own measure: what comes sooner counts as a change
        (context / "src/app.py").touch()
        await until(pilot, lambda: said in screen_text(app), "the reason")
        assert app._live.state.saved == 1
