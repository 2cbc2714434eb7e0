"""The README's table of keys is true, and whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.tui.stage import make_app, make_context, running
from tests.tui.test_keys import bindings_of, owners
from workbench.tui import keys

_SCOPES = {
    "in the context": "Context",
    "in the build panel": "Build",
    "in a log": "Build",
    "on an image": "Images",
    "among images": "Images",
    "in the editor": "Editor",
}
_IN_EVERY_LIST = {"Up", "Down", "First", "Last", "Page up", "Page down", "Start", "Left", "Right"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: its keys, the panels it speaks of (none: any), and the keys that its text names."""

    keys: tuple[str, ...]
    panels: frozenset[str]
    named: tuple[str, ...]


def table() -> Iterator[Row]:
    text = (REPOSITORY / "README.md").read_text()
    lines = text.split("| key | does |\n|---|---|\n", 1)[1].split("\n\n", 1)[0]
    for line in lines.splitlines():
        first, does = line.strip("|").split(" | ", 1)
        panels = frozenset(panel for said, panel in _SCOPES.items() if said in first)
        yield Row(tuple(_keys_in(first)), panels, tuple(_keys_in(does)))


def _keys_in(text: str) -> Iterator[str]:
    for one, last in re.findall(r"`([^`]+)`(?: to `([^`]+)`)?", text):
        if not last:
            yield one
            continue
        head, start, end = one[:-1], int(one[-1]), int(last[-1])
        yield from (f"{head}{number}" for number in range(start, end + 1))


async def test_each_key_of_the_table_is_bound_and_each_action_is_in_the_table(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False):
        sections = {title.removeprefix("Here: "): rows for title, rows in keys.sections(app)}
    bound = {title: {key for told, _ in rows for key in told.split(", ")} for title, rows in sections.items()}
    anywhere = set().union(*bound.values()) | {"ctrl+p"}
    on_any_screen = anywhere | {keys.shown(binding.key) for owner in owners() for binding in bindings_of(owner)}
    written: dict[str, set[str]] = {title: set() for title in sections}
    for row in table():
        there = set().union(*(bound[panel] for panel in row.panels)) | bound["Everywhere"] if row.panels else anywhere
        assert set(row.keys) - {"arrows"} <= there, f"not bound there: {set(row.keys) - there}"
        assert {key for key in row.named if re.fullmatch(r"\S|(ctrl|alt|shift)\+\S+|F\d+", key)} <= on_any_screen
        for panel in row.panels or sections:
            written[panel] |= set(row.keys)
    ours = {
        (keys.shown(binding.key), binding.description)
        for owner in owners()
        for binding in bindings_of(owner)
        if binding.id and binding.description not in _IN_EVERY_LIST
    }
    missing = [
        (title, told, does)
        for title, rows in sections.items()
        for told, does in rows
        if {(key, does) for key in told.split(", ")} & ours and not set(told.split(", ")) & written[title]
    ]
    assert not missing, "\n".join(map(str, missing))
