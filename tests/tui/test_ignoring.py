"""The context panel's keys: ignore lines come and go, and what should rarely be sent is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.stage import NARROW, make_app, make_context, running, screen_text, until
from workbench.tui.app import WorkbenchApp
from workbench.tui.widgets.note import Note


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[WorkbenchApp]:
    context = make_context(tmp_path / "lab", "FROM scratch\nCOPY src /src\n")
    for name, text in {".env": "A=1", "node_modules/a/b.js": "x" * 5000, "src/z.py": "z" * 50}.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    yield make_app(context)


async def to(pilot: Pilot[Any], app: WorkbenchApp, path: str) -> None:
    """The cursor on that entry of the context tree."""
    app.activate("context")
    tree = app.context_panel.context_tree
    await until(pilot, lambda: tree.model is not None and path in tree.model.paths, f"{path} is in the tree")
    tree._reveal(path)
    tree._go_to(path)
    await pilot.pause()


def said(app: WorkbenchApp, note: str = "note") -> str:
    return str(app.context_panel.query_one(f"#context-{note}", Note).content)


def ignored(app: WorkbenchApp, path: str) -> bool:
    model = app.context_panel.context_tree.model
    return model is not None and (place := model.place(path)) is not None and not model.sent[place]


def text_of(app: WorkbenchApp) -> str:
    return (app.context / ".dockerignore").read_text()


async def test_a_line_comes_and_goes(lab: WorkbenchApp) -> None:
    async with running(lab) as pilot:
        await until(pilot, lambda: "node_modules" in lab.context_panel.context_tree.warned, "the warning")
        assert "· 2 !" in lab.context_panel.title
        await to(pilot, lab, "node_modules")
        assert said(lab, "warning") == "! packages that a RUN step can install; x adds an ignore line"
        assert said(lab) == "node_modules: sent, no ignore line matches · no step takes it"
        await pilot.press("x")
        await until(pilot, lambda: ignored(lab, "node_modules"), "it is not sent")
        await until(pilot, lambda: text_of(lab) == "# comment\n*.log\nnode_modules\n", "it is saved")
        assert lab.editor_panel.current is lab.editor_panel.main, "the Dockerfile stays in front"
        await until(pilot, lambda: "node_modules" not in lab.context_panel.context_tree.warned, "no warning")
        await to(pilot, lab, "node_modules")
        assert said(lab) == "node_modules: not sent by line 3 of .dockerignore: node_modules"
        await until(pilot, lambda: "5kB" in screen_text(lab), "its weight, which is not sent")
        await pilot.press("x")
        await until(pilot, lambda: "is not sent already" in screen_text(lab), "nothing to add")
        await pilot.press("X")
        await until(pilot, lambda: not ignored(lab, "node_modules"), "it is sent again")
        await until(pilot, lambda: text_of(lab) == "# comment\n*.log\n", "that is saved")


@pytest.mark.slow
async def test_the_ignore_file_decides_while_it_is_edited(lab: WorkbenchApp) -> None:
    async with running(lab) as pilot:
        await to(pilot, lab, "src/z.py")
        assert "taken by line 2" in said(lab)
        view = await lab.editor_panel.open(lab.context / ".dockerignore", ".dockerignore")
        view.editor.change_to("# comment\n*.log\nsrc/z*\n")
        await until(pilot, lambda: ignored(lab, "src/z.py"), "the unsaved line decides")
        assert (lab.context / ".dockerignore").read_text() == "# comment\n*.log\n"
        view.editor.change_to("# comment\n*.log\n")
        await until(pilot, lambda: not ignored(lab, "src/z.py"), "it is taken back")
        lab.editor_panel.editor.change_to("FROM scratch\nRUN x\nCOPY --exclude=*.js . /\nCOPY src /src\n")
        await until(pilot, lambda: "taken by line 3, 4" in said(lab), "the unsaved Dockerfile takes it")
        lab.editor_panel.editor.change_to("FROM scratch\nCOPY --exclude=z* src /\n")
        await until(pilot, lambda: "no step takes it" in said(lab), "it is left out")


async def test_both_the_warning_and_the_deciding_line_are_shown(lab: WorkbenchApp) -> None:
    (lab.context / ".dockerignore").write_text("node*\n!node_modules\n")
    async with running(lab, NARROW) as pilot:
        await until(pilot, lambda: "node_modules" in lab.context_panel.context_tree.warned, "the warning")
        await to(pilot, lab, "node_modules")
        shown = screen_text(lab)
        assert "! packages that a RUN step can install; x adds an ignore line" in shown
        assert "node_modules: sent by line 2 of .dockerignore: !node_modules" in shown
        await to(pilot, lab, "src")
        assert "!" not in said(lab, "warning") and "packages that" not in screen_text(lab)


@pytest.mark.slow
async def test_what_the_build_is_read_from_is_not_ignored(lab: WorkbenchApp) -> None:
    async with running(lab) as pilot:
        await to(pilot, lab, "Dockerfile")
        await pilot.press("x")
        await until(pilot, lambda: "what the build itself is read from" in screen_text(lab), "a word")
        await to(pilot, lab, "node_modules")
        assert "X" not in said(lab)
        await to(pilot, lab, "src")
        await pilot.press("X")
        await until(pilot, lambda: "No line of the ignore file" in screen_text(lab), "a word")


async def test_by_size_and_to_the_next_warning(lab: WorkbenchApp) -> None:
    async with running(lab) as pilot:
        await until(pilot, lambda: lab.context_panel.context_tree.warned, "the warnings")
        tree = lab.context_panel.context_tree
        lab.activate("context")
        await pilot.pause()

        def names() -> list[str]:
            return [tree.row_text(row) for row in range(1, tree.row_count)]

        before = names()
        await pilot.press("s")
        await until(pilot, lambda: names() != before, "another order")
        assert names()[0] == "node_modules" and names().index("z.py") == names().index("app.py") - 1
        await pilot.press("s")
        await until(pilot, lambda: names() == before, "by name again")
        await pilot.press("g", "w")
        await until(pilot, lambda: tree.entry is not None and tree.entry.path == ".env", "the first")
        await pilot.press("w")
        await until(pilot, lambda: tree.entry is not None and tree.entry.path == "node_modules", "the second")
        await pilot.press("w")
        await until(pilot, lambda: tree.entry is not None and tree.entry.path == ".env", "round about")


@pytest.mark.slow
async def test_an_exception_goes_only_after_a_question(lab: WorkbenchApp) -> None:
    (lab.context / ".dockerignore").write_text("*\n!src\n!Dockerfile\n")
    async with running(lab) as pilot:
        await to(pilot, lab, "src/z.py")
        await pilot.press("X")
        await until(pilot, lambda: "2 files fewer would be sent, 58B less" in screen_text(lab), "what would be sent")
        assert "Take line 2 of .dockerignore away: !src" in screen_text(lab)
        await pilot.press("escape")
        await until(pilot, lambda: len(lab.screen_stack) == 1, "the answer")
        assert "!src" in (lab.context / ".dockerignore").read_text()
        await to(pilot, lab, "node_modules")
        await pilot.press("X")
        await until(pilot, lambda: "4 files more would be sent, 6.02kB more" in screen_text(lab), "what * keeps away")
        await pilot.press("t")
        await until(pilot, lambda: not ignored(lab, "node_modules"), "it is sent")
        assert (lab.context / ".dockerignore").read_text() == "!src\n!Dockerfile\n"


@pytest.mark.slow
async def test_much_is_asked_about(lab: WorkbenchApp) -> None:
    (lab.context / ".dockerignore").write_text("node_modules\n")
    with (lab.context / "node_modules" / "big").open("wb") as file:
        file.truncate(3_000_000_000)
    async with running(lab) as pilot:
        await to(pilot, lab, "node_modules")
        await pilot.press("X")
        await until(pilot, lambda: "2 files more would be sent, 3GB more" in screen_text(lab), "what would be sent")
        await pilot.press("k")
        assert (lab.context / ".dockerignore").read_text() == "node_modules\n"


@pytest.mark.slow
async def test_what_is_unsaved_in_the_open_file_stays_unsaved(lab: WorkbenchApp) -> None:
    file = lab.context / ".dockerignore"
    async with running(lab) as pilot:
        await until(pilot, lambda: lab.context_panel.context_tree.warned, "the warnings")
        view = await lab.editor_panel.open(file, ".dockerignore")
        view.editor.change_to("# comment\n*.log\n# mine\n")
        await to(pilot, lab, "node_modules")
        await pilot.press("x")
        await until(pilot, lambda: ignored(lab, "node_modules"), "the unsaved line decides")
        assert "other unsaved changes" in screen_text(lab)
        assert view.editor.text == "# comment\n*.log\n# mine\nnode_modules\n" and view.unsaved
        assert file.read_text() == "# comment\n*.log\n"
        view.editor.undo()
        await until(pilot, lambda: not ignored(lab, "node_modules"), "it is taken back")
        view.editor.change_to(file.read_text())
        await to(pilot, lab, ".env")
        await pilot.press("x")
        await until(
            pilot, lambda: file.read_text() == "# comment\n*.log\n.env\n", "it is saved: nothing else was to be"
        )
        view.editor.undo()
        await until(pilot, lambda: not ignored(lab, ".env"), "undone over the save")


@pytest.mark.slow
async def test_a_file_that_cannot_be_changed_is_told(lab: WorkbenchApp) -> None:
    (lab.context / ".dockerignore").write_bytes(b"# \xff\n")
    async with running(lab) as pilot:
        await to(pilot, lab, "node_modules")
        await pilot.press("x")
        await until(pilot, lambda: "is not UTF-8 text" in screen_text(lab), "a word")
        assert (lab.context / ".dockerignore").read_bytes() == b"# \xff\n"
