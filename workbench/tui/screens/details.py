"""An image looked into: its configuration, and the history of its layers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from workbench.build.format import human_age, human_size
from workbench.build.images import HistoryEntry, short_id
from workbench.build.text import one_line
from workbench.build.trash import said_of
from workbench.tui.widgets.image_rows import Facts
from workbench.tui.widgets.reader import Reader, Row, heading, named

_CONFIG = ("Entrypoint", "Cmd", "Env", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels", "Shell",
           "StopSignal", "Healthcheck", "OnBuild")  # fmt: skip
_IMAGE = ("Id", "RepoTags", "RepoDigests", "Parent", "Created", "Architecture", "Os", "Author", "Comment")


def rows_of(
    inspected: Mapping[str, Any], history: Sequence[HistoryEntry], now: float, width: int, facts: Facts | None = None
) -> Iterator[Row]:
    """What `docker image inspect` and `docker history` say, for a person, and what else is known of the image."""
    yield heading("Image")
    for name in _IMAGE:
        value = inspected.get(name)
        if name == "RepoTags" and value:
            value = [said_of(tag) for tag in value]
        if value:
            yield from named(name, _shown(value), width)
    if (size := inspected.get("Size")) is not None:
        yield from named("Size", human_size(size), width)
    for name, value in _known(str(inspected.get("Id")), facts or Facts()):
        yield from named(name, value, width)
    config = inspected.get("Config") or {}
    if found := [(name, config[name]) for name in _CONFIG if config.get(name)]:
        yield []
        yield heading("Configuration")
        for name, value in found:
            yield from named(name, _shown(value), width)
    if layers := [entry for entry in reversed(history) if not entry.empty_layer]:
        yield []
        yield heading("Layers, lowest first")
        for number, entry in enumerate(layers, 1):
            yield [(f"  {number:>3}  {short_id(entry.diff_id):<12}  ", "reader--name"),
                   (f"{human_size(entry.size):>9}", "reader--muted")]  # fmt: skip
            yield from named("", one_line(entry.created_by) or "(nothing is said)", width, indent=16, column=0)
    yield []
    yield heading("History, newest first")
    for entry in history:
        yield from _history(entry, now, width)


def _known(identifier: str, facts: Facts) -> Iterator[tuple[str, str]]:
    if usage := facts.sizes.get(identifier):
        yield "Shared", f"{human_size(usage.shared)} with other images, {human_size(usage.unique)} of its own"
    if identifier in facts.builds:
        yield "Build", str(facts.builds[identifier])
    if users := facts.containers.get(identifier):
        yield "In use by", "\n".join(one_line(user) for user in users)


def _history(entry: HistoryEntry, now: float, width: int) -> Iterator[Row]:
    age = human_age(max(0.0, now - entry.created)) if entry.created > 0 else "N/A"
    identifier = short_id(entry.id) if entry.id else "<missing>"
    tags = f"  {', '.join(one_line(tag) for tag in entry.tags)}" if entry.tags else ""
    size = "no layer" if entry.empty_layer else human_size(entry.size)
    yield [
        (f"  {identifier:<12}  ", "reader--name"),
        (f"{size:>9}  {age}{tags}", "reader--muted"),
    ]
    yield from named("", one_line(entry.created_by) or "(nothing is said)", width, indent=16, column=0)
    if entry.comment:
        yield from named("", f"# {one_line(entry.comment)}", width, indent=16, column=0)


def _shown(value: Any) -> str:
    """A value on a line, a list or mapping on several."""
    match value:
        case str():
            return one_line(value)
        case Mapping():
            return "\n".join(
                one_line(f"{key}={_json(item)}" if item not in ({}, None) else str(key)) for key, item in value.items()
            )
        case [*items] if all(isinstance(item, str) for item in items):
            return "\n".join(one_line(item) for item in items)
        case _:
            return one_line(_json(value))


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class ImageDetails(ModalScreen[None]):
    """`escape` closes it; the keys of every list move and search."""

    DEFAULT_CSS = """
    ImageDetails {
        align: center middle;
        & > Vertical { width: 90%; height: 90%; border: round $primary; background: $surface; }
        & Reader { height: 1fr; }
    }
    """
    BINDINGS = [
        Binding("escape,q,i", "dismiss", "Close"),
        Binding("question_mark", "app.help", "Help", show=False),
    ]

    def __init__(
        self, reference: str, inspected: Mapping[str, Any], history: Sequence[HistoryEntry], now: float | None = None,
        *, facts: Facts | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._reference = reference
        self._inspected = inspected
        self._history = history
        self._facts = facts
        self._now = time.time() if now is None else now

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Reader(lambda width: list(rows_of(self._inspected, self._history, self._now, width, self._facts)))

    def on_mount(self) -> None:
        box = self.query_one(Vertical)
        name = self._reference if not self._reference.startswith("sha256:") else short_id(self._reference)
        box.border_title = Content(one_line(name))
        box.border_subtitle = "/ search · escape close"
        self.query_one(Reader).focus()
