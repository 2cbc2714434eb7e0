"""Leaving without losing anything: the questions before it, and the signals that do not wait for an answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Literal

from workbench.tui import hangup
from workbench.tui.asking import ask

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.live import Live

Ending = Literal["cancel", "leave", "drop"]
"""What becomes of a running build: it is cancelled, it goes on, or what the configuration says of a lost line."""

_PATIENCE = 3.0
"""Seconds that an ending waits for a build to be cancelled."""


async def leave(app: WorkbenchApp) -> bool:
    """Quits; asks first where there is unsaved text or a running build. False where the answer was to stay."""
    panel = app.editor_panel
    if panel.unsaved:
        names = [view.file_name for view in panel.files if view.unsaved]
        are = "is" if len(names) == 1 else "are"
        answer = await ask(
            app,
            f"{', '.join(names)} {are} not saved",
            ["The text in the editor differs from the file."],
            [("save", "Save and quit"), ("discard", "Discard and quit"), ("stay", "Stay")],
        )
        if answer == "save":
            if not await panel.save_all():
                return False
        elif answer == "discard":
            await panel.let_go()
        else:
            return False
    else:
        await asyncio.to_thread(panel.put_aside)  # what was undone is not offered again
    ending: Ending = "leave"
    if app.live is not None and app.live.running:
        chosen = await _ask_about_the_build(app, app.live)
        if chosen is None:
            return False
        ending = chosen
    app.typed.asks_no_more()
    await end(app, 0, ending)
    return True


async def _ask_about_the_build(app: WorkbenchApp, live: Live) -> Ending | None:
    """What a running build comes to; None to stay."""
    lines, answers = ["Quitting cancels it."], [("cancel", "Quit"), ("stay", "Stay")]
    if live.loop.outlives:
        lines = ["Left running, it is here again when the workbench opens on this context."]
        answers = [("cancel", "Quit and cancel it"), ("leave", "Leave it running"), ("stay", "Stay")]
    answer = await ask(app, f"Build r{live.state.building} is running", lines, answers, about_build=True)
    if answer == "ended":
        app.notify(f"Build r{live.state.ended} {live.state.outcome}: nothing to ask any more. q quits.", markup=False)
    if answer == "leave":
        return "leave"
    return "cancel" if answer == "cancel" else None


async def end(app: WorkbenchApp, code: int, ending: Ending) -> None:
    """Ends the loop, closes the engine, gives the terminal back."""
    await _close(app, ending)
    app.exit(code, return_code=code)


async def _end_without_terminal(app: WorkbenchApp, code: int) -> None:
    """The same where there is no terminal to give back. Textual's own ending waits for a thread that writes to the
    terminal, and that thread is dead."""
    await _close(app, "drop")
    os._exit(code)


async def _close(app: WorkbenchApp, ending: Ending) -> None:
    if app.live is not None:
        loop = app.live.loop
        try:
            ended = loop.stop() if ending == "cancel" else loop.leave(dropped=ending == "drop")
            await asyncio.wait_for(ended, _PATIENCE)
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
    ended = _end_without_terminal(app, code) if lost else end(app, code, "drop")
    app.run_worker(ended, group="end", exclusive=True, exit_on_error=False, description="end by a signal")


def build_ended(app: WorkbenchApp) -> None:
    """A question about the build that ran is of no use now: it closes by itself."""
    from workbench.tui.screens.dialogs import ConfirmDialog

    if isinstance(app.screen, ConfirmDialog) and app.screen.about_build:
        app.screen.answer("ended")
