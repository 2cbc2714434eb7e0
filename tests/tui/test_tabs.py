"""Several files in the editor, and other programs that write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from tests.tui.stage import NARROW, make_app, make_context, running, screen_text, until
from workbench.build import recovery
from workbench.tui.app import WorkbenchApp
from workbench.tui.messages import OpenFile
from workbench.tui.screens.dialogs import PAUSE, ConfirmDialog
from workbench.tui.widgets.file_view import FileView


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return make_context(tmp_path / "lab")


def shown(app: WorkbenchApp) -> str:
    return app.editor_panel.current.file_name


@pytest.mark.slow
async def test_files_in_tabs_each_with_its_own_text_undo_and_save(context: Path) -> None:
    app = make_app(context)
    async with running(app, NARROW) as pilot:
        panel = app.editor_panel
        await pilot.press("alt+i")
        await until(pilot, lambda: shown(app) == ".dockerignore" and panel.current.loaded, "the ignore file")
        app.post_message(OpenFile("src/app.py"))
        await until(pilot, lambda: shown(app) == "src/app.py" and panel.current.loaded, "a file of the context")
        assert "Dockerfile  .dockerignore ×  src/app.py ×" in screen_text(app)
        await pilot.press("#")
        assert panel.current.unsaved and panel.unsaved and "src/app.py • ×" in screen_text(app)
        await pilot.press("ctrl+pageup")
        assert shown(app) == ".dockerignore" and not panel.current.unsaved
        await pilot.press("x", "alt+full_stop", "ctrl+s")
        await until(pilot, lambda: not panel.current.unsaved, "saved")
        assert (context / "src/app.py").read_text() == "#print()\n"
        assert (context / ".dockerignore").read_text() == "# comment\n*.log\n"
        await pilot.press("ctrl+z")
        assert panel.current.editor.text == "print()\n", "undone over the save"
        await pilot.press("ctrl+pagedown", "ctrl+pagedown", "ctrl+z")
        assert shown(app) == ".dockerignore" and not panel.current.unsaved


@pytest.mark.slow
async def test_a_tab_is_closed_after_a_question_where_something_would_be_lost(context: Path) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        panel = app.editor_panel
        await pilot.press("alt+w")
        assert len(panel.files) == 1, "the Dockerfile stays"
        await pilot.press("alt+i")
        await until(pilot, lambda: shown(app) == ".dockerignore" and panel.current.loaded, "the ignore file")
        await pilot.press("x", "alt+w")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog), "the question")
        await pilot.press("s")
        await until(pilot, lambda: len(panel.files) == 1, "closed")
        assert (context / ".dockerignore").read_text() == "x# comment\n*.log\n"
        assert shown(app) == "Dockerfile" and app.focused is panel.editor


@pytest.mark.slow
async def test_the_mouse_chooses_and_closes(context: Path) -> None:
    app = make_app(context)
    async with running(app, NARROW) as pilot:
        await pilot.press("alt+i")
        await until(pilot, lambda: shown(app) == ".dockerignore" and app.editor_panel.current.loaded, "the ignore file")
        await pilot.click("FileTabs", offset=(2, 0))
        assert shown(app) == "Dockerfile"
        await pilot.click("FileTabs", offset=(len(" Dockerfile  .dockerignore "), 0))
        await until(pilot, lambda: len(app.editor_panel.files) == 1, "closed")


async def test_unsaved_text_of_every_file_is_kept(context: Path) -> None:
    app = make_app(context)
    async with running(app) as pilot:
        await pilot.press("#", "alt+i")
        await until(pilot, lambda: shown(app) == ".dockerignore" and app.editor_panel.current.loaded, "the ignore file")
        await pilot.press("x")
        app.editor_panel.put_aside()
        for name in ("Dockerfile", ".dockerignore"):
            assert recovery.offered(context / name) is not None


@pytest.mark.slow
async def test_a_change_of_another_program_is_merged_in(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        view = app.editor_panel.main
        view.editor.move_cursor((3, 6))
        await pilot.press(*" -l")
        (context / "Dockerfile").write_text("FROM theirs\nADD busybox.tar.xz /\nRUN x\nCMD sh\n")
        await app.editor_panel.look_at_disk()
        assert view.editor.text == "FROM theirs\nADD busybox.tar.xz /\nRUN x\nCMD sh -l\n"
        assert view.editor.cursor_location == (3, 9) and view.unsaved
        await pilot.press("ctrl+z")
        assert view.editor.text.startswith("FROM scratch\n"), "the merge is one step of undo"


@pytest.mark.slow
async def test_a_save_overwrites_nothing_that_was_not_seen(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        view, file = app.editor_panel.main, context / "Dockerfile"
        view.editor.change_to("FROM mine\nADD busybox.tar.xz /\nRUN x\nCMD sh\n")
        file.write_text("FROM scratch\nADD busybox.tar.xz /\nRUN x\nCMD theirs\n")
        assert await view.save()
        assert file.read_text() == "FROM mine\nADD busybox.tar.xz /\nRUN x\nCMD theirs\n"
        view.editor.change_to("FROM again\n")
        file.write_text("FROM theirs\n")
        assert not await view.save()
        assert file.read_text() == "FROM theirs\n" and view.editor.text == "FROM again\n"
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog), "the question")
        await pilot.pause(PAUSE)
        await pilot.press("d")
        await until(pilot, lambda: "+FROM again" in screen_text(app), "the difference")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog), "the question again")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1, "no answer")
        assert not await view.save(), "not answered, not overwritten"
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog), "asked again")
        await pilot.pause(PAUSE)
        await pilot.press("enter")
        await until(pilot, lambda: len(app.screen_stack) == 1, "mine is kept")
        assert await view.save()
        assert file.read_text() == "FROM again\n"


class Host(App[None]):
    """One file, without the workbench around it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.view = FileView(path, path.name)

    def compose(self) -> ComposeResult:
        yield self.view

    async def on_mount(self) -> None:
        await self.view.load()


async def test_a_touched_file_is_no_change(context: Path) -> None:
    file = context / "Dockerfile"
    app = Host(file)
    async with app.run_test():
        app.view.editor.change_to("FROM mine\n")
        os.utime(file)
        file.chmod(0o600)
        assert await app.view.save()
        assert file.read_text() == "FROM mine\n" and file.stat().st_mode & 0o777 == 0o600


async def test_a_file_with_mixed_line_ends_is_not_changed_unseen(context: Path) -> None:
    (context / "mixed.txt").write_bytes(b"a\r\nb\nc\x0cd\n")
    app = Host(context / "mixed.txt")
    async with app.run_test():
        assert app.view.editor.read_only and not app.view.unsaved


async def test_what_is_changed_outside_is_taken_and_the_cursor_stays(context: Path) -> None:
    app = Host(context / "Dockerfile")
    async with app.run_test() as pilot:
        app.view.editor.move_cursor((3, 2))
        (context / "Dockerfile").write_text("# new\nFROM scratch\nADD busybox.tar.xz /\nRUN x\nCMD sh\n")
        await app.view.look_at_disk()
        assert app.view.editor.cursor_location == (4, 2) and not app.view.unsaved
        app.view.editor.undo()
        await pilot.pause()
        assert app.view.editor.text.startswith("FROM scratch") and app.view.unsaved


@pytest.mark.parametrize(
    ("before", "after"), [("a\nb\nc\n", "a\nX\nc\n"), ("a\r\nb\r\n", "a\r\nc\r\nb\r\n"), ("", "x"), ("a\nb", "")]
)
async def test_changing_the_text_is_one_step_of_undo(context: Path, before: str, after: str) -> None:
    (context / "x").write_bytes(before.encode())
    app = Host(context / "x")
    async with app.run_test():
        app.view.editor.change_to(after)
        assert app.view.editor.text == after
        app.view.editor.undo()
        assert app.view.editor.text == before
