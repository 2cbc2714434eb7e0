"""Where in a TOML file each key stands, which `tomllib` does not say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from workbench.dataclass import dataclass

_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"\s*{_PART}(?:\s*\.\s*{_PART})*\s*=\s*")
_HEADER = re.compile(r"\s*\[")
_AT = re.compile(r" \(at line (\d+), column (\d+)\)\Z")


@dataclass(frozen=True, slots=True)
class Statement:
    """`path = value`, or the header `[path]`. Lines and columns count from 1; `end` is the line after it."""

    path: tuple[str, ...]
    line: int
    column: int
    value_column: int
    end: int
    header: bool = False


def statements(text: str) -> Iterator[Statement]:
    """Every statement of a text that `tomllib` reads. A path is the whole one, its table's included."""
    lines = text.splitlines()
    table: tuple[str, ...] = ()
    at = 0
    while at < len(lines):
        line = lines[at]
        column = len(line) - len(line.lstrip()) + 1
        if not line.strip() or line.lstrip().startswith("#"):
            at += 1
            continue
        end, read = _whole(lines, at)
        header = _HEADER.match(line) is not None
        path = tuple(_path(read, header))
        if header:
            table = path
            yield Statement(path, at + 1, column, column, end + 1, header=True)
        else:
            key = _KEY.match(line)
            yield Statement((*table, *path), at + 1, column, key.end() + 1 if key else column, end + 1)
        at = end


def _whole(lines: list[str], start: int) -> tuple[int, dict[str, Any]]:
    """The statement that begins there, read, and the line after it: a value may go over several."""
    for end in range(start + 1, len(lines) + 1):
        try:
            return end, tomllib.loads("\n".join(lines[start:end]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
    return len(lines), {}


def _path(read: dict[str, Any], header: bool) -> Iterator[str]:
    """The key of the only statement in there: dotted keys are tables with one entry each. An inline table with one
    entry looks the same, and its entry stands where it does."""
    inner: Any = read
    while isinstance(inner, dict) and len(inner) == 1:
        (name, inner), *_ = inner.items()
        yield name
        if header and isinstance(inner, list):  # [[path]]
            inner = inner[0]


def error_place(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, int, str]:
    """Line, column, and what is wrong; Python has them in the text of its error alone before 3.14."""
    found = _AT.search(str(error))
    if found:
        return int(found[1]), int(found[2]), str(error)[: found.start()]
    lines = text.split("\n")
    return len(lines), len(lines[-1]) + 1, str(error).removesuffix(" (at end of document)")
