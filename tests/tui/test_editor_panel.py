"""The Dockerfile in its panel: read, saved, put aside, and changed by others."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.message import Message

from tests.tui.stage import until
from workbench.build import recovery
from workbench.build.progress import BuildProgress
from workbench.tui.widgets.editor_panel import EditorPanel
from workbench.tui.widgets.file_view import FileView
from workbench.tui.widgets.marks import Mark


class Host(App[None]):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield EditorPanel(self.path, self.path.name)

    async def on_mount(self) -> None:
        await self.panel.load()

    @property
    def panel(self) -> EditorPanel:
        return self.query_one(EditorPanel)

    def on_file_view_changed_outside(self, event: FileView.ChangedOutside) -> None:
        self.heard.append(event)

    def on_file_view_recovery_offered(self, event: FileView.RecoveryOffered) -> None:
        self.heard.append(event)

    def note(self) -> str:
        return str(self.query_one("#editor-note").render())


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM scratch\nLABEL a=b\n")
    return path


async def test_typing_marks_it_unsaved_and_saving_writes_the_file_with_its_mode(dockerfile: Path) -> None:
    dockerfile.chmod(0o640)
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)) as pilot:
        app.panel.editor.focus()
        app.panel.editor.move_cursor((2, 0))
        await pilot.press(*"CMD x")
        assert app.panel.unsaved and app.panel.title == "Dockerfile •"
        assert await app.panel.save()
        assert not app.panel.unsaved and app.panel.title == "Dockerfile"
    assert dockerfile.read_text() == "FROM scratch\nLABEL a=b\nCMD x"
    assert stat.S_IMODE(dockerfile.stat().st_mode) == 0o640
    assert [it.name for it in dockerfile.parent.iterdir()] == ["Dockerfile"]


async def test_a_link_is_written_through(tmp_path: Path, dockerfile: Path) -> None:
    link = tmp_path / "Link"
    link.symlink_to(dockerfile)
    app = Host(link)
    async with app.run_test(size=(80, 12)):
        app.panel.editor.text = "FROM busybox\n"
        assert await app.panel.save()
    assert link.is_symlink() and dockerfile.read_text() == "FROM busybox\n"


async def test_what_was_put_aside_and_then_undone_is_not_offered(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)) as pilot:
        app.panel.editor.focus()
        await pilot.press("#")
        await until(pilot, lambda: recovery.offered(dockerfile) is not None, "put aside")
        await pilot.press("backspace")
        assert not app.panel.unsaved
        await until(pilot, lambda: recovery.offered(dockerfile) is None, "forgotten")


async def test_unsaved_text_is_put_aside_and_offered_and_forgotten_once_saved(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)) as pilot:
        app.panel.editor.focus()
        await pilot.press(*"# ")
        await until(pilot, lambda: recovery.offered(dockerfile) is not None, "put aside")
    again = Host(dockerfile)
    async with again.run_test(size=(80, 12)) as pilot:
        await until(pilot, lambda: again.heard, "offered")
        offered = again.heard[0]
        assert isinstance(offered, FileView.RecoveryOffered)
        assert offered.text == "# FROM scratch\nLABEL a=b\n"
        again.panel.main.take(offered.text)
        assert again.panel.unsaved
        assert await again.panel.save()
        assert recovery.offered(dockerfile) is None
    assert dockerfile.read_text() == "# FROM scratch\nLABEL a=b\n"


async def test_what_was_put_aside_and_undone_is_forgotten(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)) as pilot:
        app.panel.editor.focus()
        await pilot.press(*"# ")
        await until(pilot, lambda: recovery.offered(dockerfile) is not None, "put aside")
        await pilot.press("ctrl+z")
        await until(pilot, lambda: not app.panel.unsaved, "undone")
        await until(pilot, lambda: recovery.offered(dockerfile) is None, "forgotten")


async def test_what_was_offered_and_not_decided_stays_where_nothing_was_put_aside(
    dockerfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.tui.widgets.file_view._PUT_ASIDE_AFTER", 60.0)
    recovery.save(dockerfile, "FROM earlier\n")
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)) as pilot:
        await until(pilot, lambda: app.heard, "offered")
        app.panel.editor.focus()
        await pilot.press("a", "ctrl+z")
        await until(pilot, lambda: not app.panel.unsaved, "undone")
    kept = recovery.offered(dockerfile)
    assert kept is not None and kept.text == "FROM earlier\n"


async def test_what_another_program_wrote_is_taken_where_nothing_is_unsaved(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)):
        dockerfile.write_text("FROM busybox\n")
        await app.panel.look_at_disk()
        assert app.panel.editor.text == "FROM busybox\n"
        assert not app.panel.unsaved and not app.heard


async def test_what_another_program_wrote_is_asked_about_where_something_is_unsaved(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)) as pilot:
        app.panel.editor.text = "FROM mine\n"
        dockerfile.write_text("FROM theirs\n")
        await app.panel.look_at_disk()
        await pilot.pause()
        assert app.panel.editor.text == "FROM mine\n"
        assert [type(it) for it in app.heard] == [FileView.ChangedOutside]
        await app.panel.look_at_disk()
        await pilot.pause()
        assert len(app.heard) == 1, "asked once for one change"


async def test_the_line_below_says_what_is_wrong_where_it_is(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)) as pilot:
        app.panel.editor.text = "FROM scratch\nFORM x\n"
        await until(pilot, lambda: "unknown instruction" in app.note(), "the error")
        assert "2:1 [ParseError] unknown instruction: FORM" in app.note()
        app.panel.editor.text = "FROM scratch\n"
        await until(pilot, lambda: not app.note().strip(), "nothing to say")


async def test_a_failure_leads_to_its_line_unless_the_person_went_on(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.pause()
        app.panel.lead_to(2)
        assert app.panel.editor.cursor_location == (1, 0)
        await pilot.pause()
        app.panel.editor.focus()
        await pilot.press("up", "x")
        app.panel.lead_to(2)
        assert app.panel.editor.cursor_location[0] == 0


async def test_a_file_that_is_no_text_is_shown_and_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(b"FROM \xff\n")
    app = Host(path)
    async with app.run_test(size=(80, 12)):
        assert app.panel.editor.read_only
        assert not await app.panel.save()
    assert path.read_bytes() == b"FROM \xff\n"


async def test_a_missing_file_is_made_by_saving(tmp_path: Path) -> None:
    app = Host(tmp_path / "Dockerfile")
    async with app.run_test(size=(80, 12)):
        app.panel.editor.text = "FROM scratch\n"
        assert await app.panel.save()
    made = tmp_path / "Dockerfile"
    assert made.read_text() == "FROM scratch\n" and made.stat().st_mode & 0o111 == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_file_that_cannot_be_saved_keeps_the_text(dockerfile: Path) -> None:
    dockerfile.parent.chmod(0o555)
    app = Host(dockerfile)
    try:
        async with app.run_test(size=(80, 12)):
            app.panel.editor.text = "FROM mine\n"
            assert not await app.panel.save()
            assert app.panel.unsaved
            kept = await asyncio.to_thread(recovery.offered, dockerfile)
            assert kept is not None and kept.text == "FROM mine\n"
    finally:
        dockerfile.parent.chmod(0o755)


async def test_marks_and_problems_of_a_build_are_shown(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(80, 12)):
        app.panel.show_build(BuildProgress(), {2: Mark("failed", "✘", "failed")}, "the engine went away")
        assert "the engine went away" in app.note()
        assert app.panel.editor.render_line(1).text.startswith("✘ failed")


@pytest.mark.parametrize("key", ["alt+enter", "ctrl+l"])
async def test_one_key_fixes_what_is_found_on_the_line(dockerfile: Path, key: str) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(140, 12)) as pilot:
        editor = app.panel.editor
        editor.focus()
        text = "FROM a AS One\nFROM b\nCOPY --from=One x y\nFROM c AS one\nCMD x y\n"
        editor.text = text
        await until(pilot, lambda: 4 in editor.found, "the duplicate name")
        editor.move_cursor((4, 0))
        await until(pilot, lambda: "(alt+enter: use the exec form)" in app.note(), "what the key would do")
        assert "5:5 [JSONArgsRecommended] JSON arguments recommended" in app.note()
        await pilot.press(key)
        assert editor.text.endswith('CMD ["x", "y"]\n')
        await until(pilot, lambda: 5 not in editor.found, "nothing to say of the line")
        editor.move_cursor((3, 0))
        await pilot.press(key)
        assert editor.text == ('FROM a AS one-1\nFROM b\nCOPY --from=one-1 x y\nFROM c AS one\nCMD ["x", "y"]\n')
        await pilot.press("ctrl+z", "ctrl+z")
        assert editor.text == text


async def test_a_fix_waits_for_the_diagnostics_of_what_was_typed(dockerfile: Path) -> None:
    app = Host(dockerfile)
    async with app.run_test(size=(140, 12)) as pilot:
        editor = app.panel.editor
        editor.focus()
        editor.text = "FROM a\nCMD x"
        editor.move_cursor((1, 0))
        editor.action_fix()
        assert editor.text == "FROM a\nCMD x"
        await until(pilot, lambda: editor.text == 'FROM a\nCMD ["x"]', "the fix")


async def test_the_ignore_file_counts(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nCOPY x.log /\n")
    (tmp_path / ".dockerignore").write_text("*.log\n")
    app = Host(tmp_path / "Dockerfile")
    async with app.run_test(size=(140, 12)) as pilot:
        app.panel.context = tmp_path
        app.panel.editor.move_cursor((1, 0))
        app.panel.editor.insert(" ")
        await until(pilot, lambda: "It is kept out by .dockerignore:1: *.log" in app.note(), "the deciding line")
