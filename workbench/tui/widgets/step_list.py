"""The steps of a build as rows, drawn by the line: only rows whose step was replaced are drawn again."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.build.progress import BuildProgress, StepState
from workbench.tui.widgets.step_rows import WARNINGS, Row, draw, rows_of

__all__ = ["WARNINGS", "StepList"]


class StepList(ScrollView, can_focus=True):
    """Shows `update_steps`; `cursor` is the number of the chosen step, that of a stage (below 0), WARNINGS, or None."""

    DEFAULT_CSS = """
    StepList {
        background: $surface;
        color: $foreground;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .step--done { color: $text-success; }
        & > .step--cached { color: $foreground-muted; }
        & > .step--running { color: $text-accent; text-style: bold; }
        & > .step--failed { color: $text-error; text-style: bold; }
        & > .step--pending { color: $foreground-muted; }
        & > .step--cancelled { color: $text-warning; }
        & > .step--warnings { color: $text-warning; }
        & > .step--heading { text-style: bold; }
        & > .step--detail { color: $foreground-muted; }
        & > .step--cursor {
            color: $block-cursor-blurred-foreground;
            background: $block-cursor-blurred-background;
            text-style: $block-cursor-blurred-text-style;
        }
        &:focus > .step--cursor {
            color: $block-cursor-foreground;
            background: $block-cursor-background;
            text-style: $block-cursor-text-style;
        }
    }
    """
    COMPONENT_CLASSES = {
        "step--done",
        "step--cached",
        "step--running",
        "step--failed",
        "step--pending",
        "step--cancelled",
        "step--warnings",
        "step--heading",
        "step--detail",
        "step--cursor",
    }
    BINDINGS = [
        Binding("enter", "choose", "To the line", id="build.choose"),
        Binding("space", "fold", "Fold or open the stage", show=False, id="build.fold"),
        Binding("left", "fold(True)", "Fold the stage", show=False, id="build.fold_stage"),
        Binding("right", "fold(False)", "Open the stage", show=False, id="build.open_stage"),
        Binding("down,j", "move(1)", "Next step", show=False, id="build.down"),
        Binding("up,k", "move(-1)", "Previous step", show=False, id="build.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="build.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="build.page_up"),
        Binding("g,home", "edge(0)", "First step", show=False, id="build.first"),
        Binding("G,end", "edge(-1)", "Last step", show=False, id="build.last"),
    ]

    class Moved(Message):
        """A person moved the cursor to the row with this key."""

        def __init__(self, key: int) -> None:
            super().__init__()
            self.key = key

    class Chosen(Message):
        """A person chose the row with this key, of a step or the warnings: enter, or a click on the row under the
        cursor."""

        def __init__(self, key: int) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._rows: list[Row] = []
        self._seen: list[StepState] = []
        self._warnings = 0
        self._now = 0.0
        self._digits = 1
        self._cursor: int | None = None
        self._folded: frozenset[str] = frozenset()  # names of stages
        self._before: Mapping[str, float] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self._rows)

    @property
    def cursor(self) -> int | None:
        """The key of the row under the cursor."""
        return self._cursor

    def update_steps(self, progress: BuildProgress, now: float, before: Mapping[str, float] | None = None) -> None:
        """Draws again what changed since the last call; a running step's time always. `before` has the seconds that
        steps took when they last ran, by their text."""
        steps, warnings = list(progress), len(progress.warnings)
        self._now = now
        same = len(steps) == len(self._seen) and all(a is b for a, b in zip(steps, self._seen, strict=True))
        if before is not None and before != self._before:
            self._before, same = before, False
        if same and warnings == self._warnings:
            for y, row in enumerate(self._rows):
                if row.status == "running":
                    self.refresh_line(y)
            return
        self._seen, self._warnings = steps, warnings
        self._digits = max((len(str(step.step)) for step in steps), default=1)
        self._make_rows()

    def _make_rows(self) -> None:
        self._replace(rows_of(self._seen, self._warnings, self._folded, self._before))

    def stage_steps(self, key: int | None) -> tuple[StepState, ...]:
        """The steps of the stage whose row has this key; none for another row."""
        row = self._row(key)
        return row.group.steps if row is not None and row.group is not None else ()

    def place_of(self, key: int | None) -> int | None:
        """The key of the row where that step is seen: its own, or that of its stage while that is folded."""
        if key is None or key <= WARNINGS or self._index(key) is not None:
            return key
        groups = ((row.key, row.group) for row in self._rows if row.group is not None)
        return next((at for at, group in groups if any(step.step == key for step in group.steps)), None)

    def open_to(self, key: int) -> None:
        """Opens the stage of that step, where it is folded."""
        row = self._row(self.place_of(key))
        if row is not None and row.folded:
            self._set_folded(row, False)

    def _set_folded(self, row: Row, folded: bool) -> None:
        self._folded = self._folded | {row.text} if folded else self._folded - {row.text}
        self._make_rows()

    def _replace(self, rows: list[Row]) -> None:
        before, self._rows = self._rows, rows
        size = Size(0, max(1, len(rows)))
        if size != self.virtual_size:
            self.virtual_size = size
            self.refresh()
            return
        for y, row in enumerate(rows):
            if y >= len(before) or row.status == "running" or row != before[y]:
                self.refresh_line(y)

    def select(self, key: int | None) -> None:
        """Puts the cursor on a row and shows it; a key that no row has is None. Tells nobody."""
        if key == self._cursor:
            return
        for changed in (self._cursor, key):
            y = self._index(changed)
            if y is not None:
                self.refresh_line(y)
        self._cursor = key if self._index(key) is not None else None
        self._reveal()

    def _reveal(self) -> None:
        y = self._index(self._cursor)
        top, height = self.scroll_offset.y, self.size.height
        if y is None or not height or top <= y < top + height:
            return
        # The heading of the stage is worth a line where there is room for it.
        above = y - 1 if y and height > 1 and self._rows[y - 1].group is not None else y
        self.scroll_to(y=above if y < top else y - height + 1, animate=False, force=True, immediate=True)

    def on_resize(self) -> None:
        self._reveal()

    def _index(self, key: int | None) -> int | None:
        return next((y for y, row in enumerate(self._rows) if row.key == key), None)

    def _row(self, key: int | None) -> Row | None:
        y = self._index(key)
        return None if y is None else self._rows[y]

    def _move_to(self, index: int) -> None:
        if self._rows:
            key = self._rows[max(0, min(index, len(self._rows) - 1))].key
            self.select(key)
            self.post_message(self.Moved(key))

    def action_move(self, by: int) -> None:
        at = self._index(self._cursor)
        self._move_to((-1 if by > 0 else len(self._rows)) + by if at is None else at + by)

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self.size.height - 1))

    def action_edge(self, index: int) -> None:
        self._move_to(len(self._rows) - 1 if index < 0 else 0)

    def action_fold(self, folded: bool | None = None) -> None:
        """Folds or opens the stage under the cursor. From a step `left` and space go to its stage; `right` goes from
        an open stage into it."""
        at = self._index(self._cursor)
        if at is None:
            return
        row = self._rows[at]
        if row.group is None:
            above = [y for y in range(at) if self._rows[y].group is not None]
            if row.indent and above and folded is not False:
                self._move_to(above[-1])
        elif folded is row.folded:
            if not folded:
                self._move_to(at + 1)
        else:
            self._set_folded(row, not row.folded)

    def action_choose(self) -> None:
        if self._cursor is None:
            return
        if self._cursor < WARNINGS:
            self.action_fold()
        else:
            self.post_message(self.Chosen(self._cursor))

    def on_click(self, event: events.Click) -> None:
        y = event.y + self.scroll_offset.y
        if y >= len(self._rows):
            return
        again = self._rows[y].key == self._cursor
        on_sign = self._rows[y].group is not None and event.x < 2
        if not again:
            self._move_to(y)
        if again or on_sign:
            self.action_choose()

    def render_line(self, y: int) -> Strip:
        width, base = self.scrollable_content_region.width, self.rich_style
        index = y + self.scroll_offset.y
        if index >= len(self._rows):
            empty = "no build yet" if index == 0 else ""
            line = Text(empty, self.get_component_rich_style("step--detail"), end="")
        else:
            row = self._rows[index]
            line = draw(row, width, self._now, self._digits, self._style)
            if row.key == self._cursor:
                # Put last and over the whole line, so that the state's colour never meets the cursor's.
                line.pad_right(max(0, width - line.cell_len))
                line.stylize(self.get_component_rich_style("step--cursor"))
        line.stylize_before(base)
        return Strip(line.render(self.app.console)).crop_extend(0, width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"step--{name}")
