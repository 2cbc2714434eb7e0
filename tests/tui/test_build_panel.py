"""The build panel: steps as they go, the log of the chosen one, and what is said when it fails."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.stage import until
from workbench.build.by_stage import stages_of
from workbench.build.estimate import Estimate
from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    BuildWarning,
    ContainerAction,
    ContainerEvent,
    PlannedStep,
    StepFinished,
    StepLog,
    StepProgress,
    StepStarted,
)
from workbench.build.log_text import LogText, Spill
from workbench.build.progress import BuildProgress, StepState
from workbench.tui.widgets.build_panel import BuildPanel, strip_of, title_of
from workbench.tui.widgets.build_text import container_of, instruction_of, time_of
from workbench.tui.widgets.log_lines import LogLines, Match
from workbench.tui.widgets.log_search import Step
from workbench.tui.widgets.step_list import WARNINGS

PLAN = (
    PlannedStep(1, "FROM scratch AS base", 1, 1, "base"),
    PlannedStep(2, "ADD busybox.tar.xz /", 2, 2, "base"),
    PlannedStep(3, 'RUN sh -c "make [all]"', 3, 4, "base"),
)
CONTAINER = "b83affeca2711234567890"
START = BuildStarted(build="b1", engine="embedded", steps=PLAN, at=10.0)
RUNNING: list[BuildEvent] = [
    START,
    StepStarted(step=1, total=3, text=PLAN[0].text, line=1, end_line=1, stage="base", at=10.0),
    StepFinished(step=1, cached=True),
    StepStarted(step=2, total=3, text=PLAN[1].text, line=2, end_line=2, stage="base", at=10.0),
    StepLog(step=2, text="bin/busybox\n"),
    StepFinished(step=2, seconds=0.5, bytes=1_130_000, image="sha256:c5de1cf67f83aaaa"),
    StepStarted(step=3, total=3, text=PLAN[2].text, line=3, end_line=4, stage="base", at=11.0),
    ContainerEvent(step=3, action="started", container=CONTAINER),
    StepLog(step=3, text="[red]making\n"),
]
FAILING: list[BuildEvent] = [
    StepLog(step=3, text="make: not found\n", stream="stderr"),
    ContainerEvent(step=3, action="exited", container=CONTAINER, exit_code=127),
    StepFinished(step=3, seconds=0.8, error="exit 127"),
    BuildWarning(message="JSON is better", code="JSONArgsRecommended", line=3),
    BuildFinished(
        outcome="failed", error='exit 127: "make" is not here', hint="Install it.", step=3, line=3, seconds=2
    ),
]


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.progress = BuildProgress()
        self.said: list[object] = []

    def compose(self) -> ComposeResult:
        yield BuildPanel()

    @property
    def panel(self) -> BuildPanel:
        return self.query_one(BuildPanel)

    def apply(self, events: list[BuildEvent], now: float = 11.8) -> None:
        for event in events:
            self.progress.apply(event)
        self.panel.show(self.progress, now)

    def on_build_panel_step_chosen(self, event: BuildPanel.StepChosen) -> None:
        self.said.append(("chosen", event.step.step))

    def on_build_panel_highlighted(self, event: BuildPanel.Highlighted) -> None:
        self.said.append((event.step.step if event.step else None, event.by_person))


async def shown(pilot: Pilot[None]) -> list[str]:
    await pilot.pause()
    return [strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips()]


async def test_the_running_step_is_selected_and_its_log_shown() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        assert "no build yet" in await shown(pilot)
        app.apply(RUNNING)
        lines = await shown(pilot)
        assert lines[:4] == [
            "✔ 1 FROM scratch AS base                    cached",
            "✔ 2 ADD busybox.tar.xz /              +1.1MB  0.5s",
            '● 3 RUN sh -c "make [all]"                    0.8s',
            "container b83affeca271 running",
        ]
        assert "log 3 · 1 line · follow" in lines[4]
        assert lines[5] == "[red]making"
        assert app.said == [(3, False)]
        app.apply([StepProgress(step=3, what="bytes", current=5_000, total=10_000)], now=12.9)
        lines = await shown(pilot)
        assert lines[2].endswith("50%  1.9s")
        assert lines[3].startswith("bytes 5kB of 10kB")


async def test_wide_rows_say_the_state_in_words() -> None:
    app = Host()
    async with app.run_test(size=(80, 20)) as pilot:
        app.apply(RUNNING)
        lines = await shown(pilot)
        assert [lines[1].split()[-3:], lines[2].split()[-2:]] == [["+1.1MB", "done", "0.5s"], ["running", "0.8s"]]
        app.apply([BuildFinished(outcome="cancelled", at=11.9)])
        assert (await shown(pilot))[2].endswith("cancelled 0.9s")


async def test_a_moved_selection_stays_until_escape_or_a_new_build() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply(RUNNING)
        app.panel.step_list.focus()
        await pilot.press("up")
        lines = await shown(pilot)
        assert "bin/busybox" in lines and "image c5de1cf67f83" in lines
        app.apply([StepLog(step=3, text="more\n")])
        assert "more" not in await shown(pilot)
        assert not app.panel.following
        await pilot.press("escape")
        lines = await shown(pilot)
        assert lines[5:7] == ["[red]making", "more"]
        await pilot.press("k", "enter")
        await pilot.pause()
        assert app.said == [(3, False), (2, True), (3, False), (2, True), ("chosen", 2)]
        app.progress = BuildProgress()
        app.apply([replace(START, build="b2"), RUNNING[1]])
        lines = await shown(pilot)
        assert app.panel.selected is not None and app.panel.selected.step == 1
        assert "no output yet" in lines and "bin/busybox" not in lines


async def test_a_failure_takes_the_selection_and_says_what_to_do() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply(RUNNING)
        app.panel.step_list.focus()
        await pilot.press("up")
        app.apply(FAILING)
        lines = await shown(pilot)
        assert lines[2].startswith('✘ 3 RUN sh -c "make [all]"')
        assert lines[3].startswith("! 1 warning")
        assert lines[4:7] == [
            "container b83affeca271 started, exited 127",
            '✘ step 3: exit 127: "make" is not here',
            "Install it.",
        ]
        assert lines[8:10] == ["[red]making", "make: not found"]
        await pilot.press("down")
        lines = await shown(pilot)
        assert app.panel.step_list.cursor == WARNINGS and app.panel.selected is None
        assert "JSONArgsRecommended: JSON is better (line 3)" in lines
        app.progress = BuildProgress()
        app.apply([START])
        assert not any("make" in line for line in (await shown(pilot))[3:])


async def test_a_build_that_fails_before_its_first_step() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply([replace(START, steps=()), BuildFinished(outcome="failed", error="the engine went away", lost=True)])
        assert "✘ the engine went away" in await shown(pilot)


async def test_thirty_columns_are_enough() -> None:
    app = Host()
    async with app.run_test(size=(30, 16)) as pilot:
        app.apply(RUNNING)
        app.apply(FAILING)
        lines = await shown(pilot)
        assert lines[1] == "✔ 2 ADD busybox.tar.xz /  0.5s"
        assert lines[2].startswith("✘ 3 RUN") and lines[2].endswith("0.8s")
        assert "Install it." in lines and "make: not found" in lines


async def test_many_steps_scroll_beside_a_scroll_bar() -> None:
    app = Host()
    steps = tuple(PlannedStep(number, f"RUN echo {number}", number, number) for number in range(1, 41))
    async with app.run_test(size=(30, 16)) as pilot:
        app.apply([replace(START, steps=steps)])
        app.apply([StepStarted(step=30, total=40, text="RUN echo 30", line=30, end_line=30, at=11.0)])
        line = next(line for line in await shown(pilot) if "● 30 RUN echo 30" in line)
        assert "0.8s" in line
        app.panel.step_list.focus()
        await pilot.press("G")
        assert any("○ 40 RUN" in line for line in await shown(pilot))
        await pilot.press("g")
        assert (await shown(pilot))[0].startswith("○  1 RUN")


async def test_stages_have_headings_where_there_are_two() -> None:
    app = Host()
    steps = (PlannedStep(1, "ARG A=1", 1, 1), replace(PLAN[0], step=2), PlannedStep(3, "FROM busybox", 3, 3))
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply([replace(START, steps=steps), StepFinished(step=2, cached=True)])
        lines = await shown(pilot)
        assert [line.rstrip() for line in lines[:5]] == [
            "○ 1 ARG A=1",
            "▾ ✔ base                                       1/1",
            "  ✔ 2 FROM scratch AS base                  cached",
            "▾ ○ stage 1                                    0/1",
            "  ○ 3 FROM busybox",
        ]
    assert [(group.name, group.status) for group in stages_of(list(app.progress))] == [
        ("", "pending"),
        ("base", "cached"),
        ("stage 1", "pending"),
    ]


@pytest.mark.slow
async def test_the_log_can_have_the_panel_and_be_searched() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply(RUNNING)
        app.apply([StepLog(step=3, text="".join(f"word {number}\n" for number in range(100)))])
        app.panel.step_list.focus()
        await pilot.press("l")
        lines = await shown(pilot)
        assert not any("FROM" in line for line in lines) and lines[-1].startswith("word 99")
        await pilot.press("slash", *"word 5", "enter")
        assert app.focused is app.panel.log_view
        assert app.panel.log_view.match is not None and app.panel.log_view.match.line == 6
        await pilot.press("n")
        assert app.panel.log_view.match.line == 51
        await pilot.press("slash", *"x", "enter")
        assert isinstance(app.focused, Input)
        await pilot.pause()
        assert "not found" in str(app.panel.log_view.border_title)
        await pilot.press("escape", "l")
        assert app.focused is app.panel.step_list
        await pilot.press("slash", "escape", "escape")
        assert app.panel.following


async def test_what_is_typed_in_one_go_with_the_key_that_asks_is_looked_for() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply(RUNNING)
        app.apply([StepLog(step=3, text="".join(f"word {number}\n" for number in range(100)))])
        log = app.panel.log_view
        await pilot.press("l")
        for key in ("slash", *"word 5", "enter"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: log.match is not None and log.match.line == 6, "the line that is looked for")
        await until(pilot, lambda: app.focused is log, "the log has the focus again")
        for key in ("ampersand", *"wo9", "enter"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: log.filtered, "the filter")
        assert not log.line_count


async def test_a_click_selects_and_a_second_one_goes_to_the_line() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply(RUNNING)
        await pilot.pause()
        await pilot.click(app.panel.step_list, offset=(5, 1))
        await pilot.click(app.panel.step_list, offset=(5, 1))
        await pilot.pause()
        assert app.said == [(3, False), (2, True), ("chosen", 2)]


def test_titles_and_strips() -> None:
    progress = BuildProgress()
    assert title_of(progress, None, 0.0) == "Build"
    progress.apply_all(RUNNING)
    assert title_of(progress, 8, 11.2) == "Build r8  3/3 · 1.2s"
    assert strip_of(progress, 8, 11.2) == 'Build r8 3/3 RUN sh -c "make [all]"'
    progress.apply_all(FAILING)
    assert title_of(progress, 8, 99.0) == "Build r8  ✘ failed 3/3 · 2.0s"
    assert strip_of(progress, 8, 99.0) == 'Build r8 3/3 ✘ step 3: exit 127: "make" is not here'
    progress = BuildProgress().apply_all([*RUNNING, StepFinished(step=3, seconds=0.5)])
    progress.apply(BuildFinished(outcome="succeeded", tags=("genesis:r8",), seconds=1.3))
    assert title_of(progress, 8, 99.0) == "Build r8  ✔ 3/3 · 1.3s"
    assert strip_of(progress, 8, 99.0) == "Build r8 3/3 ✔ genesis:r8 · 1.3s"


def test_an_instruction_is_one_line() -> None:
    step = StepState(1, "RUN a;\n      b\x1b[2J", 1, 2)
    assert instruction_of(step) == "RUN a; b\\x1b[2J"


async def test_state_colours_are_readable_on_light_and_dark() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        for theme in ("textual-light", "textual-dark", "nord"):
            app.theme = theme
            app.progress = BuildProgress()
            app.apply(RUNNING)
            await pilot.pause()
            for y in range(2):
                for segment in app.panel.step_list.render_line(y):
                    style = segment.style
                    if segment.text.strip() and style is not None and style.color and style.bgcolor:
                        front, back = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
                        assert abs(front.brightness - back.brightness) > 0.2, (theme, segment.text)


def test_times_of_steps() -> None:
    step = StepState(1, "RUN x", 1, 1)
    assert [time_of(step, 5.0, word=word) for word in (False, True)] == ["", "pending"]
    running = replace(step, status="running", started=3.0)
    assert [time_of(running, 5.0, word=word) for word in (False, True)] == ["2.0s", "running 2.0s"]
    assert time_of(replace(step, status="cached", seconds=0.1), 5.0, word=True) == "cached"


async def test_the_log_of_all_steps_filtered_and_written_to_a_file(tmp_path: Path) -> None:
    app = Host()
    async with app.run_test(size=(60, 24)) as pilot:
        app.apply(RUNNING)
        app.panel.step_list.focus()
        await pilot.press("a")
        lines = await shown(pilot)
        assert any("log of all steps" in line for line in lines)
        at = lines.index("── step 2: ADD busybox.tar.xz /")
        assert lines[at + 1 : at + 4] == ["bin/busybox", '── step 3: RUN sh -c "make [all]"', "[red]making"]
        app.apply([StepLog(step=3, text="\x1b[32mgreen\n"), StepLog(step=2, text="late\n")])
        run = '── step 3: RUN sh -c "make [all]"'
        assert app.panel.log_view.text.endswith(
            f"[red]making\n── step 2: ADD busybox.tar.xz /\nlate\n{run}\n\x1b[32mgreen\n"
        )
        await pilot.press("ampersand", *"green", "enter")
        await pilot.app.workers.wait_for_complete()
        assert app.panel.log_view.shown.text == "\x1b[32mgreen\n"
        await pilot.press("s")
        await pilot.pause()
        app.screen.query_one(Input).value = str(tmp_path / "build.log")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
        assert (tmp_path / "build.log").read_text() == "green\n"
        await pilot.press("escape", "a")
        assert not any("log of all steps" in line for line in await shown(pilot))


def test_a_running_build_says_how_long_it_may_take() -> None:
    progress = BuildProgress().apply_all(RUNNING)
    assert title_of(progress, 8, 12.0, Estimate(4.0, True)) == "Build r8  3/3 · 2.0s of ~4.0s"
    assert title_of(progress, 8, 12.0, Estimate(4.0, False)) == "Build r8  3/3 · 2.0s of ~4.0s+"
    progress.apply_all(FAILING)
    assert title_of(progress, 8, 12.0, Estimate(4.0, True)) == "Build r8  ✘ failed 3/3 · 2.0s"


def test_times_against_those_of_the_last_run() -> None:
    step = StepState(1, "RUN x", 1, 1)
    assert time_of(step, 5.0, word=False, before=3.0) == "~3.0s"
    running = replace(step, status="running", started=3.0)
    assert time_of(running, 5.0, word=False, before=3.0) == "2.0s of ~3.0s"
    done = replace(step, status="done", seconds=2.1)
    assert [time_of(done, 5.0, word=False, before=it) for it in (3.4, 1.0, 2.1)] == ["2.1s -1.3s", "2.1s +1.1s", "2.1s"]
    assert time_of(done, 5.0, word=True, before=3.4) == "done 2.1s (was 3.4s)"
    assert time_of(replace(done, seconds=0.01), 5.0, word=True, before=0.02) == "done 0.0s"
    assert time_of(step, 5.0, word=True, before=0.02) == "pending"
    assert time_of(replace(step, status="failed", seconds=2.1), 5.0, word=False, before=3.4) == "2.1s"


def test_the_whole_life_of_a_container() -> None:
    progress, said = BuildProgress(), []
    for action in get_args(ContainerAction):
        code = 0 if action == "exited" else None
        progress.apply(ContainerEvent(step=1, action=action, container=CONTAINER, exit_code=code))
        said.append(container_of(progress.steps[1]).removeprefix("container b83affeca271 "))
    assert said == [
        "created",
        "created, running",
        "created, started, exited 0",
        "created, started, exited 0, committed",
        "created, started, exited 0, committed, removed",
    ]


SIDE_BY_SIDE = (
    PlannedStep(1, "FROM scratch AS base", 1, 1, "base"),
    PlannedStep(2, "RUN make base", 2, 2, "base"),
    PlannedStep(3, "FROM scratch AS docs", 3, 3, "docs"),
    PlannedStep(4, "RUN make docs", 4, 4, "docs"),
)
BOTH_RUN: list[BuildEvent] = [
    replace(START, steps=SIDE_BY_SIDE),
    StepFinished(step=1, cached=True),
    StepFinished(step=3, cached=True),
    StepStarted(step=2, total=4, text="RUN make base", line=2, end_line=2, stage="base", at=10.0),
    StepStarted(step=4, total=4, text="RUN make docs", line=4, end_line=4, stage="docs", at=11.0),
    StepLog(step=2, text="of base\n"),
    StepLog(step=4, text="of docs\n"),
]


@asynccontextmanager
async def both_run() -> AsyncIterator[tuple[Host, Pilot[None]]]:
    """Two stages side by side in a panel of 50 by 20, with the focus in the steps."""
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply(BOTH_RUN)
        app.panel.step_list.focus()
        yield app, pilot


async def test_stages_side_by_side_both_run() -> None:
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply(BOTH_RUN)
        assert (await shown(pilot))[:6] == [
            "▾ ● base                                 1/2  1.8s",
            "  ✔ 1 FROM scratch AS base                  cached",
            "  ● 2 RUN make base                           1.8s",
            "▾ ● docs                                 1/2  0.8s",
            "  ✔ 3 FROM scratch AS docs                  cached",
            "  ● 4 RUN make docs                           0.8s",
        ]
        app.panel.show(app.progress, 12.9, {"RUN make base": 4.0})
        lines = await shown(pilot)
        assert [lines[0][-4:], lines[3][-4:], lines[5][-4:]] == ["2.9s", "1.9s", "1.9s"]
        assert lines[2].endswith("2.9s of ~4.0s")


async def test_a_stage_folds_and_opens_by_keys_and_mouse() -> None:
    async with both_run() as (app, pilot):
        steps = app.panel.step_list
        for key, cursor, rows in (
            ("left", -1, 6), ("enter", -1, 4), ("right", -1, 6), ("right", 1, 6), ("space", -1, 6), ("left", -1, 4),
            ("j", -2, 4), ("space", -2, 2), ("left", -2, 2), ("up", -1, 2), ("space", -1, 4),
        ):  # fmt: skip
            await pilot.press(key)
            assert (steps.cursor, len(steps.rows)) == (cursor, rows), key
        assert (await shown(pilot))[3].startswith("▸ ● docs")
        await pilot.click(steps, offset=(0, 3))
        assert (steps.cursor, len(steps.rows)) == (-2, 6)
        assert "log of the stage" in str(app.panel.log_view.border_title)
        assert app.panel.log_view.text == "── step 4: RUN make docs\nof docs\n"
        app.apply([StepLog(step=2, text="not shown\n"), StepLog(step=4, text="shown\n")])
        assert app.panel.log_view.text.endswith("of docs\nshown\n")


async def test_a_failure_opens_its_stage_and_following_shows_a_folded_one() -> None:
    async with both_run() as (app, pilot):
        steps = app.panel.step_list
        await pilot.press("left", "left", "escape")
        assert (steps.cursor, app.panel.log_view.text) == (-1, "── step 2: RUN make base\nof base\n")
        app.apply([StepFinished(step=2, seconds=3, error="exit 1")])
        assert (steps.cursor, len(steps.rows), app.panel.log_view.text) == (2, 6, "of base\n")


async def test_a_log_that_is_on_disk_is_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.build.log_text.state_dir", lambda: tmp_path)
    monkeypatch.setattr("workbench.tui.widgets.log_merge.TAKEN", 100_000)
    app, spill = Host(), Spill(0)
    app.progress.logs[3] = LogText(spill)
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply([*RUNNING, StepLog(step=3, text="".join(f"word {number}\n" for number in range(40_000)))])
        spill.settle()
        assert spill.on_disk > 300_000
        app.panel.log_view.focus()
        assert (await shown(pilot))[-1].startswith("word 39999")
        await pilot.press("g")
        assert "[red]making" in await shown(pilot)
        await pilot.press("a")
        await until(pilot, lambda: app.panel.log_view.line_count == 40_004, "the log of all steps")
        assert (await shown(pilot))[-1].startswith("word 39999")


async def test_escape_stops_a_search_of_a_long_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.tui.widgets.log_finder.AT_ONCE", 0)
    looked, gate = threading.Event(), threading.Event()

    def slow(lines: LogLines, needle: str, *, after: Match, forward: bool, step: Step) -> Match | None:
        looked.set()
        gate.wait(10)
        return Match(0, 0, 1) if step(1) else None

    monkeypatch.setattr("workbench.tui.widgets.log_finder.find", slow)
    app = Host()
    async with app.run_test(size=(50, 20)) as pilot:
        app.apply(RUNNING)
        log = app.panel.log_view
        log.focus()
        await pilot.press("slash", "m", "enter")
        await until(pilot, lambda: looked.is_set() and "searching" in str(log.border_title), "the search")
        await pilot.press("escape")
        gate.set()
        await until(pilot, lambda: not log.looking, "it stopped")
        assert log.match is None
