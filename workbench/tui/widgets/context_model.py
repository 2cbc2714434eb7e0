"""What a tree wants to know of a scan, made off the screen's thread, and what there is to say of an entry."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from workbench.build.text import one_line
from workbench.context.ignore import IgnoreRules, Rule
from workbench.context.scan import Entry, Scan
from workbench.dataclass import dataclass


@dataclass(slots=True)
class Model:
    """A scan with what a tree wants to know of it. Nobody changes a model that is shown: what changed on the disk
    makes another one (`context_renewal`).

    Entries stand in the scan's order, folders before what is in them: entry N's subtree is N to `end(N)`, that one
    excluded.
    """

    name: str
    """Of the context itself."""
    root: Path
    rules: IgnoreRules
    entries: Sequence[Entry]
    paths: list[str] = field(default_factory=list)
    depths: array[int] = field(default_factory=lambda: array("H"))
    spans: array[int] = field(default_factory=lambda: array("i"))
    """How many entries the subtree has, its own counted."""
    inner: bytearray = field(default_factory=bytearray)
    """Whether there is something in it: spans above 1, for a fast search."""
    sizes: array[int] = field(default_factory=lambda: array("q"))
    """Bytes that are sent of each entry, folders with all below them; of what is not sent, its own bytes."""
    sent: bytearray = field(default_factory=bytearray)
    """Whether it, or anything below it, is sent."""
    files: int = 0
    bytes: int = 0
    sent_files: int = 0
    sent_bytes: int = 0

    def end(self, place: int) -> int:
        """The first entry behind the subtree."""
        return place + self.spans[place]

    def place(self, path: str) -> int | None:
        """Where that path stands, None where it is not there."""
        at = self.insertion(path)
        return at if at < len(self.paths) and self.paths[at] == path else None

    def insertion(self, path: str) -> int:
        """Where that path stands, or would."""
        return bisect_left(self.paths, _order(path), key=_order)


def _order(path: str) -> bytes:
    """Sorts as a scan does: by the bytes of each part, parents first. No name has a NUL."""
    return os.fsencode(path.replace("/", "\0"))


def build_model(scan: Scan) -> Model:
    """Totals of every folder, in one pass. Blocks; for 100,000 entries some tenths of a second."""
    model = Model(scan.root.resolve().name or "/", scan.root, scan.rules, scan.entries)
    model.files, model.bytes = scan.files, scan.bytes
    model.sent_files, model.sent_bytes = scan.sent_files, scan.sent_bytes
    paths, depths, spans, inner = model.paths, model.depths, model.spans, model.inner
    sizes, sent = model.sizes, model.sent
    above: list[int] = []
    top = -1

    def close(place: int, now: int) -> None:
        spans[place] = now - place
        inner[place] = now - place > 1
        if above and sent[place]:
            sizes[above[-1]] += sizes[place]
            sent[above[-1]] = True

    for place, entry in enumerate(scan.entries):
        depth = entry.path.count("/")
        if top < 0:
            top = depth
        while len(above) > depth - top:
            close(above.pop(), place)
        paths.append(entry.path)
        depths.append(depth)
        spans.append(1)
        inner.append(False)
        sizes.append(entry.size)
        sent.append(entry.sent)
        if entry.kind == "directory":
            above.append(place)
        elif above and entry.sent:
            sizes[above[-1]] += entry.size
            sent[above[-1]] = True
    while above:
        close(above.pop(), len(paths))
    return model


def describe(entry: Entry | None) -> str:
    """One line for a person: whether the entry is sent, and the line of the ignore file that decided."""
    if entry is None:
        return ""
    name = one_line(entry.path)
    if entry.error:
        return f"{name}: cannot be read: {entry.error}"
    if entry.kind == "socket":
        return f"{name}: not sent, no archive can carry a socket"
    link = f" → {one_line(entry.link)}" if entry.link else ""
    if entry.rule is None:
        return f"{name}{link}: sent, no ignore line matches"
    return f"{name}{link}: {'sent' if entry.sent else 'not sent'} by {_place(entry.rule)}"


def _place(rule: Rule) -> str:
    line = f"line {rule.line} of " if rule.line else ""
    return f"{line}{one_line(rule.source)}: {one_line(str(rule))}"
