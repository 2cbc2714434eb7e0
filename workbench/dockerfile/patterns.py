"""Shell patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/text}`, as BuildKit's lexer has them.

`*` and `?` are wild, a backslash makes them plain; there are no bracket expressions.
"""

from __future__ import annotations

import re


class PatternError(ValueError):
    """A backslash before a character that needs none."""


_REFERENCE = re.compile(r"\$(?:\$|\{\w+\}|\w+)", re.ASCII)


def trim_prefix(pattern: str, value: str, *, longest: bool) -> str:
    """`value` without the shortest (or longest) beginning that matches."""
    match = _compile(pattern, greedy=longest).match(value)
    return value[match.end() :] if match else value


def trim_suffix(pattern: str, value: str, *, longest: bool) -> str:
    """`value` without the shortest (or longest) ending that matches."""
    # A regular expression finds the leftmost match, so both are turned round and the ending becomes a beginning.
    return trim_prefix(_reverse(pattern), value[::-1], longest=longest)[::-1]


def replace(pattern: str, value: str, text: str, *, everywhere: bool) -> str:
    """`value` with the first (or every) longest match replaced by `text`."""
    expression = _compile(pattern, greedy=True)
    if not everywhere:
        found = expression.search(value)
        return value if found is None else value[: found.start()] + text + value[found.end() :]
    pieces: list[str] = []
    position = 0
    for match in expression.finditer(value):
        # Go ignores an empty match right behind another match.
        if match.end() == match.start() == position and pieces:
            continue
        pieces += [value[position : match.start()], _filled(text, match.group())]
        position = match.end()
    return "".join(pieces) + value[position:]


def _filled(text: str, matched: str) -> str:
    """Go fills `$0` with the match, and groups that are not there (`$1`, `$name`) with nothing."""

    def fill(reference: re.Match[str]) -> str:
        name = reference.group()[1:].strip("{}")
        return "$" if name == "$" else matched if name == "0" else ""

    return _REFERENCE.sub(fill, text) if "$" in text else text


def _compile(pattern: str, *, greedy: bool) -> re.Pattern[str]:
    out: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            out.append(".*" if greedy else ".*?")
        elif character == "?":
            out.append(".")
        elif character != "\\":
            out.append(re.escape(character))
        elif pattern[position : position + 1] not in ("}", "/"):  # those two needed it only to stay inside the braces
            following = pattern[position : position + 1]
            if following not in ("*", "?", "\\"):
                raise PatternError(f"invalid escape '\\{following}'")
            out.append(re.escape(following))
            position += 1
    return re.compile("".join(out))


def _reverse(pattern: str) -> str:
    """The pattern from right to left, each backslash still before what it escapes."""
    return "".join(reversed(re.findall(r"\\.|.", pattern, re.DOTALL)))
