"""What each setting of the file may be: one reader for each, which raises ValueError saying what it can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from workbench.config import ENGINES, ON_DISCONNECT, WATCH

Reader = Callable[[Any], Any]


def near(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'theme'?`, or nothing."""
    import difflib

    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("It is a text, in quotes.")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("It is true or false.")
    return value


def _one_of(*names: str, hidden: tuple[str, ...] = ()) -> Reader:
    def read(value: Any) -> str:
        if value not in (*names, *hidden):
            raise ValueError(f"It can be {', '.join(names)}{near(value, names) if isinstance(value, str) else ''}")
        return str(value)

    return read


def _watch(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(_one_of(*WATCH)(value))


def _number(*, whole: bool = False, more: bool = False) -> Reader:
    """A number that is not negative; `more` than 0."""

    def read(value: Any) -> int | float:
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            raise ValueError(f"It is a {'whole ' if whole else ''}number.")
        if value < 0 or (more and value == 0):
            raise ValueError("It is more than 0." if more else "It is 0 or more.")
        return value

    return read


def _folder(value: Any) -> Path:
    return Path(_text(value)).expanduser()


def _hosts(value: Any) -> tuple[str, ...]:
    """A host, or a list of hosts."""
    hosts = [value] if isinstance(value, str) else value
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise ValueError("It is a host or a list of hosts.")
    return tuple(hosts)


SETTINGS: Final[dict[str, Reader]] = {
    "engine": _one_of(*ENGINES[:-1], hidden=ENGINES[-1:]),
    "host": _text,
    "docker_context": _text,
    "engine_timeout": _number(more=True),
    "root": _folder,
    "watch": _watch,
    "quiet": _number(),
    "on_disconnect": _one_of(*ON_DISCONNECT),
    "theme": _text,
    "mouse": _flag,
    "cache_steps": _number(whole=True),
    "cache_gb": _number(),
    "insecure": _hosts,
    "builds_kept": _number(whole=True),
    "builds_days": _number(),
    "builds_megabytes": _number(),
    "trash_minutes": _number(),
    "trash_gb": _number(),
}
TABLES: Final[dict[str, Reader]] = {"keys": _text, "mirrors": _hosts}
"""Tables, and what each of their entries is; which entries there are is not for the file's reader to say."""
