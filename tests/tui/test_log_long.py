"""A log that is too long to be looked through at once: search and filter in the background, stopped, and the same log
read from the build's own text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from textual.app import App, ComposeResult

from tests.tui.stage import until
from workbench.build.log_text import LogText
from workbench.tui.widgets import log_finder
from workbench.tui.widgets.log_lines import LogLines, Match
from workbench.tui.widgets.log_search import Step, find, only
from workbench.tui.widgets.log_view import LogView

LONG = "".join(f"line {number}\n" for number in range(80_000)) + "the needle\n"


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield LogView()

    @property
    def log_view(self) -> LogView:
        return self.query_one(LogView)


async def test_a_long_log_is_searched_in_the_background() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        log = app.log_view
        log.append(LONG)
        assert log.search("the needle") is None
        await until(pilot, lambda: log.match == Match(80_000, 0, 10), "the hit")
        assert not log.looking and "not found" not in log.status
        assert log.search("absent") is None
        await until(pilot, lambda: "not found" in log.status, "the end of the search")
        assert log.match is None


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Searches wait in their first block until the event is set."""
    gate = threading.Event()

    def waiting(step: Step) -> Step:
        def held_step(looked: int) -> bool:
            going = step(looked)
            gate.wait(10)
            return going and step(looked)

        return held_step

    def slow_find(
        lines: LogLines, needle: str, *, after: Match, forward: bool = True, step: Step = lambda looked: True
    ) -> Match | None:
        return find(lines, needle, after=after, forward=forward, step=waiting(step))

    def slow_only(lines: LogLines, *rest: object) -> Iterator[str]:
        *first, step = rest if callable(rest[-1]) else (*rest, lambda looked: True)
        return only(lines, *first, waiting(step))  # type: ignore[arg-type]

    monkeypatch.setattr(log_finder, "find", slow_find)
    monkeypatch.setattr(log_finder, "only", slow_only)
    yield gate
    gate.set()


async def test_a_search_says_how_far_it_is_and_can_be_stopped(held: threading.Event) -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        log = app.log_view
        log.append(LONG)
        log.search("absent")
        await until(pilot, lambda: "searching 0%" in log.status, "how far it is")
        log.stop_looking()
        held.set()
        await until(pilot, lambda: not log.looking, "it stopped")
        assert log.match is None and "searching" not in log.status and "not found" not in log.status


async def test_a_filter_that_is_stopped_leaves_the_log_as_it_was(held: threading.Event) -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        log = app.log_view
        log.append(LONG)
        app.run_worker(log.filter("needle"), exit_on_error=False)
        await until(pilot, lambda: "filtering 2%" in log.status, "how far it is")
        log.stop_looking()
        held.set()
        await until(pilot, lambda: not log.looking, "it stopped")
        assert not log.filtered and log.line_count == 80_001
        await log.filter("needle")
        assert log.filtered and log.line_count == 1


async def test_a_log_that_grows_by_itself_is_taken_in_by_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_finder, "TAKEN", 300_000)
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        text, log = LogText(), app.log_view
        text.append(LONG)
        log.use(LogLines(text))
        steps = 1
        while not log.more():
            steps += 1
        assert steps == -(-len(LONG) // 300_000) and log.line_count == 80_001
        await log.filter("needle")
        text.append("one needle more\nother\n")
        assert log.more() and log.shown.text == "the needle\none needle more\n"
        again = LogText()
        again.append("another needle\nand none\n")
        lines = LogLines(again)
        lines.catch_up(100)
        log.use(lines)
        await until(pilot, lambda: log.shown.text == "another needle\n", "the filter stays")


def test_a_search_ends_where_it_is_told_to() -> None:
    lines = LogLines()
    lines.append(LONG)
    told: list[int] = []

    def stop_after(count: int) -> Callable[[int], bool]:
        def step(looked: int) -> bool:
            told.append(looked)
            return len(told) < count

        return step

    assert find(lines, "the needle", after=Match(0, 0, 0), step=stop_after(3)) is None
    assert told == [2_000, 4_000, 6_000]
