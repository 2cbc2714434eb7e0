"""Just enough of a shell to know the simple commands of a RUN: `a x && b 'y z'`. What is less plain is not read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |(?P<operator>&&|\|\||[;&|])
    |(?P<word>(?:[^\s'"\\;&|()<>`\#]|\\.|'[^']*'|"(?:[^"\\`]|\\.)*"|(?<=\S)\#)+)
    |(?P<redirection>[0-9]*(?:>>|>&|<&|>|<)(?!<))""",
    re.DOTALL | re.VERBOSE,
)
_RESERVED = frozenset((
    "!", "[[", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "until", "while",
))  # fmt: skip
_ASSIGNMENT = re.compile(r"\w+=", re.ASCII)


class Simple(NamedTuple):
    """One simple command: `start` and `end` in the text, its words with where each begins, assignments left out."""

    start: int
    end: int
    words: tuple[str, ...]
    offsets: tuple[int, ...]
    before: str
    """The operator in front of it, "" for the first."""


@lru_cache(maxsize=1024)  # each rule asks, and while somebody types nearly all stays as it was
def simple_commands(text: str) -> tuple[Simple, ...]:
    """The commands in order; empty where the text has more than words, quotes, redirections, `&&`, `||`, `;`, `|`."""
    found: list[Simple] = []
    words: list[tuple[int, str]] = []
    operator = ""
    redirected = False
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or "$(" in match[0]:
            return ()
        if match["word"] and not redirected and not (not words and _ASSIGNMENT.match(match[0])):
            words.append((position, match[0]))
        elif match["operator"]:
            if not words:
                return ()
            found.append(_simple(words, operator, position))
            words, operator = [], match[0]
        redirected = bool(match["redirection"]) or (redirected and bool(match["blank"]))
        position = match.end()
    if words:
        found.append(_simple(words, operator, len(text)))
    if any(word in _RESERVED for command in found for word in command.words[:1]):
        return ()
    return tuple(found)


def _simple(words: list[tuple[int, str]], before: str, end: int) -> Simple:
    offsets, texts = zip(*words, strict=True)
    return Simple(offsets[0], end, texts, offsets, before)
