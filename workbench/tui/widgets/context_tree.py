"""The build context as a tree of any size: what is sent, what is not, and how big it is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from textual.binding import Binding
from textual.message import Message

from workbench.build.format import human_size
from workbench.build.text import one_line
from workbench.context.ignore import Rule
from workbench.context.scan import Entry, ancestors
from workbench.tui.widgets.context_model import Model
from workbench.tui.widgets.context_rows import TreeRow
from workbench.tui.widgets.row_view import Piece, RowView, found_in

OPEN_AT_FIRST = 60
"""Folders are open from the start where the context has at most this many entries; else only the context itself."""


class ContextTree(RowView):
    """Shows a `Model`. Which folders are open, and where the cursor is, survive the next model."""

    DEFAULT_CSS = """
    ContextTree {
        & > .tree--folder { text-style: bold; }
        & > .tree--root { text-style: bold; color: $text-primary; }
        & > .tree--size { color: $foreground-muted; }
        & > .tree--ignored { color: $foreground-disabled; }
        & > .tree--error { color: $text-error; }
        & > .tree--link { color: $text-accent; }
        & > .tree--warned { color: $text-warning; }
    }
    """
    COMPONENT_CLASSES = {
        "tree--folder", "tree--root", "tree--size", "tree--ignored", "tree--error", "tree--link",
        "tree--warned",
    }  # fmt: skip
    BINDINGS = [
        Binding("enter", "open", "Open", id="context.open"),
        Binding("space", "open_or_close", "Open or close", show=False, id="context.toggle"),
        Binding("right,l", "expand", "Open the folder", show=False, id="context.expand"),
        Binding("left,h", "collapse", "Close the folder", show=False, id="context.collapse"),
        Binding("i", "toggle_ignored", "Hide/show not sent", id="context.ignored"),
        Binding("s", "toggle_sort", "Sort by size/name", show=False, id="context.sort"),
        Binding("x", "ignore", "Ignore", id="context.ignore"),
        Binding("X", "take_line_away", "Take the deciding line away", show=False, id="context.unignore"),
        Binding("w", "next_warned", "Next that should rarely be sent", show=False, id="context.warned"),
    ]

    empty_text = "reading the context…"

    class Highlighted(Message):
        """The cursor is on that entry; None on the context itself."""

        def __init__(self, entry: Entry | None) -> None:
            super().__init__()
            self.entry = entry

    class Opened(Message):
        """`enter` on a file."""

        def __init__(self, entry: Entry) -> None:
            super().__init__()
            self.entry = entry

    class IgnoreAsked(Message):
        """A line of the ignore file is wanted for that entry."""

        def __init__(self, entry: Entry) -> None:
            super().__init__()
            self.entry = entry

    class LineAway(Message):
        """The line of the ignore file that decided should go."""

        def __init__(self, rule: Rule) -> None:
            super().__init__()
            self.rule = rule

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.model: Model | None = None
        self.seen: Sequence[TreeRow] = ()
        """What is shown until there is a model: rows of an earlier one."""
        self.warned: Mapping[str, str] = {}
        """Why what is sent should rarely be, by path."""
        self._weights: Mapping[str, int] = {}
        self._by_size = False
        self._rows: list[int] = []
        self._open: set[str] | None = None
        self._root_open = True
        self._hide_ignored = False

    @property
    def row_count(self) -> int:
        return len(self.seen) if self.model is None else len(self._rows) + 1

    @property
    def entry(self) -> Entry | None:
        """The entry under the cursor; None on the context itself, and before there is a model."""
        return self._at(self.cursor)

    def _at(self, row: int) -> Entry | None:
        if self.model is None or not 0 < row <= len(self._rows):
            return None
        return self.model.entries[self._rows[row - 1]]

    def show_model(self, model: Model, warned: Mapping[str, str] | None = None) -> None:
        """Replaces what is shown; what should rarely be sent is as before unless it is given."""
        path = entry.path if (entry := self.entry) is not None else None
        self.model = model
        if warned is not None:
            self.warned = warned
        if self._open is None:
            few = len(model.entries) <= OPEN_AT_FIRST
            self._open = {entry.path for entry in model.entries if entry.kind == "directory"} if few else set()
        self._flatten()
        if path is not None:
            self._go_to(path)
        self._tell()

    def show_more(self, warned: Mapping[str, str], weights: Mapping[str, int]) -> None:
        """What was found out of the model later: what should rarely be sent, and bytes below folders that are not."""
        self.warned, self._weights = warned, weights
        if self._by_size:
            self._keep_cursor()
        self.refresh()
        self._tell()

    def _flatten(self) -> None:
        """The visible rows anew, skipping over closed folders."""
        rows: list[int] = []
        model, opened = self.model, self._open or set()
        if model is not None and self._root_open and self._by_size:
            rows = list(self._biggest_first(model, 0, len(model.paths)))
        elif model is not None and self._root_open:
            place, count = 0, len(model.paths)
            while place < count:
                if self._hide_ignored and not model.sent[place]:
                    place = model.end(place)
                    continue
                end = _before(model.inner, 1, place, count)
                if self._hide_ignored:
                    end = _before(model.sent, 0, place, end)
                rows.extend(range(place, end))
                if end < count and model.inner[end] and (model.sent[end] or not self._hide_ignored):
                    rows.append(end)
                    end = end + 1 if model.paths[end] in opened else model.end(end)
                place = end
        self._rows = rows
        self.rows_changed()

    def _biggest_first(self, model: Model, place: int, end: int) -> Iterator[int]:
        """The shown entries from `place` to `end`, in each folder the biggest first."""
        children: list[int] = []
        while place < end:
            children.append(place)
            place = model.end(place)
        for child in sorted(children, key=lambda child: -self._bytes(model, child)):
            if self._hide_ignored and not model.sent[child]:
                continue
            yield child
            if model.spans[child] > 1 and model.paths[child] in (self._open or ()):
                yield from self._biggest_first(model, child + 1, model.end(child))

    def _bytes(self, model: Model, place: int) -> int:
        """Bytes: of what is sent all that is sent, of what is not all that was found below it."""
        if model.sent[place]:
            return model.sizes[place]
        return self._weights.get(model.paths[place], model.sizes[place])

    def _keep_cursor(self) -> None:
        path = entry.path if (entry := self.entry) is not None else None
        self._flatten()
        if path is not None:
            self._go_to(path)

    def _go_to(self, path: str) -> None:
        """The cursor on that entry, or on the nearest folder above it that is shown."""
        assert self.model is not None
        for wanted in (path, *reversed(list(ancestors(path)))):
            row = self._row_of(self.model.place(wanted))
            if row is not None:
                self.cursor = row
                return

    def _row_of(self, place: int | None) -> int | None:
        """The row of an entry; None where it is not shown."""
        if place is None:
            return None
        if self._by_size:
            return self._rows.index(place) + 1 if place in self._rows else None
        at = bisect_left(self._rows, place)
        return at + 1 if at < len(self._rows) and self._rows[at] == place else None

    def watch_cursor(self, before: int, now: int) -> None:
        super().watch_cursor(before, now)
        self._tell()

    def _tell(self) -> None:
        self.post_message(self.Highlighted(self.entry))

    # -- what is drawn

    def draw(self, row: int, width: int) -> list[Piece]:
        return self._row(row).columns(width)

    def first_rows(self, count: int) -> list[TreeRow]:
        """The first ones, as they are now."""
        return [self._row(row) for row in range(min(count, self.row_count))]

    def _row(self, row: int) -> TreeRow:
        model = self.model
        if model is None:
            return self.seen[row]
        if row == 0:
            sign = "▾" if self._root_open else "▸"
            size = human_size(model.sent_bytes, digits=4)
            return TreeRow(f"{sign} {one_line(model.name)}", "tree--root", "", size)
        place = self._rows[row - 1]
        entry = model.entries[place]
        name = one_line(entry.path.rpartition("/")[2])
        ignored = not model.sent[place]
        sign = "· " if ignored else "  "
        kind = "tree--ignored" if ignored else "tree--link" if entry.kind == "symlink" else ""
        if entry.kind == "directory":
            shown = entry.path in (self._open or ()) and model.spans[place] > 1
            sign = f"{'▾' if shown else '▸' if model.spans[place] > 1 else '·' if ignored else ' '} "
            kind = kind or "tree--folder"
        if entry.error:
            return TreeRow(f"{'  ' * model.depths[place]}  {sign}{name}", "tree--error", "unreadable", "")
        unknown = entry.kind == "directory" and ignored and entry.path not in self._weights
        size = "" if unknown else human_size(self._bytes(model, place), digits=4)
        lead = "  "
        if entry.path in self.warned:
            lead, kind = "! ", "tree--warned"
        if entry.kind not in ("file", "directory"):
            size = entry.kind
        return TreeRow(f"{'  ' * model.depths[place]}{lead}{sign}{name}", kind, "not sent" if ignored else "", size)

    def row_text(self, row: int) -> str:
        entry = self._at(row)
        return "" if entry is None else entry.path.rpartition("/")[2]

    # -- search goes into closed folders too

    def find(self, needle: str, *, forward: bool, here: bool) -> int | None:
        model = self.model
        if model is None or not model.paths:
            return None
        count, step, start = len(model.paths), 1 if forward else -1, 0 if here else 1
        now = self._rows[self.cursor - 1] if self.cursor > 0 else (0 if forward and here else -1 if forward else count)
        paths, folded = model.paths, needle == needle.lower()
        for distance in range(start, count + start):
            place = (now + step * distance) % count
            path = paths[place]
            if needle not in (path.lower() if folded else path) or not found_in(needle, path.rpartition("/")[2]):
                continue
            if model.sent[place] or not self._hide_ignored:
                self._reveal(path)
                return self._rows.index(place) + 1
        return None

    def _reveal(self, path: str) -> None:
        assert self.model is not None and self._open is not None
        folders = set(ancestors(path))
        if not self._root_open or not folders <= self._open:
            self._root_open = True
            self._open |= folders
            self._flatten()

    # -- what a person asks

    def action_open(self) -> None:
        entry = self.entry
        if entry is not None and entry.kind != "directory":
            self.post_message(self.Opened(entry))
        else:
            self.action_open_or_close()

    def action_open_or_close(self) -> None:
        entry = self.entry
        shown = self._root_open if entry is None else entry.path in (self._open or ())
        self._set_open(not shown)

    def action_expand(self) -> None:
        self._set_open(True)

    def action_collapse(self) -> None:
        """Closes the folder; where it is closed, or a file, goes to the folder above."""
        entry = self.entry
        if entry is None or (entry.kind == "directory" and entry.path in (self._open or ())):
            self._set_open(False)
        elif (parent := entry.path.rpartition("/")[0]) and self.model is not None:
            self._go_to(parent)
        else:
            self.cursor = 0

    def action_toggle_ignored(self) -> None:
        self._hide_ignored = not self._hide_ignored
        self._keep_cursor()

    def action_toggle_sort(self) -> None:
        self._by_size = not self._by_size
        self._keep_cursor()

    def action_ignore(self) -> None:
        if (entry := self.entry) is not None:
            self.post_message(self.IgnoreAsked(entry))

    def action_take_line_away(self) -> None:
        entry = self.entry
        if entry is not None and entry.rule is not None:
            self.post_message(self.LineAway(entry.rule))
        else:
            self.notify("No line of the ignore file matches it.")

    def action_next_warned(self) -> None:
        """To the next entry that should rarely be sent."""
        if self.model is None or not self.warned:
            self.notify("Nothing is sent that should rarely be.")
            return
        places = sorted(place for path in self.warned if (place := self.model.place(path)) is not None)
        now = self._rows[self.cursor - 1] if self.cursor else -1
        path = self.model.entries[next((place for place in places if place > now), places[0])].path
        self._reveal(path)
        self._go_to(path)

    def _set_open(self, shown: bool) -> None:
        entry = self.entry
        if self.model is None:
            return
        if entry is None:
            self._root_open = shown
        elif entry.kind == "directory" and self._open is not None:
            (self._open.add if shown else self._open.discard)(entry.path)
        self._flatten()

    def clicked(self, row: int, x: int, *, again: bool) -> None:
        entry = self._at(row)
        if entry is None or entry.kind == "directory":
            self.action_open_or_close()
        elif again:
            self.action_open()


def _before(flags: bytearray, flag: int, start: int, end: int) -> int:
    """The first place from `start` that has the flag; `end` where none has."""
    found = flags.find(flag, start, end)
    return end if found < 0 else found
