"""Whole lines changed: commented out and back, moved up and down. For any text."""

from __future__ import annotations

from workbench.dockerfile.fix import Edit
from workbench.dockerfile.nodes import Range


def toggle_comment(text: str, first: int, last: int) -> Edit:
    """Takes the `# ` of these lines (counted from 1) away where all have one, else puts one before each that is not
    blank, all in the same column."""
    lines = text.split("\n")[first - 1 : last]
    written = [line for line in lines if line.strip()]
    place = Range(first, 1, last, len(lines[-1]) + 1)
    if written and all(line.lstrip().startswith("#") for line in written):
        return Edit(place, "\n".join(map(_uncommented, lines)))
    column = min((len(line) - len(line.lstrip()) for line in written), default=0)
    changed = (f"{line[:column]}# {line[column:]}" if line.strip() or not written else line for line in lines)
    return Edit(place, "\n".join(changed))


def _uncommented(line: str) -> str:
    before, mark, after = line.partition("#")
    return before + (after.removeprefix(" ") if mark else "")


def move_lines(text: str, first: int, last: int, step: int) -> Edit | None:
    """These lines (counted from 1) change places with the one above (`step` -1) or below (1); None at the end."""
    lines = text.split("\n")
    end = len(lines) - (not lines[-1])  # the empty piece behind the last line's end is no line
    if step < 0:
        if first <= 1 or last > max(end, 1):
            return None
        return _swapped(lines, first - 1, last, [*lines[first - 1 : last], lines[first - 2]])
    if last >= end:
        return None
    return _swapped(lines, first, last + 1, [lines[last], *lines[first - 1 : last]])


def _swapped(lines: list[str], first: int, last: int, new: list[str]) -> Edit:
    return Edit(Range(first, 1, last, len(lines[last - 1]) + 1), "\n".join(new))
