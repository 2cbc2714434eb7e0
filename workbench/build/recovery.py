"""Unsaved text, kept beside the state so that a crash, a hangup or a kill loses nothing.

One file for each edited file, named by the digest of its path, readable by its owner alone. A file is complete or
absent: it is written under another name, flushed to the disk, and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from workbench.config import state_dir
from workbench.dataclass import dataclass
from workbench.files import replace_file, sync_folder


@dataclass(frozen=True, slots=True)
class Recovery:
    """Unsaved text that was left behind, and when it was put aside (seconds since the epoch)."""

    text: str
    when: float


def save(path: Path, text: str) -> None:
    """Puts the unsaved text of the file at `path` aside. Blocks until it is on the disk. Raises OSError."""
    target = _place(path)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = json.dumps({"path": str(path.absolute()), "text": text, "process": _process(os.getpid())})
    replace_file(target, content.encode("utf-8"), 0o600)
    sync_folder(target.parent)


def offered(path: Path) -> Recovery | None:
    """What was put aside for `path`, where it differs from the file as it is now, and is not what another process still
    has before it. A recovery file that cannot be read counts as none. Blocks on the disk."""
    target = _place(path)
    try:
        content = json.loads(target.read_text(encoding="utf-8"))
        when = target.stat().st_mtime
        text = content["text"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(text, str) or text == _on_disk(path) or _is_another(content.get("process")):
        return None
    return Recovery(text, when)


def forget(path: Path) -> None:
    """The text was saved or let go. Nothing to forget is no error."""
    _place(path).unlink(missing_ok=True)


def _process(number: int) -> list[object]:
    """What no other process has: the machine, the number, and when it began (the 22nd field of `stat`, proc(5)); "" for
    one that is dead, whether or not somebody has waited for it."""
    try:
        state, *rest = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        state, rest = "X", []
    return [os.uname().nodename, number, "" if state in "ZX" else rest[18]]


def _is_another(process: object) -> bool:
    """Whether that is another process of this machine, which lives."""
    match process:
        case [_, int(number), str(began)] if began and number != os.getpid():
            return process == _process(number)
    return False


def _place(path: Path) -> Path:
    """The same file by the same name, through whatever links its folder is reached."""
    real = path.parent.resolve() / path.name
    return state_dir() / "recovery" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()}.json"


def _on_disk(path: Path) -> str | None:
    """The text as an editor reads it: universal newlines are not applied, bytes outside UTF-8 are kept."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return None
