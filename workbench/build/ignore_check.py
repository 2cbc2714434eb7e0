"""A `.dockerignore` as an editor shows it: colours, patterns that are malformed, and those that match nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from workbench.context.ignore import IgnoreRules, read_patterns
from workbench.dockerfile.fix import replacing
from workbench.dockerfile.lint import Diagnostic
from workbench.dockerfile.nodes import Range
from workbench.dockerfile.tokens import Token
from workbench.errors import InputError

_MOST_TESTS = 300_000
"""Paths times patterns; beyond that nobody waits for what is only a remark."""
_PIECES = re.compile(r"\\.|(?P<variable>\*\*|[*?]|\[\^?[^\]]*\])|(?P<operator>/)")


def ignore_tokens(text: str) -> list[Token]:
    """Comments, the `!` of an exception, globs and slashes."""
    found: list[Token] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.startswith("#"):
            found.append(Token(number, 1, len(line) + 1, "comment"))
            continue
        start = len(line) - len(line.lstrip())
        if line[start : start + 1] == "!":
            found.append(Token(number, start + 1, start + 2, "keyword"))
        for match in _PIECES.finditer(line):
            if match.lastgroup is not None:
                found.append(Token(number, match.start() + 1, match.end() + 1, match.lastgroup))
    return found


def check_ignore(text: str, paths: Callable[[], Sequence[str] | None] = lambda: None) -> list[Diagnostic]:
    """What is to be said of each line. `paths` are all of the context, sent or not; None where nobody knows, and then
    nothing is said about matching. Blocks for some tenths of a second where there are many."""
    lines = text.split("\n")
    found: list[Diagnostic] = []
    good: list[tuple[str, int]] = []
    for pattern, number in read_patterns(text):
        line = lines[number - 1]
        place = _place(line, number)
        try:
            IgnoreRules([pattern])
        except InputError as error:
            bracket = line.find("[")
            fix = None
            if bracket >= 0:
                escape = Range(number, bracket + 1, number, bracket + 1)
                fix = replacing("escape the [ (a bracket as it stands)", escape, "\\", safe=False)
            found.append(Diagnostic(place, "IgnorePattern", str(error), "error", fix, error.hint))
            continue
        if line.lstrip().startswith("#"):
            blank = Range(number, 1, number, len(line) - len(line.lstrip()) + 1)
            fix = replacing("make it a comment", blank, "", safe=False)
            message = "This is a pattern: a comment begins in the first column"
            found.append(Diagnostic(place, "IgnoreComment", message, "warning", fix))
            continue
        good.append((pattern, number))
    found += _repeated(lines, good)
    found += _idle(lines, good, paths)
    return sorted(found, key=lambda it: it.range)


def _repeated(lines: Sequence[str], patterns: Sequence[tuple[str, int]]) -> Iterator[Diagnostic]:
    """A line that says what one above says, with no exception between them that would make a difference."""
    seen: dict[str, int] = {}
    for pattern, number in patterns:
        if pattern.startswith("!"):
            seen.clear()
        elif pattern in seen:
            fix = replacing("take the line away", _whole(lines, number), "")
            message = f"Line {seen[pattern]} says this already"
            yield Diagnostic(_place(lines[number - 1], number), "IgnoreRepeated", message, "info", fix)
        seen.setdefault(pattern, number)


def _idle(
    lines: Sequence[str], patterns: Sequence[tuple[str, int]], paths: Callable[[], Sequence[str] | None]
) -> Iterator[Diagnostic]:
    known = paths() if patterns else None
    if known is None or len(known) * len(patterns) > _MOST_TESTS:
        return
    for pattern, number in patterns:
        rules = IgnoreRules([pattern])
        if not any(rules.rank(path) >= 0 for path in known):
            fix = replacing("take the line away", _whole(lines, number), "", safe=False)
            message = "Nothing in the context matches this now"
            yield Diagnostic(_place(lines[number - 1], number), "IgnoreUnused", message, "info", fix)


def _place(line: str, number: int) -> Range:
    start = len(line) - len(line.lstrip("\ufeff \t"))
    return Range(number, start + 1, number, max(len(line.rstrip()), start + 1) + 1)


def _whole(lines: Sequence[str], number: int) -> Range:
    """The line with its end."""
    if number < len(lines):
        return Range(number, 1, number + 1, 1)
    return Range(number, 1, number, len(lines[number - 1]) + 1)
