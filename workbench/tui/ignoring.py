"""Ignore lines by one key: for the entry under the cursor, and away with the line that decided about it.

The change is made in the ignore file's own tab and saved, so that it can be undone there, and nothing that another
program or this editor has in the file is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.context.ignore import IGNORE_FILE, Rule
from workbench.context.ignore_edit import has_line, line_for, with_line, without_line
from workbench.context.scan import Entry

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


async def ignore(app: WorkbenchApp, entry: Entry) -> None:
    """Adds the line that excludes this entry."""
    if not entry.sent and entry.rule is not None and not entry.rule.negated:
        app.notify(f"{entry.path} is not sent already.", markup=False)
        return
    if entry.path in app.context_panel.build_files:
        app.notify(f"{entry.path} is what the build itself is read from.", markup=False)
        return
    line = line_for(entry.path)
    if await _change(app, await _file(app), lambda text: with_line(text, line)):
        app.notify(f"Line added: {line}", title=IGNORE_FILE, markup=False)


async def take_line_away(app: WorkbenchApp, rule: Rule) -> None:
    """Takes the line of that rule out of the ignore file; says what it was."""
    path = app.context / rule.source
    if not rule.line:
        return
    number = rule.line

    def without(text: str) -> str:
        return without_line(text, number) if has_line(text, number, str(rule)) else text

    if await _change(app, path, without):
        app.notify(f"Line {number} taken away: {rule}", title=rule.source, markup=False)
    else:
        app.notify(f"Line {number} is no longer {rule}: look again.", title=rule.source, markup=False)
        app.context_panel.look(app.request.dockerfile)


async def _file(app: WorkbenchApp) -> Path:
    """The ignore file that counts for this Dockerfile; the context's where there is none yet."""
    dockerfile = app.context / app.request.dockerfile
    own = dockerfile.with_name(f"{dockerfile.name}{IGNORE_FILE}")
    return own if await asyncio.to_thread(own.exists) else app.context / IGNORE_FILE


async def _change(app: WorkbenchApp, path: Path, change: Callable[[str], str]) -> bool:
    panel = app.editor_panel
    before = panel.current
    view = await panel.open(path, path.name)
    panel.show_file(before)
    text = change(view.editor.text)
    if text == view.editor.text or view.editor.read_only:
        return False
    view.take(text)
    return await view.save()
