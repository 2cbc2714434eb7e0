"""The log: lines from any pieces, cleaned when drawn, following its end, searched."""

from __future__ import annotations

import time

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from workbench.tui.widgets.log_lines import DRAWN, LogLines, Match, fold
from workbench.tui.widgets.log_search import find
from workbench.tui.widgets.log_view import LogView


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def compose(self) -> ComposeResult:
        yield LogView()

    def on_mount(self) -> None:
        self.log_view.focus()

    def on_log_view_search_requested(self, event: LogView.SearchRequested) -> None:
        assert event.control is self.log_view
        self.asked += 1

    @property
    def log_view(self) -> LogView:
        return self.query_one(LogView)


def screen(app: App[None]) -> list[str]:
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


async def settled(pilot: Pilot[None]) -> list[str]:
    await pilot.pause()
    return screen(pilot.app)


def numbered(first: int, last: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, last))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
def test_lines_are_the_same_whatever_the_pieces(size: int) -> None:
    text = "one\n\ntwo \u4e16\u754c\r\nthr\ree\nno newline"
    lines = LogLines()
    for start in range(0, len(text), size):
        lines.append(text[start : start + size])
    assert lines.text == text
    assert [lines.plain(line) for line in range(len(lines))] == ["one", "", "two 世界", "eer", "no newline"]


def test_a_last_line_that_is_ended_is_not_followed_by_an_empty_one() -> None:
    lines = LogLines()
    assert len(lines) == 0
    lines.append("a")
    assert len(lines) == 1
    lines.append("\n")
    assert len(lines) == 1


def test_lines_over_many_chunks() -> None:
    lines = LogLines()
    text = numbered(0, 30_000)
    for start in range(0, len(text), 50_021):
        lines.append(text[start : start + 50_021])
    assert len(lines) == 30_000
    assert [lines.plain(line) for line in (0, 9_999, 29_999)] == ["line 0", "line 9999", "line 29999"]
    assert lines.raw(0, 10**9) == text


def test_endless_lines_are_cut_and_endless_progress_shows_its_end() -> None:
    lines = LogLines()
    lines.append("x" * 500_000 + "\n")
    lines.append("".join(f"\r{percent:6d} of 100000" for percent in range(100_001)))
    assert len(lines.plain(0)) == DRAWN
    assert lines.plain(1) == "100000 of 100000"
    assert lines.width <= DRAWN


def test_a_line_that_draws_over_itself() -> None:
    assert fold("10%\r20%\r") == "20%"
    assert fold("long word\rabc") == "abcg word"
    assert fold("\x1b[32m100 %\x1b[0m\r\x1b[K\x1b[1mok\x1b[0m\r") == "\x1b[K\x1b[1mok\x1b[0m"


def test_a_hundred_thousand_lines_in_pieces_are_quick() -> None:
    lines = LogLines()
    start = time.perf_counter()
    for number in range(100_000):
        lines.append(f"step {number} compiled something\n")
    found = find(lines, "step 99999 ", after=Match(0, 0, 0))
    assert time.perf_counter() - start < 5
    assert found == Match(99_999, 0, 11)


def test_search_goes_on_in_the_line_then_over_the_lines_and_round() -> None:
    lines = LogLines()
    lines.append("foo foo\nbar\nFoo\n")
    at = Match(0, 0, 0)
    went = []
    for _ in range(4):
        found = find(lines, "foo", after=at)
        assert found is not None
        at = found
        went.append((at.line, at.start))
    assert went == [(0, 0), (0, 4), (2, 0), (0, 0)]
    assert find(lines, "foo", after=at, forward=False) == Match(2, 0, 3)
    assert find(lines, "Foo", after=at) == Match(2, 0, 3)
    assert find(lines, "[", after=at) is None


def test_search_looks_at_what_is_shown() -> None:
    lines = LogLines()
    lines.append("red \x1b[31mer\x1b[0mror\nsecret\rpublic\n")
    assert find(lines, "error", after=Match(0, 0, 0)) == Match(0, 4, 9)
    assert find(lines, "[31", after=Match(0, 0, 0)) is None
    assert find(lines, "secret", after=Match(0, 0, 0)) is None
    assert find(lines, "public", after=Match(0, 0, 0)) == Match(1, 0, 6)


async def test_it_follows_until_one_scrolls_up() -> None:
    async with Host().run_test(size=(40, 10)) as pilot:
        log = pilot.app.query_one(LogView)
        log.append(numbered(0, 50))
        assert (await settled(pilot))[-1].startswith("line 49")
        assert log.border_subtitle == "50 lines · follow"
        await pilot.press("k")
        log.append(numbered(50, 60))
        assert (await settled(pilot))[-1].startswith("line 48")
        assert log.border_subtitle == "60 lines"
        await pilot.press("G")
        log.append(numbered(60, 70))
        assert (await settled(pilot))[-1].startswith("line 69")
        await pilot.press("f")
        log.append(numbered(70, 1234))
        assert (await settled(pilot))[-1].startswith("line 69")
        await pilot.press("g")
        assert (await settled(pilot))[0].startswith("line 0")
        await pilot.press("pagedown", "j", "down")
        assert (await settled(pilot))[0].startswith("line 11")
        await pilot.press("f")
        assert (await settled(pilot))[-1].startswith("line 1233")
        assert log.border_subtitle == "1,234 lines · follow"
        await pilot.resize_terminal(40, 5)
        assert (await settled(pilot))[-1].startswith("line 1233")


async def test_it_shows_text_as_it_is_without_its_controls() -> None:
    async with Host().run_test(size=(60, 10)) as pilot:
        log = pilot.app.query_one(LogView)
        log.append("[bold]no markup[/bold] [red]\n\ta\tb\nhi\x1b[2J\x1b]0;title\x07 there\n\x1b[31mred\x1b[0m plain\n")
        lines = await settled(pilot)
        assert lines[:4] == ["[bold]no markup[/bold] [red]", "        a       b", "hi there", "red plain"]
        log.append("10%\r20%")
        log.append("\r90%")
        assert (await settled(pilot))[4] == "90%"
        red = next(segment for segment in log.render_line(3) if segment.text == "red")
        assert red.style is not None and red.style.color is not None and red.style.color.number == 1
        log.clear()
        log.empty_text = "[nothing] yet"
        assert (await settled(pilot))[0] == "[nothing] yet"
        assert (log.text, log.border_subtitle) == ("", "0 lines · follow")


async def test_search_goes_to_the_hit_and_marks_it() -> None:
    app = Host()
    async with app.run_test(size=(40, 10)) as pilot:
        log = app.log_view
        log.append(numbered(0, 500) + "x" * 100 + "needle\n" + numbered(500, 900))
        await pilot.press("slash")
        await pilot.pause()
        assert app.asked == 1
        await pilot.press("g")
        assert log.search("line 250")
        lines = await settled(pilot)
        assert "line 250" in lines and not log.following
        marked = [segment.text for segment in log.render_line(lines.index("line 250")) if segment.text == "line 250"]
        assert marked
        assert log.search("needle")
        assert any("needle" in line for line in await settled(pilot))
        assert log.scroll_offset.x > 0
        assert log.search("line 25")
        assert log.match is not None and log.match.line == 25
        await pilot.press("n")
        assert log.match.line == 250
        await pilot.press("N")
        assert log.match is not None and log.match.line == 25
        assert not log.search("absent")


async def test_many_appends_make_one_drawing_of_the_visible_lines() -> None:
    async with Host().run_test(size=(80, 24)) as pilot:
        log = pilot.app.query_one(LogView)
        drawn: list[int] = []
        draw = log._draw
        log._draw = lambda line, base: drawn.append(line) or draw(line, base)  # type: ignore[method-assign,func-returns-value]
        start = time.perf_counter()
        for first in range(0, 100_000, 1_000):
            log.append(numbered(first, first + 1_000))
        assert (await settled(pilot))[-1].startswith("line 99999")
        assert time.perf_counter() - start < 5
        assert len(drawn) <= 24 * 10


def bare(lines: list[str]) -> list[str]:
    """Without the scrollbar."""
    return [line.rstrip(" ▁▂▃▄▅▆▇█") for line in lines]


async def test_only_lines_with_a_text_are_shown_of_now_and_to_come() -> None:
    app = Host()
    async with app.run_test(size=(20, 5)) as pilot:
        app.log_view.append(numbered(1, 3000))
        await app.log_view.filter("line 100")
        assert app.log_view.line_count == 11
        assert bare(await settled(pilot))[-1] == "line 1009"
        app.log_view.append("\x1b[31mLINE 100\x1b[0m again\nother\nline 100")
        assert app.log_view.line_count == 12
        assert "filtered of 3,002" in app.log_view.status
        assert (await settled(pilot))[-1].startswith("LINE 100 again")
        await app.log_view.filter("")
        assert app.log_view.line_count == 3002 and not app.log_view.filtered
        assert app.log_view.text.endswith("line 100")


async def test_wrapped_lines_lose_nothing() -> None:
    app = Host()
    async with app.run_test(size=(11, 4)) as pilot:
        app.log_view.append("first\n" + "0123456789abcdefghij-end\n" + "世界世界世界\n")
        await pilot.press("w")
        width = app.log_view.scrollable_content_region.width
        assert width == 10
        assert bare(await settled(pilot)) == ["abcdefghij", "-end", "世界世界世", "界"]
        await pilot.press("g")
        assert bare(await settled(pilot)) == ["first", "0123456789", "abcdefghij", "-end"]
        await pilot.press("w")
        assert (await settled(pilot))[2].startswith("世界世界")


async def test_marked_lines_are_copied_plain() -> None:
    app = Host()
    async with app.run_test(size=(20, 4)) as pilot:
        app.log_view.append(numbered(1, 10).replace("8", "\x1b[31m8\x1b[0m"))
        await pilot.press("v", "k", "k")
        assert "3 marked" in app.log_view.status
        await pilot.press("y")
        assert app.clipboard == "line 7\nline 8\nline 9\n"
        assert not app.log_view.marking
        await pilot.press("y")
        assert app.clipboard == "".join(f"line {number}\n" for number in range(1, 10))
        app.log_view.append("x" * 200_000)
        await pilot.press("y")
        assert len(app.clipboard) < 100
