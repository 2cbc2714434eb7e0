"""How characters are drawn: the state that SGR sequences (ECMA-48 8.3.117) and hyperlinks (OSC 8) leave, and the
shortest sequence from one such state to another."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple


class Pen(NamedTuple):
    """The state: parameters of colours as they were written (`38;2;1;2;3`), attributes by their numbers.

    `other` are parameters nobody here knows, in order; they last until the next reset. `link` is what stands between
    `OSC 8 ;` and its end, "" where there is none.
    """

    foreground: str = ""
    background: str = ""
    underline: str = ""
    attributes: frozenset[str] = frozenset()
    other: tuple[str, ...] = ()
    link: str = ""


PLAIN: Final = Pen()

_OFF: Final = {
    "22": {"1", "2"}, "23": {"3"}, "24": {"4", "21"}, "25": {"5", "6"}, "27": {"7"}, "28": {"8"}, "29": {"9"},
    "54": {"51", "52"}, "55": {"53"},
}  # fmt: skip
_ON: Final = frozenset().union(*_OFF.values())
_OFF_FOR: Final = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "9": "29"}
"""Only what a VT220 and the Linux console turn off singly; the others go by a reset."""
_FOREGROUNDS: Final = frozenset(map(str, (*range(30, 38), *range(90, 98))))
_BACKGROUNDS: Final = frozenset(map(str, (*range(40, 48), *range(100, 108))))


@lru_cache(8192)
def changed(pen: Pen, parameters: str) -> Pen:
    """The pen after `CSI parameters m`."""
    left = parameters.split(";")
    while left:
        code = left.pop(0).lstrip("0")
        if not code:
            pen = PLAIN._replace(link=pen.link)
        elif code in ("38", "48", "58"):
            size = {"5": 2, "2": 4}.get(left[0] if left else "", 0)
            value = ";".join([code, *left[:size]])
            del left[:size]
            pen = _coloured(pen, code, value) if size else pen._replace(other=(*pen.other, value))
        else:
            pen = _simple(pen, code)
    return pen


def _coloured(pen: Pen, code: str, value: str) -> Pen:
    if code == "38":
        return pen._replace(foreground=value)
    return pen._replace(background=value) if code == "48" else pen._replace(underline=value)


def _simple(pen: Pen, code: str) -> Pen:
    if code in _ON:
        return pen._replace(attributes=pen.attributes | {code})
    if code in _OFF:
        return pen._replace(attributes=pen.attributes - _OFF[code])
    if code in _FOREGROUNDS or code == "39":
        return pen._replace(foreground="" if code == "39" else code)
    if code in _BACKGROUNDS or code == "49":
        return pen._replace(background="" if code == "49" else code)
    if code == "59":
        return pen._replace(underline="")
    return pen._replace(other=(*pen.other, code))


@lru_cache(8192)
def sequence(before: Pen | None, after: Pen) -> str:
    """The shortest sequence that makes `after` of `before`; None is a pen nobody knows."""
    if before == after:
        return ""
    link = ""
    if before is None or before.link != after.link:
        # An end of a link that never began does no harm, but a terminal without links need not see it.
        link = f"\x1b]8;{after.link or ';'}\x1b\\" if after.link or before is not None else ""
    if before is not None and before._replace(link=after.link) == after:
        return link
    reset = ["", *_all(after)]
    ways = [";".join(reset)]
    step = None if before is None else _step(before, after)
    if step is not None:
        ways.append(";".join(step))
    return f"{link}\x1b[{min(ways, key=len)}m"


def _all(pen: Pen) -> list[str]:
    colours = (pen.foreground, pen.background, pen.underline)
    return [*sorted(pen.attributes), *filter(None, colours), *pen.other]


def _step(before: Pen, after: Pen) -> list[str] | None:
    """Parameters that change only what differs; None where that takes a reset."""
    if before.other != after.other:
        return None
    steps: list[str] = []
    gone = before.attributes - after.attributes
    come = after.attributes - before.attributes
    for code in sorted(gone):
        if (off := _OFF_FOR.get(code)) is None:
            return None
        come |= _OFF[off] & after.attributes
        if off not in steps:
            steps.append(off)
    steps += sorted(come)
    for old, new, default in (
        (before.foreground, after.foreground, "39"),
        (before.background, after.background, "49"),
        (before.underline, after.underline, "59"),
    ):
        if old != new:
            steps.append(new or default)
    return steps
