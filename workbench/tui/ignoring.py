"""Ignore lines by one key: for the entry under the cursor, and away with the line that decided about it.

Where the ignore file is open, the change is made in its editor, can be undone there, and is saved unless something else
in it is not; else it is made in the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.format import human_size
from workbench.context.ignore import IGNORE_FILE, IgnoreRules, Rule
from workbench.context.ignore_edit import has_line, is_wide, line_for, with_line, without_line
from workbench.context.scan import Entry, Scan, scan
from workbench.errors import InputError, WorkbenchError
from workbench.files import read_text, write_text_over
from workbench.tui.asking import ask

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.widgets.file_view import FileView

MANY_FILES = 1_000
MANY_BYTES = 100_000_000
"""Taking a line away is asked about from so much more that would be sent."""
_ATTEMPTS = 3
"""How often a change begins anew while others write the file."""


async def ignore(app: WorkbenchApp, entry: Entry) -> None:
    """Adds the line that excludes this entry."""
    if not entry.sent and entry.rule is not None and not entry.rule.negated:
        app.notify(f"{entry.path} is not sent already.", markup=False)
        return
    if entry.path in app.context_panel.build_files:
        app.notify(f"{entry.path} is what the build itself is read from.", markup=False)
        return
    line = line_for(entry.path)
    path = await _file(app)
    await _change(app, path, lambda text: with_line(text, line), f"Line added: {line}")


async def take_line_away(app: WorkbenchApp, rule: Rule) -> None:
    """Takes the line of that rule out of the ignore file; says what it was. Asks first where much more would be sent,
    or where one does not see from the line what would be."""
    path = app.context / rule.source
    if not rule.line:
        return
    number = rule.line

    def without(text: str) -> str:
        return without_line(text, number) if has_line(text, number, str(rule)) else text

    text = await _text(app, path)
    if text is not None and without(text) == text:
        app.notify(f"Line {number} is no longer {rule}: look again.", title=rule.source, markup=False)
        app.context_panel.look(app.request.dockerfile)
    elif text is None or await _is_meant(app, rule, without(text)):
        await _change(app, path, without, f"Line {number} taken away: {rule}")


async def _is_meant(app: WorkbenchApp, rule: Rule, text: str) -> bool:
    """Whether the line may go, which leaves that text."""
    files = size = 0
    model = app.context_panel.context_tree.model
    try:
        after = await asyncio.to_thread(_scan, app.context, rule.source, text, tuple(app.context_panel.build_files))
    except WorkbenchError as error:
        app.notify(f"{error}\n{error.hint}", title=rule.source, severity="error", markup=False)
        return False
    if model is not None:
        files, size = after.sent_files - model.sent_files, after.sent_bytes - model.sent_bytes
    if not (rule.negated or is_wide(rule) or files >= MANY_FILES or size >= MANY_BYTES):
        return True
    title = f"Take line {rule.line} of {rule.source} away: {rule}"
    answers = [("take", "Take it away"), ("back", "Keep it")]
    return await ask(app, title, [_in_words(files, size), _whole(after)], answers) == "take"


def _in_words(files: int, size: int) -> str:
    if not files and not size:
        return "As many files are sent without it."
    plural = "" if abs(files) == 1 else "s"
    fewer, less = "fewer" if files < 0 else "more", "less" if size < 0 else "more"
    return f"{abs(files):,} file{plural} {fewer} would be sent, {human_size(abs(size))} {less}."


def _whole(after: Scan) -> str:
    return f"That would be {after.sent_files:,} of {after.files:,} files, {human_size(after.sent_bytes)}."


def _scan(context: Path, source: str, text: str, build_files: tuple[str, ...]) -> Scan:
    return scan(context, IgnoreRules.parse(text, source=source, build_files=build_files))


async def _file(app: WorkbenchApp) -> Path:
    """The ignore file that counts for this Dockerfile; the context's where there is none yet."""
    dockerfile = app.context / app.request.dockerfile
    own = dockerfile.with_name(f"{dockerfile.name}{IGNORE_FILE}")
    there = await asyncio.to_thread(own.exists) or _open_view(app, own) is not None
    return own if there else app.context / IGNORE_FILE


def _open_view(app: WorkbenchApp, path: Path) -> FileView | None:
    return next((it for it in app.editor_panel.files if it.path == path and it.loaded), None)


async def _text(app: WorkbenchApp, path: Path) -> str | None:
    """What is in its editor, else in the file; None where that cannot be read."""
    view = _open_view(app, path)
    if view is not None:
        return view.editor.text
    try:
        return (await asyncio.to_thread(read_text, path)).text
    except WorkbenchError:
        return None


async def _change(app: WorkbenchApp, path: Path, change: Callable[[str], str], told: str) -> None:
    view = _open_view(app, path)
    try:
        if view is None:
            await asyncio.to_thread(_change_file, path, change)
        elif view.editor.read_only:
            raise InputError(f"{path} cannot be changed", hint="Its tab says why.")
        else:
            others = view.unsaved
            view.take(change(view.editor.text))
            if others:
                told = f"{told}\nNot saved yet: the file has other unsaved changes."
            elif not await view.save():
                return  # which was told
    except WorkbenchError as error:
        app.notify(f"{error}\n{error.hint}".strip(), title="Not changed", severity="error", markup=False)
        return
    app.notify(told, title=path.name, markup=False)
    app.context_panel.look(app.request.dockerfile)


def _change_file(path: Path, change: Callable[[str], str]) -> None:
    """Raises InputError, StoreError."""
    for _ in range(_ATTEMPTS):
        file = read_text(path)
        if not file.writable:
            raise InputError(f"{path} is not UTF-8 text", hint="Change it with a program that knows its encoding.")
        if write_text_over(path, change(file.text), file.stamp) is not None:
            return
    raise InputError(f"{path} is being written by another program", hint="Try again when it has ended.")
