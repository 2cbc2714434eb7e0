"""The list of finished builds, newest first, of which two can be marked."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.build.format import human_age, human_duration, human_size
from workbench.build.history import Record
from workbench.build.images import short_id
from workbench.build.text import one_line
from workbench.tui.widgets.row_view import Piece, RowView

_SIGNS = {"succeeded": ("✔", "builds--good"), "failed": ("✘", "builds--bad"), "cancelled": ("–", "builds--muted")}


class BuildList(RowView):
    """Shows `builds`; the cursor begins on the newest."""

    DEFAULT_CSS = """
    BuildList {
        & > .builds--good { color: $text-success; }
        & > .builds--bad { color: $text-error; }
        & > .builds--muted { color: $foreground-muted; }
        & > .builds--mark { color: $text-warning; text-style: bold; }
        & > .builds--id { color: $text-accent; }
    }
    """
    COMPONENT_CLASSES = {"builds--good", "builds--bad", "builds--muted", "builds--mark", "builds--id"}

    empty_text = "nothing was built here yet"

    def __init__(self, builds: Sequence[Record], now: float) -> None:
        super().__init__()
        self._builds = builds
        self._now = now
        self._marked: list[int] = []  # by the builds' numbers

    def show(self, builds: Sequence[Record], now: float) -> None:
        """Replaces the rows; the cursor stays on its build, unless that was the newest."""
        before = self.build
        self._builds, self._now = builds, now
        numbers = [it.number for it in builds]
        self._marked = [number for number in self._marked if number in numbers]
        self.rows_changed()
        if self.cursor and before is not None and before.number in numbers:
            self.cursor = numbers.index(before.number)

    def on_mount(self) -> None:
        self.rows_changed()

    @property
    def row_count(self) -> int:
        return len(self._builds)

    @property
    def build(self) -> Record | None:
        """The one under the cursor."""
        return self._builds[self.cursor] if self._builds else None

    def mark(self) -> None:
        """Marks the build under the cursor, or takes its mark away; of three marks the first goes."""
        if (it := self.build) is None:
            return
        if it.number in self._marked:
            self._marked.remove(it.number)
        else:
            self._marked = [*self._marked[-1:], it.number]
        self.refresh()

    def pair(self) -> tuple[Record, Record] | None:
        """The two to compare, the older first; None where there are no two."""
        chosen = [row for row, it in enumerate(self._builds) if it.number in self._marked]
        if len(chosen) < 2 and self.cursor not in chosen:
            chosen.append(self.cursor)
        if len(chosen) < 2:
            chosen.append(chosen[0] + 1 if chosen else self.row_count)
        if max(chosen) >= self.row_count:
            return None
        return self._builds[max(chosen)], self._builds[min(chosen)]

    def draw(self, row: int, width: int) -> list[Piece]:
        it = self._builds[row]
        if it.rolled_back_to:
            return self._rollback(it, width)
        sign, name = _SIGNS[it.outcome]
        steps = f"{it.cached}/{len(it.steps)} cached"
        size = "" if it.size is None else human_size(it.size)
        pieces = [
            *self._begin(it),
            (f"{sign} ", name),
            (f"{human_duration(it.seconds):>7}  {steps:>12} {size:>8}  ", ""),
            *self._end(it),
        ]
        if width >= 100:
            revision = f"r{it.revision}" if it.revision else ""
            pieces.append((f" {revision:<5} {it.engine:<9} {one_line(', '.join(it.tags))}", "builds--muted"))
        return pieces

    def _rollback(self, it: Record, width: int) -> list[Piece]:
        told = f"back to build {it.rolled_back_to}"
        pieces = [*self._begin(it), ("← ", "builds--mark"), (f"{told:<31}  ", ""), *self._end(it)]
        if width >= 100:
            before = short_id(it.rolled_back_from) or "nothing"
            pieces.append((f" {one_line(', '.join(it.tags))} from {before}", "builds--muted"))
        return pieces

    def _begin(self, it: Record) -> list[Piece]:
        return [("◆ " if it.number in self._marked else "  ", "builds--mark"), (f"{it.number:>4} ", "")]

    def _end(self, it: Record) -> list[Piece]:
        age = human_age(max(0.0, self._now - it.when))
        return [(f"{short_id(it.image):<12}  ", "builds--id"), (f"{age:<22}", "builds--muted")]

    def row_text(self, row: int) -> str:
        it = self._builds[row]
        return f"{it.number} {it.outcome} {short_id(it.image)} {it.engine} {' '.join(it.tags)}"
