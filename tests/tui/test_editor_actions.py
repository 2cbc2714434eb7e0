"""Every key of the editor that does more than write: help, outline, names, layout, lines, files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.stage import NARROW, make_app, make_context, running, screen_text, until
from workbench.dockerfile.surroundings import Surroundings
from workbench.tui.messages import OpenFile
from workbench.tui.screens.picker import Picker, matching
from workbench.tui.widgets.editor import DockerfileEditor
from workbench.tui.widgets.editor_panel import EditorPanel
from workbench.tui.widgets.help_box import HelpBox

TEXT = "ARG V=1\nFROM a:$V AS base\nRUN x\nFROM base\nCOPY --from=base /x /y\nCMD run\n"


class Host(App[None]):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.panel = EditorPanel(path, path.name, context=path.parent)
        self.panel.around = lambda: Surroundings(paths=lambda: ["src/", "src/app.py", "README.md"])
        self.opened: list[str] = []

    def compose(self) -> ComposeResult:
        yield self.panel

    async def on_mount(self) -> None:
        await self.panel.load()
        self.panel.editor.focus()

    def on_open_file(self, event: OpenFile) -> None:
        self.opened.append(event.path)

    def on_editor_panel_pick_asked(self) -> None:
        self.run_worker(self.panel.pick())


@asynccontextmanager
async def editing(folder: Path, text: str = TEXT) -> AsyncIterator[tuple[Pilot[None], DockerfileEditor]]:
    (folder / "Dockerfile").write_text(text)
    app = Host(folder / "Dockerfile")
    async with app.run_test(size=NARROW) as pilot:
        yield pilot, app.panel.editor


async def test_help_for_the_word_under_the_cursor_by_key_and_by_mouse(tmp_path: Path) -> None:
    async with editing(tmp_path) as (pilot, editor):
        box = pilot.app.query_one(HelpBox)
        editor.move_cursor((4, 6))
        await pilot.press("alt+h")
        await pilot.pause()
        assert box.is_open and "COPY --from" in screen_text(pilot.app) and "or a named" in screen_text(pilot.app)
        assert "COPY --from=base /x /y" in screen_text(pilot.app), "the line stays in sight"
        await pilot.press("escape")
        assert not box.is_open and editor.has_focus and editor.text == TEXT
        await pilot.hover(DockerfileEditor, offset=(editor.gutter_width + 1, 5))
        await until(pilot, lambda: box.is_open, "help for CMD")
        assert "What a container runs" in screen_text(pilot.app)
        await pilot.press("x")
        assert not box.is_open and "x" in editor.text


async def test_the_outline_leads_to_a_stage_and_back(tmp_path: Path) -> None:
    async with editing(tmp_path) as (pilot, editor):
        await pilot.press("alt+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, Picker), "the outline")
        assert "base (from a:$V)" in screen_text(pilot.app)
        pilot.app.screen.query_one(Input).value = "stage 1"
        await pilot.press("enter")
        await until(pilot, lambda: editor.cursor_location == (3, 0), "the second stage")
        await pilot.press("alt+b")
        assert editor.cursor_location == (0, 0)


async def test_from_a_use_to_the_stage_and_round_its_uses(tmp_path: Path) -> None:
    async with editing(tmp_path) as (pilot, editor):
        editor.move_cursor((4, 13))
        await pilot.press("alt+d")
        assert editor.cursor_location == (1, 13)
        await pilot.press("alt+d")
        assert editor.cursor_location == (3, 5)
        await pilot.press("alt+d")
        assert editor.cursor_location == (4, 12)
        await pilot.press("alt+b", "alt+b", "alt+b")
        assert editor.cursor_location == (4, 13)


async def test_renaming_says_in_how_many_places_and_is_one_step_of_undo(tmp_path: Path) -> None:
    async with editing(tmp_path) as (pilot, editor):
        editor.move_cursor((1, 14))
        await pilot.press("alt+r")
        await until(pilot, lambda: "Rename the stage base in 3 places" in screen_text(pilot.app), "the question")
        line = pilot.app.screen.query_one(Input)
        line.value = "1x"
        await pilot.press("enter")
        await until(pilot, lambda: "is no name of a stage" in screen_text(pilot.app), "why not")
        line.value = "first"
        await pilot.press("enter")
        await until(pilot, lambda: "AS first" in editor.text, "renamed")
        assert editor.text == TEXT.replace("base", "first")
        await pilot.press("ctrl+z")
        assert editor.text == TEXT


async def test_layout_and_all_safe_fixes(tmp_path: Path) -> None:
    async with editing(tmp_path, "from  a\nRUN x \\\n  && y\nMAINTAINER me\n") as (pilot, editor):
        await pilot.press("alt+f")
        assert editor.text == "FROM a\nRUN x \\\n    && y\nMAINTAINER me\n"
        await pilot.press("alt+a")
        assert editor.text.endswith('LABEL org.opencontainers.image.authors="me"\n')


async def test_lines_are_commented_out_and_moved(tmp_path: Path) -> None:
    async with editing(tmp_path) as (pilot, editor):
        editor.move_cursor((2, 3))
        await pilot.press("alt+c")
        assert editor.document.get_line(2) == "# RUN x"
        await pilot.press("ctrl+underscore", "alt+down", "x")
        assert editor.text.split("\n")[2:4] == ["FROM base", "RUNx x"]
        await pilot.press("alt+up", "alt+up")
        assert editor.document.get_line(1) == "RUNx x" and editor.cursor_location == (1, 4)


@pytest.mark.slow
async def test_find_and_replace(tmp_path: Path) -> None:
    async with editing(tmp_path) as (pilot, editor):
        await pilot.press("ctrl+f")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 2, "the question")
        await pilot.press("n", "o", "enter")
        await until(pilot, lambda: "it is not in this file" in screen_text(pilot.app), "not there")
        pilot.app.screen.query_one(Input).value = "base"
        await pilot.press("enter")
        await until(pilot, lambda: editor.selected_text == "base", "found")
        assert editor.selection.start == (1, 13)
        await pilot.press("alt+g", "alt+g", "alt+g")
        assert editor.selection.start == (1, 13), "and round"
        await pilot.press("alt+e")
        await until(pilot, lambda: "Replace everywhere" in screen_text(pilot.app), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: "Replace base in 3 places by" in screen_text(pilot.app), "by what")
        await pilot.press("b", "enter")
        await until(pilot, lambda: editor.text == TEXT.replace("base", "b"), "replaced")
        await pilot.press("ctrl+z")
        assert editor.text == TEXT


async def test_the_next_finding(tmp_path: Path) -> None:
    async with editing(tmp_path) as (pilot, editor):
        await until(pilot, lambda: 6 in editor.found, "CMD should be in exec form")
        await pilot.press("alt+n")
        assert editor.cursor_location == (5, 4)


@pytest.mark.parametrize("key", ["alt+f", "alt+r", "alt+d", "alt+a"])
async def test_what_needs_a_dockerfile_that_parses_says_so(tmp_path: Path, key: str) -> None:
    async with editing(tmp_path, "FORM a\n") as (pilot, editor):
        await pilot.press(key)
        await until(pilot, lambda: "unknown instruction" in str(list(pilot.app._notifications)), "what is wrong")
        assert editor.text == "FORM a\n" and len(pilot.app.screen_stack) == 1


async def test_a_file_is_chosen_by_a_part_of_its_path(tmp_path: Path) -> None:
    async with editing(tmp_path) as (pilot, _):
        await pilot.press("alt+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, Picker), "the files")
        await pilot.press("a", "p", "p", "enter")
        app = pilot.app
        assert isinstance(app, Host)
        await until(pilot, lambda: app.opened == ["src/app.py"], "opened")
        await pilot.press("alt+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, Picker), "the files")
        await pilot.press("down", "escape")
        await until(pilot, lambda: len(app.screen_stack) == 1, "nothing chosen")


def test_names_that_begin_so_come_first() -> None:
    assert matching(["a/xapp", "app/b", "src/app.py"], "app") == [2, 0, 1]
    assert matching(["README", "b"], "read me") == [0] and matching(["a"], "x") == []


@pytest.mark.slow
async def test_each_of_them_is_in_palette_and_help(tmp_path: Path) -> None:
    from workbench.tui import keys

    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False):
        titles = {command.title for command in keys.commands(app)}
        rows = dict(row for title, rows in keys.sections(app) if title.endswith("Editor") for row in rows)
        for binding in (*DockerfileEditor.BINDINGS, *EditorPanel.BINDINGS):
            if binding.id:  # type: ignore[union-attr]
                assert f"Editor: {binding.description}" in titles  # type: ignore[union-attr]
        assert rows["alt+r"] == "Rename the stage or variable" and "alt+w" in rows
