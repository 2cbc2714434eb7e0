"""Sizes, ages and durations as Docker writes them. Pure: no clock, no locale.

The rules are those of docker/go-units: sizes are decimal (kB is 1000 bytes), ages are rounded down to one unit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_HOUR = 3600


def human_size(size: float, *, digits: int = 3) -> str:
    """`1.13MB`. Three significant digits as in `docker images`; the line about the context has four (`597.5kB`).

    Where Docker would write `1e+03kB` this writes `1MB`. Whole digits are never left out: two of 102 are `102B`.
    """
    unit = 0
    value = float(size)
    while unit + 1 < len(_UNITS) and (value >= 1000 or float(f"{value:.{max(digits, 3)}g}") >= 1000):
        value /= 1000
        unit += 1
    number = f"{value:.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"
    return f"{number}{_UNITS[unit]}"


def human_age(seconds: float) -> str:
    """How long ago: `29 seconds ago`, `About a minute ago`, `4 minutes ago`, `3 weeks ago`."""
    return f"{_elapsed(seconds)} ago"


def _elapsed(seconds: float) -> str:
    whole = int(seconds)
    minutes = whole // 60
    hours = int(seconds / _HOUR + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    if hours < 24 * 14:
        return f"{hours // 24} days"
    if hours < 24 * 60:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / _HOUR) // 24 // 365} years"


def human_duration(seconds: float) -> str:
    """How long something took: `0.8s`, `42.0s`, `1m05s`, `2h03m`."""
    if seconds < 59.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // _HOUR}h{whole % _HOUR // 60:02}m"


BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.:-=+*#"


def sparkline(values: Sequence[float | None], *, bars: str = BARS) -> str:
    """A bar for each value, the lowest and the highest at the ends of the scale; a blank where there is none."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    span = (high - low) or 1.0
    top = len(bars) - 1
    return "".join(" " if value is None else bars[round((value - low) / span * top)] for value in values)


def timestamp(created: float) -> str:
    """The CREATED AT of docker, in UTC: `2026-11-24 10:51:22 +0000 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(created))
