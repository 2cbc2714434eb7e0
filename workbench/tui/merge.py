"""Three texts made one: what both of two writers changed since the text that they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

_MOST_LINES = 5000
"""Lines that are compared while somebody waits; a longer file is asked about."""


def merge(base: str, ours: str, theirs: str) -> str | None:
    """The text with the changes of both; None where they changed the same lines, or lines that touch each other, in
    different ways."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    lines = [text.splitlines(keepends=True) for text in (base, ours, theirs)]
    if max(map(len, lines)) > _MOST_LINES:
        return None
    old, mine, other = lines
    changes = sorted({*_changes(old, mine), *_changes(old, other)})
    merged: list[str] = []
    at = 0
    before: tuple[int, int] | None = None
    for start, end, new in changes:
        if before is not None and (start < before[1] or (start, end) == before or start == before[1]):
            return None
        merged += [*old[at:start], *new]
        at, before = end, (start, end)
    return "".join([*merged, *old[at:]])


def _changes(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    """Lines of `old` from, up to, and what stands in their place."""
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [(a, b, tuple(new[c:d])) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]
