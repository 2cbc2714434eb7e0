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
    for folder in _folders():
        path = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
                out.write(text)
        except OSError:
            continue
        talk(f"this is a mistake in workbench; its traceback is in {path}")
        return
    talk("this is a mistake in workbench; its traceback could not be written anywhere")


def _folders() -> list[Path]:
    import tempfile

    from workbench.config import state_dir

    return [state_dir() / "crashes", Path(tempfile.gettempdir())]
