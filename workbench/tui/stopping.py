"""`ctrl+z`: the terminal goes back to the shell, and `fg` brings the screen back."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_NO_SHELL = "No shell waits behind this screen that could bring it back."


def stop(app: WorkbenchApp) -> None:
    """Stops the whole process group, as a terminal does for ctrl+z: a script that started the workbench stops too. Does
    nothing but say so where nobody could continue it (a session's first process, a browser)."""
    driver = app._driver
    if driver is None or not driver.can_suspend or app.is_headless or not _has_shell():
        app.notify(_NO_SHELL, severity="warning")
        return
    app.app_suspend_signal.publish(app)
    os.killpg(0, signal.SIGTSTP)


def _has_shell() -> bool:
    """Whether another group of this session may continue ours: POSIX calls a group without one orphaned."""
    group, session = os.getpgrp(), os.getsid(0)
    if group == session:
        return False
    try:
        parent = int(Path(f"/proc/{group}/stat").read_text().rpartition(")")[2].split()[1])
        return os.getsid(parent) == session
    except (OSError, ValueError):
        return True  # who led the group has ended, or this is no Linux
