"""`filepath.Match` of Go: the patterns that a source of COPY and ADD may be."""

from __future__ import annotations

import re
from functools import lru_cache


class BadPattern(ValueError):
    """A pattern that `filepath.Match` refuses."""


def has_wildcards(path: str) -> bool:
    """Whether the classic builder takes a source for a pattern."""
    at = 0
    while at < len(path):
        if path[at] == "\\":
            at += 1
        elif path[at] in "*?[":
            return True
        at += 1
    return False


@lru_cache(maxsize=256)
def matcher(pattern: str) -> re.Pattern[str]:
    """`filepath.Match` as a regular expression for `fullmatch`. Raises BadPattern."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "\\":
            if at == len(pattern):
                raise BadPattern(pattern)
            out.append(re.escape(pattern[at]))
            at += 1
        elif character == "[":
            text, at = _set(pattern, at)
            out.append(text)
        else:
            out.append(re.escape(character))
    return re.compile("".join(out), re.DOTALL)


def _set(pattern: str, at: int) -> tuple[str, int]:
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while True:
        if at >= len(pattern):
            raise BadPattern(pattern)
        if pattern[at] == "]" and ranges:
            one = "|".join(ranges)
            return (f"(?!/|{one})." if negated else f"(?!/)(?:{one})"), at + 1
        low, at = _character(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _character(pattern, at + 1)
        ranges.append(f"[{re.escape(low)}-{re.escape(high)}]" if low <= high else "(?!)")


def _character(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern) or pattern[at] in "-]":
        raise BadPattern(pattern)
    if pattern[at] == "\\":
        at += 1
        if at >= len(pattern):
            raise BadPattern(pattern)
    return pattern[at], at + 1
