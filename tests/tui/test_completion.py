"""The box of completions: when it opens, what its keys do, and that it covers no typed line."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from tests.tui.stage import NARROW, WIDE, make_app, make_context, running, screen_text, until
from workbench.tui.app import WorkbenchApp
from workbench.tui.widgets.completion import Completion

TEXT = "FROM scratch AS base\nARG VERSION=1\n"


@pytest.fixture
def app(tmp_path: Path) -> WorkbenchApp:
    return make_app(make_context(tmp_path / "lab", TEXT), watch=False)


async def typed(pilot: Pilot[int], text: str, *, row: int = 2) -> Completion:
    """Types it at the row's end, and waits until the box is open."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    await until(pilot, lambda: app.workspace.images_panel.references, "the images")
    await until(pilot, lambda: app.context_panel.context_tree.model, "the context")
    editor = app.editor_panel.editor
    editor.move_cursor((row, len(editor.document.get_line(row))))
    for character in text:
        await pilot.press({" ": "space", "-": "minus", "=": "equals_sign"}.get(character, character))
    popup = app.query_one(Completion)
    await until(pilot, lambda: popup.is_open, "the box")
    return popup


CASES = [
    ("CO", "COPY", "tab", "COPY "),
    ("hea", "healthcheck", "enter", "healthcheck "),
    ("RUN --netw", "--network=", "enter", "RUN --network="),
    ("COPY --from=b", "base", "tab", "COPY --from=base"),
    ("ENV a=${VER", "VERSION", "tab", "ENV a=${VERSION}"),
    ("COPY sr", "src/", "tab", "COPY src/"),
    ("FROM app2", "app2:latest", "tab", "FROM app2:latest"),
]
"""What is typed, what is offered first, the key that takes it, and the line after that."""


@pytest.mark.slow
async def test_what_is_offered_while_typing_is_taken_by_a_key(app: WorkbenchApp) -> None:
    async with running(app, NARROW, built=False) as pilot:
        editor = app.editor_panel.editor
        for text, offered, key, line in CASES:
            editor.change_to(TEXT)
            popup = await typed(pilot, text)
            assert popup.chosen is not None and popup.chosen.text == offered
            assert f" {offered} " in screen_text(app)
            await pilot.press(key)
            assert editor.document.get_line(2) == line and editor.cursor_location == (2, len(line))
            await pilot.press("ctrl+z")
            assert editor.document.get_line(2) == text
            app.query_one(Completion).close()


@pytest.mark.slow
async def test_keys_move_close_and_ask(app: WorkbenchApp) -> None:
    async with running(app, NARROW, built=False) as pilot:
        popup = await typed(pilot, "A")
        assert popup.chosen is not None and popup.chosen.text == "ADD"
        await pilot.press("down")
        assert popup.chosen.text == "ARG" and app.editor_panel.editor.cursor_location[0] == 2
        await pilot.press("up", "up", "escape")
        assert not popup.is_open and app.focused is app.editor_panel.editor
        await pilot.press("ctrl+@")
        await until(pilot, lambda: popup.is_open, "asked for")
        await pilot.press("escape", "backspace", *"COPY", "space", "enter")
        await pilot.press("ctrl+@")
        await until(pilot, lambda: popup.is_open, "everything may stand here")
        await pilot.press("end")
        assert not popup.is_open


@pytest.mark.slow
async def test_enter_ends_the_line_where_a_path_was_only_offered(app: WorkbenchApp) -> None:
    async with running(app, NARROW, built=False) as pilot:
        await typed(pilot, "COPY . sr")
        await pilot.press("enter")
        assert app.editor_panel.editor.text == f"{TEXT}COPY . sr\n"


async def test_keys_that_arrive_at_once_take_what_fits_all_of_them(app: WorkbenchApp) -> None:
    async with running(app, NARROW, built=False) as pilot:
        await typed(pilot, "C")
        for key in ("M", "D", "enter", "C", "O", "P", "tab", "x"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        editor = app.editor_panel.editor
        await until(pilot, lambda: editor.text.endswith("x"), "all typed")
        assert editor.text.startswith(f"{TEXT}CMD\nCOP")


async def test_a_click_takes_one(app: WorkbenchApp) -> None:
    async with running(app, NARROW, built=False) as pilot:
        await typed(pilot, "A")
        await pilot.click(Completion, offset=(2, 1))
        await until(pilot, lambda: app.editor_panel.editor.document.get_line(2) == "ARG ", "taken")
        assert app.focused is app.editor_panel.editor


@pytest.mark.slow
@pytest.mark.parametrize(("size", "lines"), [(NARROW, 60), (WIDE, 0)])
async def test_the_line_that_is_typed_stays_in_sight(app: WorkbenchApp, size: tuple[int, int], lines: int) -> None:
    async with running(app, size, built=False) as pilot:
        editor = app.editor_panel.editor
        editor.change_to(TEXT + "\n" * lines)
        popup = await typed(pilot, "COPY --c", row=2 + lines)
        await pilot.pause()
        y = editor.cursor_screen_offset[1]
        assert "COPY --c" in screen_text(app).splitlines()[y]
        assert not popup.region.contains(0, y) and popup.region.height >= 2
        assert popup.region.right <= size[0] and popup.region.bottom <= size[1]
