"""The Dockerfile's editor: colours from our own reading of the language, diagnostics where they stand, and the last
build's word beside each instruction."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from typing import get_args

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widgets import TextArea

from workbench.build.ignore_check import ignore_tokens
from workbench.build.text import one_line
from workbench.dockerfile.fix import Fix, as_one
from workbench.dockerfile.lint import Diagnostic
from workbench.dockerfile.tokens import KINDS, tokens
from workbench.tui.widgets.completing import Completing
from workbench.tui.widgets.editor_actions import ACTION_BINDINGS, EditorActions
from workbench.tui.widgets.help_box import HelpBox
from workbench.tui.widgets.marks import Mark, MarkState, mark_width

HOVER_AFTER = 0.6
"""Seconds that the mouse rests on a word before it is told about."""

_OURS = frozenset({"ctrl+a", "ctrl+f", "f6", "f7"})
"""Keys that TextArea would take: screen's prefix, the key to find with, and the workbench's own function keys."""


def _bindings() -> list[BindingType]:
    """TextArea's, without the keys in `_OURS`."""
    kept: list[BindingType] = []
    for binding in TextArea.BINDINGS:
        if not isinstance(binding, Binding):
            kept.append(binding)
            continue
        keys = ",".join(key for key in binding.key.split(",") if key.strip() not in _OURS)
        if keys:
            kept.append(Binding(keys, binding.action, binding.description, show=binding.show))
    return kept


def _same(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _location(text: str, offset: int) -> tuple[int, int]:
    """Row and column of a place in the text, from 0."""
    before = text[:offset]
    return before.count("\n"), offset - (before.rfind("\n") + 1)


class DockerfileEditor(TextArea, inherit_bindings=False):
    """A TextArea that reads Dockerfiles. `tab` indents, `escape` leaves."""

    BINDINGS = [
        *_bindings(),
        Binding("ctrl+home", "text_start", "First line", show=False),
        Binding("ctrl+end", "text_end", "Last line", show=False),
        Binding("alt+enter,ctrl+l", "fix", "Fix what is underlined on this line", id="editor.fix", show=False),
        Binding("ctrl+@", "complete", "Complete", id="editor.complete", key_display="ctrl+space", show=False),
        *ACTION_BINDINGS,
        Binding("escape", "leave", "Leave", id="editor.leave"),
    ]
    COMPONENT_CLASSES = {
        *(f"editor--{kind}" for kind in KINDS),
        *(f"editor--mark-{state}" for state in get_args(MarkState)),
        *(f"editor--squiggle-{severity}" for severity in ("error", "warning", "info")),
        *(f"editor--message-{severity}" for severity in ("error", "warning", "info")),
    }
    DEFAULT_CSS = """
    DockerfileEditor {
        border: none;
        padding: 0;
        &:focus { border: none; }
        & .editor--keyword { color: $text-primary; text-style: bold; }
        & .editor--flag { color: $text-accent; }
        & .editor--string { color: $text-success; }
        & .editor--variable { color: $text-warning; }
        & .editor--comment { color: $foreground-muted; text-style: italic; }
        & .editor--directive { color: $text-secondary; text-style: italic; }
        & .editor--heredoc { color: $text-secondary; }
        & .editor--number { color: $text-accent; }
        & .editor--operator { color: $foreground-muted; text-style: bold; }
        & .editor--stage { color: $text-secondary; text-style: bold; }
        & .editor--error { color: $text-error; text-style: underline; }
        & .editor--mark-pending { color: $foreground-disabled; }
        & .editor--mark-running { color: $text-warning; text-style: bold; }
        & .editor--mark-done { color: $text-success; }
        & .editor--mark-cached { color: $foreground-muted; }
        & .editor--mark-failed { color: $text-error; text-style: bold; }
        & .editor--mark-cancelled { color: $foreground-muted; }
        & .editor--mark-reuse { color: $foreground-muted; }
        & .editor--mark-rerun { color: $text-warning; }
        & .editor--squiggle-error { text-style: underline; }
        & .editor--squiggle-warning { text-style: underline; }
        & .editor--squiggle-info { text-style: underline; }
        & .editor--message-error { color: $text-error; text-style: italic; }
        & .editor--message-warning { color: $text-warning; text-style: italic; }
        & .editor--message-info { color: $foreground-muted; text-style: italic; }
    }
    """

    class Left(Message):
        """`escape` was pressed: the focus should go on to the next panel."""

    class CursorLine(Message):
        """The cursor came to another line, counted from 1."""

        def __init__(self, line: int) -> None:
            super().__init__()
            self.line = line

    def __init__(self, text: str = "", *, language: str = "dockerfile", id: str | None = None) -> None:
        self.language_name = language
        super().__init__(
            text,
            id=id,
            soft_wrap=False,
            show_line_numbers=True,
            tab_behavior="indent",
            highlight_cursor_line=True,
        )
        self.cursor_blink = False
        self.completing: Completing | None = None
        self.help_box: HelpBox | None = None
        self.actions = EditorActions(self)
        self._hover_timer: Timer | None = None
        self._tokens: dict[int, list[tuple[int, int, str]]] = {}
        self._found: dict[int, list[Diagnostic]] = {}
        self._found_in = ""
        self._fix_wanted = False  # before the diagnostics of what was typed last are there
        self._marks: dict[int, Mark] = {}
        self._line_told = 0
        self._colour()

    @property
    def found(self) -> Mapping[int, Sequence[Diagnostic]]:
        """Diagnostics by the line they begin on, counted from 1."""
        return self._found

    def show_diagnostics(self, found: Sequence[Diagnostic]) -> None:
        """Underlines each where it stands, and writes the gravest of a line after its end."""
        by_line: dict[int, list[Diagnostic]] = {}
        for diagnostic in found:
            by_line.setdefault(diagnostic.range.start_line, []).append(diagnostic)
        for line in by_line.values():
            line.sort(key=lambda it: ("error", "warning", "info").index(it.severity))
        self._found_in = self.text
        if by_line != self._found:
            self._found = by_line
            self._redraw()
        if self._fix_wanted:
            self.action_fix()

    def found_at(self, line: int) -> Sequence[Diagnostic]:
        """Those that begin on the line, the gravest first, else those that reach over it."""
        reaching = (it for of_line in self._found.values() for it in of_line)
        return self._found.get(line) or [it for it in reaching if it.range.start_line <= line <= it.range.end_line]

    def fix_at(self, line: int) -> Fix | None:
        """What `action_fix` would do there."""
        return next((it.fix for it in self.found_at(line) if it.fix is not None), None)

    def action_fix(self) -> None:
        """Applies the fix of the finding under the cursor, as one step of undo."""
        self._fix_wanted = self._found_in != self.text
        fix = None if self._fix_wanted or self.read_only else self.fix_at(self.cursor_location[0] + 1)
        if fix is None:
            return
        place, text = as_one(self.text, fix)
        start, end = (place.start_line - 1, place.start_column - 1), (place.end_line - 1, place.end_column - 1)
        self.history.checkpoint()
        self.replace(text, start, end)
        self.history.checkpoint()

    def change_to(self, text: str) -> None:
        """Makes the text that one, as one step of undo: only the piece that differs is replaced, and the cursor stays
        with its line."""
        before = self.text
        if text == before:
            return
        first = _same(before, text)
        first -= before[first - 1 : first] == "\r"
        same = _same(before[: first - 1 if first else None : -1], text[: first - 1 if first else None : -1])
        same -= text[len(text) - same :][:1] == "\n" and "\r" in before
        row, column = self.cursor_location
        start, end = _location(before, first), _location(before, len(before) - same)
        self.history.checkpoint()
        self.replace(text[first : len(text) - same], start, end)
        self.history.checkpoint()
        if self.text != text:  # its lines end in another way
            self.load_text(text)
        if start <= (row, column) < end:
            self.move_cursor((min(row, self.document.line_count - 1), column))

    def show_marks(self, marks: Mapping[int, Mark]) -> None:
        """What the last build says of each line, counted from 1."""
        if marks != self._marks:
            self._marks = dict(marks)
            self._redraw()

    def go_to(self, line: int, column: int = 1) -> None:
        """Puts the cursor there, counted from 1, and into view."""
        row = max(0, min(line - 1, self.document.line_count - 1))
        self.move_cursor((row, max(0, column - 1)), center=True)

    def action_complete(self) -> None:
        """Offers what may stand at the cursor."""
        if self.completing is not None:
            self.completing.ask(wanted=True)

    def action_do(self, name: str) -> None:
        """One of `EditorActions`; what asks a person something goes on by itself."""
        work = getattr(self.actions, name)()
        if inspect.isawaitable(work):
            self.run_worker(work, group="editor-ask", exclusive=True, exit_on_error=False, description=name)

    def action_text_start(self) -> None:
        self.move_cursor((0, 0))

    def action_text_end(self) -> None:
        self.move_cursor(self.document.end)

    async def action_undo(self) -> None:  # type: ignore[override]
        """Where nothing was edited the key is the workbench's."""
        if self.history._undo_stack or self.history._redo_stack:
            self.undo()
        else:
            await self.app.run_action("suspend_process")

    def action_leave(self) -> None:
        self.post_message(self.Left())

    @property
    def gutter_width(self) -> int:
        return super().gutter_width + self._mark_width

    @property
    def _mark_width(self) -> int:
        return mark_width(self.size.width)

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        for start, end, kind in self._tokens.get(line_index + 1, ()):
            line.stylize(self.get_component_rich_style(f"editor--{kind}", partial=True), start, end)
        for diagnostic in self._found.get(line_index + 1, ()):
            place = diagnostic.range
            end = place.end_column - 1 if place.end_line == place.start_line else len(line.plain)
            style = self.get_component_rich_style(f"editor--squiggle-{diagnostic.severity}", partial=True)
            line.stylize(style, place.start_column - 1, max(end, place.start_column))
        return line

    def _on_blur(self, event: events.Blur) -> None:
        if self.help_box is not None:
            self.help_box.close()
        if self.completing is not None:
            self.completing.popup.close()

    # Private in Textual, and the reason why its next minor version is not taken blindly: the drawing of one row.
    def _render_line(self, y: int) -> Strip:
        strip = super()._render_line(y)
        place = self._place_of(y)
        if place is None:
            return strip
        row, first = place
        strip = Strip.join([self._mark_strip(row + 1 if first else 0, strip), strip.crop(self._mark_width)])
        if first and (found := self._found.get(row + 1)):
            strip = self._with_message(strip, row, found[0])
        return strip

    def _place_of(self, y: int) -> tuple[int, bool] | None:
        """The document's row at that row of the screen, and whether it is the first of a wrapped one."""
        offset = y + self.scroll_offset.y
        if offset >= self.wrapped_document.height:
            return None
        row, section = self.wrapped_document._offset_to_line_info[offset]
        return row, section == 0

    def _mark_strip(self, line: int, strip: Strip) -> Strip:
        first = next(iter(strip), None)
        base = first.style if first is not None else None
        mark = self._marks.get(line)
        width = self._mark_width
        if mark is None:
            return Strip([Segment(" " * width, base)], width)
        style = self.get_component_rich_style(f"editor--mark-{mark.state}", partial=True)
        return Strip([Segment(mark.text(width), base + style if base is not None else style)], width)

    def _with_message(self, strip: Strip, row: int, diagnostic: Diagnostic) -> Strip:
        """The message after the line's end, where at least a few words of it fit."""
        text = self.document.get_line(row).expandtabs(self.indent_width)
        used = self.gutter_width + cell_len(text) - self.scroll_offset.x + 1
        width = self.size.width
        if not self.gutter_width <= used < width - 12:
            return strip
        rest = strip.crop(used, width)
        background = next((segment.style for segment in rest if segment.style is not None), None)
        style = self.get_component_rich_style(f"editor--message-{diagnostic.severity}", partial=True)
        message = f"  ← {one_line(diagnostic.message)}"[: width - used]
        segment = Segment(message, background + style if background is not None else style)
        return Strip.join([strip.crop(0, used), Strip([segment])]).extend_cell_length(width, background).crop(0, width)

    def _on_text_area_changed(self, event: TextArea.Changed) -> None:
        self._colour()

    def _on_text_area_selection_changed(self, event: TextArea.SelectionChanged) -> None:
        line = event.selection.end[0] + 1
        if line != self._line_told:
            self._line_told = line
            self.post_message(self.CursorLine(line))

    async def _on_key(self, event: events.Key) -> None:
        """Runs before TextArea's own handler, which would take `escape` for itself.

        The editor's own bindings run here and not where Textual looks for them, at the end of the event's way up to
        the app: text that was typed after a key would overtake it, and land where the cursor was before.
        """
        if self.help_box is not None and self.help_box.is_open:
            self.help_box.close()
            if event.key == "escape":
                event.prevent_default()
                event.stop()
                return
        binding = next(iter(self._bindings.key_to_bindings.get(event.key, ())), None)
        if binding is None or binding.action != "do('go_to_name')":
            self.actions.stop_walking()
        if self.completing is not None and await self.completing.key(event.key, event.character):
            event.prevent_default()
            event.stop()
        elif event.key == "escape":
            event.prevent_default()
            event.stop()
            self.action_leave()
        elif binding is not None:
            event.prevent_default()
            event.stop()
            await self.run_action(binding.action)
        elif event.key.startswith("alt+"):
            event.prevent_default()  # a key of the workbench; Textual gives it a character (alt+4 is a cent sign)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Who rests on a word is told about it."""
        if self._hover_timer is not None:
            self._hover_timer.stop()
        if self.help_box is not None and self.help_box.is_open:
            self.help_box.close()
        at = Offset(event.screen_x, event.screen_y)
        offset = event.get_content_offset(self)
        if offset is not None and offset.x >= self.gutter_width and not event.button:
            row, column = self.get_target_document_location(event)
            if column < len(self.document.get_line(row)):
                self._hover_timer = self.set_timer(HOVER_AFTER, partial(self.actions.help, (row, column), at))

    def on_leave(self) -> None:
        if self._hover_timer is not None:
            self._hover_timer.stop()

    def load_text(self, text: str) -> None:
        super().load_text(text)
        self._colour()

    def _colour(self) -> None:
        self._tokens = {}
        paint = {"dockerfile": tokens, "ignore": ignore_tokens}.get(self.language_name)
        for line, start, end, kind in paint(self.text) if paint is not None else ():
            self._tokens.setdefault(line, []).append((start - 1, end - 1, kind))
        self._redraw()

    def _redraw(self) -> None:
        self._line_cache.clear()
        self.refresh()
