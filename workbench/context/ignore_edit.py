"""Lines of an ignore file for paths as they are, added and taken away: pure text."""

from __future__ import annotations

from workbench.context.ignore import _SPACE, Rule, read_patterns


def line_for(path: str) -> str:
    """The line that excludes just `path` (and what is below it), whatever letters it has.

    Wildcards and `^` (which patternmatcher leaves to its regular expression) get a backslash, and so does a leading `#`
    or `!`: a `/` before it would be dropped by ignorefile.ReadAll before patternmatcher.New looks for the `!` of an
    exception (seen with Docker 20.10). What no line can hold as it stands (a line end; a space at either end, which
    ignorefile.ReadAll strips) is matched by `?`.
    """
    escaped = "".join(f"\\{letter}" if letter in "*?[\\^" else letter for letter in path)
    escaped = "".join("?" if letter in "\n\r" else letter for letter in escaped)
    if escaped[-1:] in _SPACE:
        escaped = f"{escaped[:-1]}?"
    if escaped[:1] in _SPACE:
        escaped = f"?{escaped[1:]}"
    return f"\\{escaped}" if escaped[:1] in ("#", "!") else escaped


def with_line(text: str, line: str) -> str:
    """`text` with that line at its end, where it has the last word."""
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"


def has_line(text: str, number: int, pattern: str) -> bool:
    """Whether line `number` is that pattern (`!` included) as the rules read it."""
    return any(at == number and found == pattern for found, at in read_patterns(text))


def without_line(text: str, number: int) -> str:
    """`text` without its line `number`, counted from 1; as it is where there is no such line."""
    lines = text.split("\n")
    if not 1 <= number <= len(lines):
        return text
    return "\n".join([*lines[: number - 1], *lines[number:]])


def is_wide(rule: Rule) -> bool:
    """Whether the last part of the pattern is nothing but wildcards and dots: `*`, `**`, `src/*`, `**/*.*`."""
    last = rule.pattern.rpartition("/")[2]
    return "*" in last and set(last) <= {"*", "?", "."}
