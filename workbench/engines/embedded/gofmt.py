"""Two notations of Go that the classic builder leaves in an image's history: `%q` and durations."""

from __future__ import annotations

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}


def quoted(text: str) -> str:
    """Go's `%q` of a string."""
    return '"' + "".join('\\"' if c == '"' else _escaped(c) for c in text) + '"'


def quoted_all(texts: tuple[str, ...] | list[str]) -> str:
    """Go's `%q` of a list of strings: `["a" "b"]`."""
    return "[" + " ".join(map(quoted, texts)) + "]"


def quoted_rune(number: int) -> str:
    """Go's `%q` of an integer: a character in single quotes."""
    character = chr(number) if 0 <= number < 0x110000 else "\ufffd"
    return "'" + ("\\'" if character == "'" else _escaped(character)) + "'"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def duration(nanoseconds: int) -> str:
    """Go's `time.Duration.String`: `1m30s`, `1.5s`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    for size, unit in ((10**9, ""), (10**6, "ms"), (10**3, "µs"), (1, "ns")):
        if nanoseconds >= size and unit:
            return f"{_decimal(nanoseconds, size)}{unit}"
        if nanoseconds >= size:
            break
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, size: int) -> str:
    whole, part = divmod(value, size)
    digits = len(str(size)) - 1
    return f"{whole}.{part:0{digits}d}".rstrip("0").rstrip(".") if part else str(whole)
