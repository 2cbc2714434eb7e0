"""Questions about open files: unsaved text of an earlier run, what another program wrote, closing what is not saved."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

from workbench.build.text import one_line

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.widgets.file_view import FileView


async def ask(
    app: WorkbenchApp,
    title: str,
    lines: list[str],
    answers: list[tuple[str, str]],
    *,
    unasked: bool = False,
    about_build: bool = False,
) -> str | None:
    """The name of the chosen answer, None for going back. For the rest see `ConfirmDialog`."""
    from workbench.tui.screens.dialogs import ConfirmDialog

    dialog = ConfirmDialog(title, lines, answers, unasked=unasked, about_build=about_build)
    return await app.push_screen_wait(dialog)


async def ask_recovery(app: WorkbenchApp, view: FileView, text: str, age: str) -> None:
    """Unsaved text of an earlier run: take it into the editor, or let it go."""
    answer = await ask(
        app,
        "Unsaved text was found",
        [
            f"{view.file_name} was edited {age[:1].lower()}{age[1:]} and not saved.",
            "Restoring puts the text into the editor, unsaved.",
        ],
        [("restore", "Restore"), ("discard", "Discard")],
        unasked=True,
    )
    if answer == "restore":
        view.take(text)
    elif answer == "discard":
        await view.let_go()


async def ask_which(app: WorkbenchApp, view: FileView, text: str) -> None:
    """The file was changed by another program on the lines that were changed here, too."""
    from workbench.tui.screens.text import TextScreen

    name = view.file_name
    answer: str | None = "diff"
    unasked = True
    while answer == "diff":
        answer = await ask(
            app,
            f"{name} was changed by another program",
            [
                "There is unsaved text in the editor, on the same lines.",
                "Keeping yours overwrites theirs at the next save.",
            ],
            [("keep", "Keep mine"), ("take", "Take theirs"), ("diff", "Difference")],
            unasked=unasked,
        )
        unasked = False  # who has seen the difference knows of it
        if answer == "diff":
            lines = unified_diff(text.splitlines(), view.editor.text.splitlines(), "theirs", "mine", lineterm="")
            shown = [one_line(line) for line in lines]
            await app.push_screen_wait(TextScreen(f"{name}: what saving yours would change", shown, diff=True))
    if answer == "take":
        await view.let_go()
        await view.take_theirs()
    elif answer == "keep":
        view.keep_mine()


async def ask_close(app: WorkbenchApp, view: FileView) -> None:
    """A file is to be closed, and is not saved."""
    answer = await ask(
        app,
        f"{view.file_name} is not saved",
        ["The text in the editor differs from the file."],
        [("save", "Save and close"), ("discard", "Discard and close"), ("stay", "Stay")],
    )
    if answer == "discard" or (answer == "save" and await view.save()):
        await app.editor_panel.close(view)
