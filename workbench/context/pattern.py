"""One pattern of an ignore file, read as moby/patternmatcher reads it (the matcher of Docker and BuildKit).

Docker turns a pattern into a Go regular expression, quirks included: `[!a]` is no negation, `\\d` is a digit, a
negated class also matches `/`. The same expression is built here and then said in Python's words.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal["exact", "prefix", "suffix", "regexp"]
"""How Docker compares: the whole path, `text**`, `**text`, or by regular expression."""


class BadPattern(ValueError):
    """Go's filepath.ErrBadPattern, or a regular expression that Go would refuse."""


class Translation(NamedTuple):
    """`regexp` is in Go's syntax, anchored on both sides, and empty unless `kind` is "regexp"."""

    kind: Kind
    regexp: str


def check_syntax(pattern: str) -> None:
    """Raises BadPattern where Go's filepath.Match would report a syntax error, whatever name it is given."""
    at, end = 0, len(pattern)
    while at < end:
        if pattern[at] == "[":
            at = _check_class(pattern, at + 1)
        elif pattern[at] == "\\":
            if at + 1 == end:
                raise BadPattern("a backslash at the end escapes nothing")
            at += 2
        else:
            at += 1


def _check_class(pattern: str, at: int) -> int:
    """`at` is behind the `[`. Returns the place behind the `]`."""
    if pattern.startswith("^", at):
        at += 1
    ranges = 0
    while not (ranges and pattern.startswith("]", at)):
        at = _check_member(pattern, at)
        if pattern[at] == "-":
            at = _check_member(pattern, at + 1)
        ranges += 1
    return at + 1


def _check_member(pattern: str, at: int) -> int:
    """One end of a range. It is never the last character of a pattern, since the `]` must follow."""
    if pattern.startswith("\\", at):
        at += 1
    elif pattern.startswith(("-", "]"), at):
        raise BadPattern(f"a class cannot have {pattern[at]!r} here: write \\{pattern[at]}")
    if at + 1 >= len(pattern):
        raise BadPattern("a class [...] is not closed")
    return at + 1


def translate(pattern: str) -> Translation:
    """The comparison that Docker chooses for a cleaned pattern (Pattern.compile of moby/patternmatcher)."""
    out = ["^"]
    kind: Kind = "exact"
    at, end, first = 0, len(pattern), True
    while at < end:
        char = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 2 if pattern.startswith("/", at + 1) else 1
            if at < end:
                out.append("(.*/)?")
                kind = "regexp"
            elif kind == "exact":
                kind = "prefix"
            else:
                out.append(".*")
                kind = "regexp"
            if first:
                kind = "suffix"
        elif char == "*":
            out.append("[^/]*")
            kind = "regexp"
        elif char == "?":
            out.append("[^/]")
            kind = "regexp"
        elif char in ".+()|{}$":
            out.append("\\" + char)
        elif char == "\\" and at < end:
            out.append(char + pattern[at])
            at += 1
            kind = "regexp"
        else:
            out.append(char)
            if char in "[]":
                kind = "regexp"
        first = False
    if kind != "regexp":
        return Translation(kind, "")
    return Translation(kind, "".join(out) + "$")


def python_regexp(regexp: str) -> re.Pattern[str]:
    """Compiles an expression of `translate`, for `fullmatch`. Raises BadPattern where Go would."""
    try:
        return re.compile(_Go(regexp[1:-1]).read(), re.ASCII)
    except (re.error, OverflowError) as error:
        raise BadPattern(str(error)) from error


_ESCAPED = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PERL = {"d": "0-9", "s": r"\t\n\f\r ", "w": "0-9A-Za-z_", "D": "", "S": "", "W": ""}
_COMPLEMENT = {
    "D": r"\x00-/:-\U0010ffff",
    "S": r"\x00-\x08\x0b\x0e-\x1f!-\U0010ffff",
    "W": r"\x00-/:-@\[-\^`{-\U0010ffff",
}
_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


class _Go:
    """Reads the part of Go's regexp/syntax that a pattern can give rise to, and says it in Python's `re`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> str:
        out = []
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == "[":
                out.append(self._class())
            elif char == "\\":
                out.append(self._escape())
            elif char in "^.*?()":
                out.append(char)
            else:
                out.append(re.escape(char))
        return "".join(out)

    def _escape(self) -> str:
        char = self.text[self.at]
        if char in "bB":
            self.at += 1
            return "\\" + char
        if char in "Az":
            self.at += 1
            return r"\A" if char == "A" else r"\Z"
        if char == "Q":
            literal, _, _ = self.text[self.at + 1 :].partition("\\E")
            self.at = min(len(self.text), self.at + 1 + len(literal) + 2)
            return re.escape(literal)
        if char in _PERL:
            self.at += 1
            return f"[{_PERL[char] or _COMPLEMENT[char]}]"
        return re.escape(self._escaped_char())

    def _escaped_char(self) -> str:
        """The character that an escape stands for; `at` is behind the backslash."""
        char = self.text[self.at]
        rest = self.text[self.at + 1 :]
        if number := re.match(r"0[0-7]{0,2}|[1-7][0-7]{1,2}", char + rest):
            self.at += len(number[0])
            return chr(int(number[0], 8))
        if number := re.match(r"x([0-9A-Fa-f]{2})", char + rest):
            self.at += 3
            return chr(int(number[1], 16))
        if char in _ESCAPED or (char.isascii() and not char.isalnum()):
            self.at += 1
            return _ESCAPED.get(char, char)
        raise BadPattern(f"\\{char} is no escape that Docker knows")

    def _class(self) -> str:
        out = ["["]
        if self.text.startswith("^", self.at):
            out.append("^")
            self.at += 1
        first = True
        while first or not self.text.startswith("]", self.at):
            out.append(self._class_part())
            first = False
        self.at += 1
        return "".join(out) + "]"

    def _class_part(self) -> str:
        posix = re.compile(r"\[:(\^?)(\w*):\]").match(self.text, self.at)
        if posix:
            if posix[2] not in _POSIX or posix[1]:
                raise BadPattern(f"{posix[0]} is no class that Docker knows")
            self.at = posix.end()
            return _POSIX[posix[2]]
        following = self.text[self.at : self.at + 2]
        if len(following) == 2 and following[0] == "\\" and following[1] in _PERL:
            self.at += 2
            return _PERL[following[1]] or _COMPLEMENT[following[1]]
        low = self._class_char()
        if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
            self.at += 1
            high = self._class_char()
            if high < low:
                raise BadPattern(f"the range {low}-{high} is upside down")
            return f"{_in_class(low)}-{_in_class(high)}"
        return _in_class(low)

    def _class_char(self) -> str:
        if self.at >= len(self.text):
            raise BadPattern("a class [...] is not closed")
        char = self.text[self.at]
        self.at += 1
        if char != "\\":
            return char
        if self.at >= len(self.text):
            raise BadPattern("a class [...] is not closed")
        return self._escaped_char()


def _in_class(char: str) -> str:
    return f"\\U{ord(char):08x}"
