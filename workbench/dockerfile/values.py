"""Values that Go programs read in their own way: durations, sizes, booleans."""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp])?(?:i?b)?\Z", re.IGNORECASE)
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def parse_duration(text: str) -> int:
    """Nanoseconds of "1m30s", "500ms", "1.5h". Raises ValueError, in Go's words."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f'time: invalid duration "{text}"')
    total = 0
    position = 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if match is None or not (match[1] or match[2]):
            missing = re.match(r"[0-9]*\.?[0-9]*\Z", rest[position:])
            problem = "missing unit in duration" if missing else "invalid duration"
            raise ValueError(f'time: {problem} "{text}"')
        unit = _UNITS[match[3]]
        whole = match[1].lstrip("0") or "0"
        fraction = (match[2] or "")[:18]
        if len(whole) > 19:
            raise ValueError(f'time: invalid duration "{text}"')
        total += int(whole) * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        position = match.end()
    if total >= 2**63:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * total


def parse_size(text: str) -> int:
    """Bytes of "64m", "1.5GiB"; every unit is a power of 1024. Raises ValueError."""
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f'invalid size: "{text}"')
    size = float(match[1]) * 1024 ** " kmgtp".index((match[2] or " ").lower())
    if size >= 2**63:
        raise ValueError(f'invalid size: "{text}"')
    return int(size)


def parse_bool(text: str) -> bool:
    """Go's `strconv.ParseBool`. Raises ValueError."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f'invalid boolean: "{text}"')
