"""Leaving without losing anything: the questions before it, and the signals that do not wait for an answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from workbench.tui import hangup

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_PATIENCE = 3.0
"""Seconds that an ending waits for a build to be cancelled."""


async def leave(app: WorkbenchApp) -> None:
    """Quits; asks first where there is unsaved text or a running build."""
    panel = app.editor_panel
    if panel.unsaved:
        answer = await _ask(
            app,
            f"{panel.file_name} is not saved",
            ["The text in the editor differs from the file."],
            [("save", "Save and quit"), ("discard", "Discard and quit"), ("stay", "Stay")],
        )
        if answer == "save":
            if not await panel.save():
                return
        elif answer == "discard":
            await panel.let_go()
        else:
            return
    elif app.live is not None and app.live.running:
        answer = await _ask(
            app,
            f"Build r{app.live.state.building} is running",
            ["Quitting cancels it."],
            [("quit", "Quit"), ("stay", "Stay")],
        )
        if answer != "quit":
            return
    await end(app, 0)


async def end(app: WorkbenchApp, code: int) -> None:
    """Cancels the build, closes the engine, gives the terminal back."""
    await _close(app)
    app.exit(code, return_code=code)


async def _end_without_terminal(app: WorkbenchApp, code: int) -> None:
    """The same where there is no terminal to give back. Textual's own ending waits for a thread that writes to the
    terminal, and that thread is dead."""
    await _close(app)
    os._exit(code)


async def _close(app: WorkbenchApp) -> None:
    if app.live is not None:
        try:
            await asyncio.wait_for(app.live.loop.stop(), _PATIENCE)
            await asyncio.wait_for(app.engine.close(), _PATIENCE)
        except TimeoutError:
            app.log.warning("the build did not end in time")


def on_signals(app: WorkbenchApp) -> None:
    """SIGTERM and SIGHUP put the unsaved text aside at once and end the app with 128 + the signal's number. SIGHUP is
    heard even where the parent ignored it (nohup): without a terminal there is nothing to go on with."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        try:
            loop.add_signal_handler(number, _heard, app, 128 + number)
        except (ValueError, RuntimeError):
            return  # not the main thread: the signals belong to somebody else
    if not app.is_headless:

        def gone() -> None:
            with contextlib.suppress(RuntimeError):  # the loop ended by itself
                loop.call_soon_threadsafe(_heard, app, 128 + signal.SIGHUP)

        hangup.watch(0, gone)


def _heard(app: WorkbenchApp, code: int) -> None:
    """A hangup may be told twice, by its signal and by the terminal: the first one counts."""
    if any(worker.group == "end" for worker in app.workers):
        return
    lost = not app.is_headless and hangup.let_go()
    if not app.is_headless:
        hangup.end_at_the_latest(_PATIENCE + 1, code)
    try:
        if app.live is not None:
            app.editor_panel.put_aside()
    except OSError as error:
        app.log.error(f"the unsaved text could not be put aside: {error}")
    ended = _end_without_terminal(app, code) if lost else end(app, code)
    app.run_worker(ended, group="end", exclusive=True, exit_on_error=False, description="end by a signal")


async def _ask(app: WorkbenchApp, title: str, lines: list[str], answers: list[tuple[str, str]]) -> str | None:
    from workbench.tui.screens.dialogs import ConfirmDialog

    return await app.push_screen_wait(ConfirmDialog(title, lines, answers))


async def ask_recovery(app: WorkbenchApp, text: str, age: str) -> None:
    """Unsaved text of an earlier run: take it into the editor, or let it go."""
    panel = app.editor_panel
    answer = await _ask(
        app,
        "Unsaved text was found",
        [f"{panel.file_name} was edited {age} and not saved.", "Restoring puts the text into the editor, unsaved."],
        [("restore", "Restore"), ("discard", "Discard")],
    )
    if answer == "restore":
        panel.take(text, saved=False)
    elif answer == "discard":
        await panel.let_go()


async def ask_which(app: WorkbenchApp, text: str) -> None:
    """The file was changed by another program while there is unsaved text here."""
    panel = app.editor_panel
    answer = await _ask(
        app,
        f"{panel.file_name} was changed by another program",
        ["There is unsaved text in the editor.", "Keeping yours overwrites the file at the next save."],
        [("keep", "Keep mine"), ("take", "Take theirs")],
    )
    if answer == "take":
        await panel.let_go()
        panel.take(text, saved=True)
