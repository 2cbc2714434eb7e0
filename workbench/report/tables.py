"""Tables as the docker command sets them, and one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_PADDING = 3
_NARROWEST = 10


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of at least ten characters, three blanks apart; the last one is not padded."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(_NARROWEST, max(len(line[at]) for line in lines) + _PADDING) for at in range(len(header) - 1)]
    return "".join(
        "".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip() + "\n"
        for line in lines
    )


def json_lines(objects: Iterable[Mapping[str, Any]]) -> str:
    """One object a line, non-ASCII escaped: safe in every encoding, and for file names that are not UTF-8."""
    return "".join(json.dumps(dict(it)) + "\n" for it in objects)


def shortened(text: str, length: int) -> str:
    """At most `length` characters, the last one an ellipsis where something is missing."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
