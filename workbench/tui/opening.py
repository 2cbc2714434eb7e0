"""A file of the context in a tab of the editor, or as it is where it is no text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workbench.files import is_text

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


async def open_path(app: WorkbenchApp, path: str, line: int) -> None:
    """Opens the file at that path of the context and makes the editor active; `line` from 1, 0 for none."""
    from workbench.tui.screens.viewer import FileViewer

    full = app.context / path
    if not await asyncio.to_thread(is_text, full):
        app.push_screen(FileViewer(full, path))
        return
    view = await app.editor_panel.open(full, path)
    if line:
        view.editor.go_to(line)
    app.activate("dockerfile")
