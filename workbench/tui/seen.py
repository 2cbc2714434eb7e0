"""What was seen last of a context: its tree, and the colours of the screen. The next start shows that at once, before
there is a Textual to draw with and a scan to show.

One file for each context, in the state folder. It is only looked at: one that is missing, broken or old costs a
picture of what is not there any more, for as long as the scan takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from workbench.config import kept_name, state_dir
from workbench.dataclass import dataclass
from workbench.files import replace_file
from workbench.tui.widgets.context_rows import TreeRow

ROWS = 100
"""More of a tree are on no screen."""


@dataclass(frozen=True, slots=True)
class Seen:
    """`title` and `rows` are the tree's; `pens` are SGR parameters by what they draw, on a `terminal` like that."""

    title: str = ""
    rows: Sequence[TreeRow] = ()
    pens: Mapping[str, str] = field(default_factory=dict)
    terminal: str = ""


def colours_of(environment: Mapping[str, str]) -> str:
    """What the colours of a screen depend on, beside its theme."""
    return " ".join(f"{name}={environment.get(name, '')}" for name in ("TERM", "COLORTERM", "NO_COLOR"))


def read_seen(context: Path) -> Seen:
    """What `keep_seen` kept; an empty one where there is none that can be read. Blocks."""
    try:
        data = json.loads(_place(context).read_bytes())
        rows = tuple(TreeRow(*(str(text) for text in row)) for row in data["rows"])
        pens = {str(name): str(pen) for name, pen in data["pens"].items()}
        return Seen(str(data["title"]), rows, pens, str(data["terminal"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Seen()


def keep_seen(context: Path, seen: Seen) -> None:
    """Keeps it, for its owner alone. Blocks. Raises OSError."""
    place = _place(context)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {"title": seen.title, "rows": seen.rows, "pens": dict(seen.pens), "terminal": seen.terminal}
    replace_file(place, json.dumps(kept).encode(), 0o600, durable=False)


def _place(context: Path) -> Path:
    return state_dir() / "seen" / f"{kept_name(context)}.json"
