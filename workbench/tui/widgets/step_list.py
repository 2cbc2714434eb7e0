"""The steps of a build as rows, drawn by the line: only rows whose step was replaced are drawn again."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.build.progress import BuildProgress, StepState, StepStatus
from workbench.tui.widgets.build_text import SIGNS, added_of, instruction_of, stages_of, time_of

WARNINGS = 0
"""The key of the row that counts the warnings. Steps have their own numbers, from 1."""

_SHOWS_BYTES = 40
_SHOWS_WORDS = 58


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list: a step, the heading of a stage (`key` is None) or the warnings (`key` is WARNINGS)."""

    key: int | None
    step: StepState | None = None
    text: str = ""
    status: StepStatus = "pending"
    indent: int = 0


class StepList(ScrollView, can_focus=True):
    """Shows `update(progress, now)`; `cursor` is the number of the chosen step, WARNINGS, or None."""

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
        """A person chose the row with this key: enter, or a click on the row under the cursor."""

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

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self._rows)

    @property
    def cursor(self) -> int | None:
        """The key of the row under the cursor."""
        return self._cursor

    def update_steps(self, progress: BuildProgress, now: float) -> None:
        """Draws again what changed since the last call; a running step's time always."""
        steps, warnings = list(progress), len(progress.warnings)
        self._now = now
        same = len(steps) == len(self._seen) and all(a is b for a, b in zip(steps, self._seen, strict=True))
        if same and warnings == self._warnings:
            for y, row in enumerate(self._rows):
                if row.status == "running" and row.step is not None:
                    self.refresh_line(y)
            return
        self._seen, self._warnings = steps, warnings
        self._replace(self._make_rows(steps, warnings))

    def _make_rows(self, steps: list[StepState], warnings: int) -> list[Row]:
        groups = list(stages_of(steps))
        headed = sum(bool(group.name) for group in groups) > 1
        rows: list[Row] = []
        for group in groups:
            if headed and group.name:
                rows.append(Row(None, None, group.name, group.status))
            indent = 2 if headed and group.name else 0
            rows += [Row(step.step, step, instruction_of(step), step.status, indent) for step in group.steps]
        if warnings:
            rows.append(Row(WARNINGS, None, f"{warnings} warning{'' if warnings == 1 else 's'}"))
        self._digits = max((len(str(step.step)) for step in steps), default=1)
        return rows

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
        above = y - 1 if y and height > 1 and self._rows[y - 1].key is None else y
        self.scroll_to(y=above if y < top else y - height + 1, animate=False, force=True, immediate=True)

    def on_resize(self) -> None:
        self._reveal()

    def _index(self, key: int | None) -> int | None:
        if key is None:
            return None
        return next((y for y, row in enumerate(self._rows) if row.key == key), None)

    def _move_to(self, index: int, keys: list[int]) -> None:
        if keys:
            key = keys[max(0, min(index, len(keys) - 1))]
            self.select(key)
            self.post_message(self.Moved(key))

    def action_move(self, by: int) -> None:
        keys = [row.key for row in self._rows if row.key is not None]
        at = keys.index(self._cursor) if self._cursor in keys else -1 if by > 0 else len(keys)
        self._move_to(at + by, keys)

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self.size.height - 1))

    def action_edge(self, index: int) -> None:
        keys = [row.key for row in self._rows if row.key is not None]
        self._move_to(len(keys) - 1 if index < 0 else 0, keys)

    def action_choose(self) -> None:
        if self._cursor is not None:
            self.post_message(self.Chosen(self._cursor))

    def on_click(self, event: events.Click) -> None:
        y = event.y + self.scroll_offset.y
        key = self._rows[y].key if y < len(self._rows) else None
        if key is None:
            return
        if key == self._cursor:
            self.post_message(self.Chosen(key))
        else:
            self.select(key)
            self.post_message(self.Moved(key))

    def render_line(self, y: int) -> Strip:
        width, base = self.scrollable_content_region.width, self.rich_style
        index = y + self.scroll_offset.y
        if index >= len(self._rows):
            empty = "no build yet" if index == 0 else ""
            line = Text(empty, self.get_component_rich_style("step--detail"), end="")
        else:
            row = self._rows[index]
            line = self._draw(row, width)
            if row.key is not None and row.key == self._cursor:
                # Put last and over the whole line, so that the state's colour never meets the cursor's.
                line.pad_right(max(0, width - line.cell_len))
                line.stylize(self.get_component_rich_style("step--cursor"))
        line.stylize_before(base)
        return Strip(line.render(self.app.console)).crop_extend(0, width, base)

    def _style(self, text: Text, start: int, end: int, name: str) -> None:
        text.stylize(self.get_component_rich_style(f"step--{name}"), start, end)

    def _draw(self, row: Row, width: int) -> Text:
        if row.step is None:
            sign = "!" if row.key == WARNINGS else SIGNS[row.status]
            line = Text(f"{sign} {row.text}", no_wrap=True, overflow="ellipsis", end="")
            line.truncate(width, overflow="ellipsis")
            if row.key != WARNINGS:
                self._style(line, 0, len(line), "heading")
            self._style(line, 0, len(line) if row.key == WARNINGS else 1, self._kind(row))
            return line
        time = time_of(row.step, self._now, word=width >= _SHOWS_WORDS)
        right = [added_of(row.step), time] if width >= _SHOWS_BYTES else [time]
        detail = "".join(f"  {part}" if part else "" for part in right)
        indent = row.indent if width >= _SHOWS_BYTES else row.indent // 2
        left = Text(f"{' ' * indent}{SIGNS[row.status]} {row.step.step:>{self._digits}} {row.text}", end="")
        left.truncate(max(1, width - len(detail)), overflow="ellipsis", pad=True)
        self._style(left, indent, indent + 1, self._kind(row))
        if row.status in ("pending", "cached"):
            self._style(left, indent + 1, len(left), row.status)
        if detail:
            named = "detail" if row.status in ("done", "cached", "pending") else row.status
            left.append(detail, self.get_component_rich_style(f"step--{named}"))
        return left

    def _kind(self, row: Row) -> str:
        return "warnings" if row.key == WARNINGS else row.status
