"""Fixes: pieces of a Dockerfile to replace, and replacing them. Nothing here reads what the text means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from workbench.dataclass import dataclass
from workbench.dockerfile.nodes import Range


class Edit(NamedTuple):
    """The piece of the text there becomes `text`. A piece without length is a place to insert at."""

    range: Range
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What settles a finding and changes nothing else. `title` says what it does, as one would tell a person to.

    A `safe` fix keeps what is built and what its containers do, except for the very thing that the finding is about.
    Where a fix is not safe, its title says what else changes, or it is a guess at what was meant.
    """

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True


def replacing(title: str, place: Range, text: str, *, safe: bool = True) -> Fix:
    """A fix of one piece."""
    return Fix(title, (Edit(place, text),), safe)


def apply(text: str, fix: Fix) -> str:
    """The text with the fix in it. Raises ValueError where the fix is of another text: a place that is not there."""
    return apply_edits(text, fix.edits)


def as_one(text: str, fix: Fix) -> Edit:
    """The same fix as one piece: from the first place to the last, what lies between included."""
    start = min(edit.range[:2] for edit in fix.edits)
    end = max(edit.range[2:] for edit in fix.edits)
    starts = _starts(text)
    first, behind = _offset(starts, *start), _offset(starts, *end)
    fixed = apply(text, fix)
    return Edit(Range(*start, *end), fixed[first : len(fixed) - (len(text) - behind)])


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """All pieces replaced at once; their places are those before. They may not overlap (ValueError)."""
    starts = _starts(text)
    pieces: list[str] = []
    done = 0
    for place, new in sorted(edits, key=lambda edit: edit.range):
        start = _offset(starts, place.start_line, place.start_column)
        end = _offset(starts, place.end_line, place.end_column)
        if not done <= start <= end:
            raise ValueError(f"edits overlap at line {place.start_line}")
        pieces += (text[done:start], new)
        done = end
    return "".join((*pieces, text[done:]))


def together(fixes: Iterable[Fix]) -> list[Fix]:
    """Those of the fixes that can be applied at once: the first of two that touch the same piece."""
    kept: list[Fix] = []
    taken: list[Range] = []
    for fix in fixes:
        places = [edit.range for edit in fix.edits]
        if not any(_touch(place, other) for place in places for other in taken):
            kept.append(fix)
            taken += places
    return kept


def _starts(text: str) -> list[int]:
    """Where each line begins, and where one more would."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _offset(starts: list[int], line: int, column: int) -> int:
    if not 0 < line < len(starts) or starts[line - 1] + column > starts[line]:
        raise ValueError(f"there is no line {line}, column {column}")
    return starts[line - 1] + column - 1


def _touch(one: Range, other: Range) -> bool:
    return one[:2] <= other[2:] and other[:2] <= one[2:]
