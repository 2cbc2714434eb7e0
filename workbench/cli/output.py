"""stdout carries the data, stderr the talk."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TextIO

from workbench.errors import UsageError, WorkbenchError

_MACHINES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


def prepare() -> None:
    """No character that the terminal cannot show ends a command. Raises UsageError where stdout is closed."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        raise UsageError("stdout is closed: there is nowhere to write to", hint="Redirect it to /dev/null instead.")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def flush() -> None:
    """What is still buffered goes out now, where a broken pipe can be caught."""
    sys.stdout.flush()
    with contextlib.suppress(OSError):
        sys.stderr.flush()


def talk(message: str) -> None:
    """A line for a person. A stderr that is gone is not worth an error."""
    from workbench.build.text import clean

    with contextlib.suppress(OSError, ValueError):
        print(f"workbench: {clean(message)}", file=sys.stderr, flush=True)


def show_error(error: WorkbenchError) -> None:
    """`workbench: what happened`, and what to do on a line of its own."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError:
            forget_stdout()
    talk(str(error))
    hint(error.hint)


def hint(text: str) -> None:
    """What to do, indented below what happened. Nothing for ""."""
    from workbench.build.text import clean

    with contextlib.suppress(OSError, ValueError):
        for line in clean(text).splitlines():
            print(f"  {line}", file=sys.stderr, flush=True)


def is_machines(error: OSError) -> bool:
    """Whether the disk is to blame: full, read-only, broken."""
    return error.errno in _MACHINES


def forget_stdout() -> None:
    """After a write that failed: what Python flushes at its end goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def confirm(question: str) -> bool:
    """Asks on stderr, reads a line of stdin; only `y` and `yes` mean yes, an end of input means no."""
    from workbench.cli.signals import asking

    print(question, end="", file=sys.stderr, flush=True)
    with asking():
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def is_terminal(stream: TextIO) -> bool:
    """Whether a person sits behind it; a closed stream is none."""
    try:
        return stream.isatty()
    except ValueError:
        return False
