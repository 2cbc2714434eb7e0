"""What nobody foresaw: one line for the user, the traceback in a file."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from workbench.cli.output import talk


def show_crash(error: BaseException) -> None:
    """Writes the traceback below the state folder (the temporary folder where that cannot be) and names the file."""
    talk(f"internal error: {type(error).__name__}: {error}")
    text = "".join(traceback.format_exception(error))
    blame = "this is a mistake in workbench"
    if isinstance(error, ModuleNotFoundError):
        blame = "the installation is not whole: install workbench again"
    for find in (_crashes, _temporary):
        try:
            folder = find()
            path = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
                out.write(text)
        except Exception:  # what failed may be what says where the folder is
            continue
        talk(f"{blame}; the traceback is in {path}")
        return
    talk(f"{blame}; the traceback could not be written anywhere")


def _crashes() -> Path:
    from workbench.config import state_dir

    return state_dir() / "crashes"


def _temporary() -> Path:
    import tempfile

    return Path(tempfile.gettempdir())
