"""Inline documents (`<<EOF`) of RUN, COPY and ADD: which words of a line begin one."""

from __future__ import annotations

import re
from typing import NamedTuple

from workbench.dockerfile.words import Lexer, WordError

_HEREDOC = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_LINE = Lexer(raw_quotes=True, raw_escapes=True, keep_unset=True)
_PLAIN = Lexer(keep_unset=True)
_RAW = Lexer(raw_quotes=True, keep_unset=True)


class Opening(NamedTuple):
    """The word that begins a document: its closing line, and how the content is to be treated."""

    name: str
    expand: bool
    chomp: bool
    descriptor: int


def parse_heredoc(word: str) -> Opening | None:
    """The document that this word begins, None if it begins none. Raises WordError for an open quote."""
    match = _HEREDOC.match(word)
    if match is None or not match[3]:
        return None
    plain = _PLAIN.process(match[3], _nothing).words
    if len(plain) != 1:
        return None
    raw = _RAW.process(match[3], _nothing).words
    quoted = _quotes("".join(raw)) != _quotes(plain[0])
    return Opening(plain[0], not quoted, match[2] == "-", int(match[1][:9] or 0))


def is_heredoc(word: str) -> bool:
    """Whether a source or destination is in truth the beginning of a document."""
    try:
        return "<<" in word and parse_heredoc(word) is not None
    except WordError:
        return False


def openings(line: str) -> list[Opening]:
    """Every document that a joined line begins, in order. Raises WordError for a delimiter with an open quote."""
    try:
        words = _LINE.process(line, _nothing).words
    except WordError:  # a line that our lexer cannot split may still be good shell
        return []
    return [opening for opening in map(parse_heredoc, words) if opening is not None]


def _nothing(name: str) -> str | None:
    return None


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
