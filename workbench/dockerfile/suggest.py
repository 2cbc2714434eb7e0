""" "Did you mean ...?": the nearest known name, if it is near enough."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_NEAR = 3
"""A name with this many edits is another name (BuildKit's bound)."""


def nearest(word: str, names: Iterable[str]) -> str:
    """The nearest of the names, in the word's own case; "" if none is near or the word is one of them."""
    lowered = word.lower()
    best, distance = "", _NEAR
    for name in sorted(names):
        if name.lower() == lowered:
            return ""
        if abs(len(name) - len(word)) < distance and (edits := _edits(lowered, name.lower())) < distance:
            best, distance = name, edits
    if word.isupper():
        return best.upper()
    return best.lower() if word.islower() else best


def did_you_mean(word: str, names: Iterable[str], prefix: str = "") -> str:
    """The tail of an error message, "" without a suggestion."""
    name = nearest(word, names)
    return f" (did you mean {prefix}{name}?)" if name else ""


@lru_cache(maxsize=4096)  # the same names are compared again with each key
def _edits(one: str, other: str) -> int:
    """The Levenshtein distance."""
    row = list(range(len(other) + 1))
    for index, character in enumerate(one, 1):
        diagonal, row[0] = row[0], index
        for column, candidate in enumerate(other, 1):
            substitution = diagonal + (character != candidate)
            diagonal = row[column]
            row[column] = min(substitution, diagonal + 1, row[column - 1] + 1)
    return row[-1]
