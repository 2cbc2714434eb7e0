"""What the editor does to a Dockerfile as a whole: outline, names, layout, lines, help. The keys are in `BINDINGS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.widgets.text_area import Selection

from workbench.dockerfile import Dockerfile, parse
from workbench.dockerfile.edit_lines import move_lines, toggle_comment
from workbench.dockerfile.fix import Edit, apply, apply_edits
from workbench.dockerfile.help import help_at
from workbench.dockerfile.lint import check, fix_all
from workbench.dockerfile.symbols import Symbol, outline, rename, rename_complaint, rough_outline, symbol_at
from workbench.errors import DockerfileError

if TYPE_CHECKING:
    from workbench.tui.widgets.editor import DockerfileEditor

ACTION_BINDINGS: list[BindingType] = [
    Binding("alt+h", "do('context_help')", "Help for the word under the cursor", id="editor.help", show=False),
    Binding("alt+o", "do('outline')", "Outline: go to a stage or an argument", id="editor.outline", show=False),
    Binding(
        "alt+d", "do('go_to_name')", "Go to where the name is given, and on to its uses", id="editor.go", show=False
    ),
    Binding("alt+b", "do('back')", "Go back", id="editor.back", show=False),
    Binding("alt+r", "do('rename')", "Rename the stage or variable", id="editor.rename", show=False),
    Binding("alt+f", "do('layout')", "Lay out the Dockerfile", id="editor.layout", show=False),
    Binding("alt+a", "do('fix_all')", "Apply every safe fix", id="editor.fix_all", show=False),
    Binding("alt+n", "do('next_finding')", "Go to the next finding", id="editor.next_finding", show=False),
    Binding("alt+c,ctrl+underscore", "do('comment')", "Comment out, and back", id="editor.comment", show=False),
    Binding("ctrl+f", "do('find')", "Find", id="editor.find", show=False),
    Binding("alt+g", "do('find_next')", "Find the next one", id="editor.find_next", show=False),
    Binding("alt+e", "do('replace_all')", "Replace everywhere", id="editor.replace", show=False),
    Binding("alt+up", "do('move_up')", "Move the line up", id="editor.move_up", show=False),
    Binding("alt+down", "do('move_down')", "Move the line down", id="editor.move_down", show=False),
]


def _find(text: str, needle: str, start: int) -> int:
    """Where it is; a needle without capitals is found in whatever case."""
    return text.lower().find(needle, start) if needle == needle.lower() else text.find(needle, start)


class EditorActions:
    """Belongs to one editor. Each is one step of undo; what needs a Dockerfile that parses says where it does not."""

    def __init__(self, editor: DockerfileEditor) -> None:
        self.editor = editor
        self._came_from: list[tuple[int, int]] = []
        self._walking = False
        self._needle = ""

    # -- help

    def help(self, location: tuple[int, int], at: Offset) -> bool:
        """Shows help for the word at that row and column, beside that cell of the screen; False where there is none."""
        editor = self.editor
        found = None
        if editor.language_name == "dockerfile":
            found = help_at(editor.text, location[0] + 1, location[1] + 1)
        if editor.help_box is None or found is None:
            return False
        editor.help_box.say(found.syntax, found.text, at, editor.screen.size)
        return True

    def context_help(self) -> None:
        """The same for the cursor's place."""
        if not self.help(self.editor.cursor_location, Offset(*self.editor.cursor_screen_offset)):
            self.editor.notify("There is no help for this place.")

    # -- names

    def read(self) -> Dockerfile | None:
        """The text as a Dockerfile; where it is none, says so and answers None."""
        if self.editor.language_name != "dockerfile":
            self.editor.notify("This is no Dockerfile.")
            return None
        try:
            return parse(self.editor.text)
        except DockerfileError as error:
            self.editor.notify(f"{error.line}:{error.column}: {error.message}", title="First mend this", markup=False)
            return None

    async def outline(self) -> None:
        from workbench.tui.screens.picker import Picker

        if self.editor.language_name != "dockerfile":
            return
        text = self.editor.text
        try:
            entries = outline(parse(text))
        except DockerfileError:
            entries = rough_outline(text)
        line = self.editor.cursor_location[0] + 1
        above = [at for at, it in enumerate(entries) if it.line <= line]
        labels = [f"{'  ' * it.level}{it.line:>4}  {it.kind:8}  {it.text}" for it in entries]
        picker = Picker("Stages and arguments", labels, chosen=above[-1] if above else 0)
        chosen = await self.editor.app.push_screen_wait(picker)
        if chosen is not None:
            self.go(entries[chosen].line, 1)

    def go(self, line: int, column: int) -> None:
        """There, and `back` leads here again."""
        self._came_from.append(self.editor.cursor_location)
        self.editor.go_to(line, column)

    def back(self) -> None:
        if self._came_from:
            row, column = self._came_from.pop()
            self.editor.go_to(row + 1, column + 1)

    def go_to_name(self) -> None:
        """From a use to where the name is given; from there to the uses, one after the other."""
        symbol = self._symbol()
        if symbol is None:
            return
        row, column = self.editor.cursor_location
        here = next(
            at for at, it in enumerate(symbol.places)
            if it.start_line == row + 1 and it.start_column <= column + 1 <= it.end_column
        )  # fmt: skip
        given = symbol.places.index(symbol.given)
        target = symbol.places[(here + 1) % len(symbol.places)] if here == given or self._walking else symbol.given
        self._walking = here == given or self._walking
        self.go(target.start_line, target.start_column)

    def stop_walking(self) -> None:
        """Another key was pressed: the next `go_to_name` begins anew."""
        self._walking = False

    def _symbol(self) -> Symbol | None:
        dockerfile = self.read()
        if dockerfile is None:
            return None
        row, column = self.editor.cursor_location
        symbol = symbol_at(dockerfile, row + 1, column + 1)
        if symbol is None:
            self.editor.notify("The cursor is on no stage or variable that this file names.")
        return symbol

    async def rename(self) -> None:
        from workbench.tui.screens.dialogs import PromptDialog

        symbol, dockerfile = self._symbol(), self.read()
        if symbol is None or dockerfile is None:
            return
        count = len(symbol.places)
        title = f"Rename the {symbol.kind} {symbol.name} in {count} place{'s' if count != 1 else ''}"
        prompt = PromptDialog(title, symbol.name, "the new name", lambda it: rename_complaint(dockerfile, symbol, it))
        text = self.editor.text
        name = await self.editor.app.push_screen_wait(prompt)
        if name and self.editor.text == text:
            self.editor.change_to(apply(text, rename(dockerfile, symbol, name)))

    # -- text

    def layout(self) -> None:
        from workbench.dockerfile.layout import layout

        if self.read() is not None and not self.editor.read_only:
            self.editor.change_to(layout(self.editor.text))

    def fix_all(self) -> None:
        if self.read() is None or self.editor.read_only:
            return
        text, settled = fix_all(self.editor.text, lambda it: check(parse(it)))
        self.editor.change_to(text)
        self.editor.notify(f"Fixed: {', '.join(sorted({it.code for it in settled})) or 'nothing'}", markup=False)

    def next_finding(self) -> None:
        line = self.editor.cursor_location[0] + 1
        lines = sorted(self.editor.found)
        if lines:
            target = next((it for it in lines if it > line), lines[0])
            self.go(target, self.editor.found[target][0].range.start_column)

    async def find(self) -> None:
        """Asks for a text, and goes to the next place of it; small letters find capitals, too."""
        needle = await self._ask_for("Find", self._needle or self.editor.selected_text, self._not_here)
        if needle:
            self._needle = needle
            self.find_next()

    def find_next(self) -> None:
        editor = self.editor
        lines = editor.text.splitlines()
        row, column = editor.selection.end
        order = [*range(row, len(lines)), *range(min(row + 1, len(lines)))] if self._needle else []
        for turn, at in enumerate(order):
            found = _find(lines[at], self._needle, column if turn == 0 else 0)
            if found >= 0:
                editor.selection = Selection((at, found), (at, found + len(self._needle)))
                editor.scroll_cursor_visible(center=True)
                return
        editor.notify("Nothing to be found. ctrl+f finds." if not self._needle else "It is not there any more.")

    async def replace_all(self) -> None:
        needle = await self._ask_for("Replace everywhere", self._needle or self.editor.selected_text, self._not_here)
        if not needle:
            return
        self._needle = needle
        text = self.editor.text
        count = text.count(needle)
        if not count:  # found in another case only
            self.editor.notify(f"{needle} is not there in this case.", markup=False)
            return
        new = await self._ask_for(f"Replace {needle} in {count} place{'s' if count != 1 else ''} by", "", lambda _: "")
        if new is not None and text == self.editor.text and not self.editor.read_only:
            self.editor.change_to(text.replace(needle, new))

    def _not_here(self, needle: str) -> str:
        return "" if _find(self.editor.text, needle, 0) >= 0 else "it is not in this file"

    async def _ask_for(self, title: str, value: str, complaint: Callable[[str], str]) -> str | None:
        from workbench.tui.screens.dialogs import PromptDialog

        prompt = PromptDialog(title, value.partition("\n")[0], "text", complaint)
        return await self.editor.app.push_screen_wait(prompt)

    def comment(self) -> None:
        if self.editor.language_name == "text":
            return
        first, last = self._lines()
        self._apply(toggle_comment(self.editor.text.replace("\r\n", "\n"), first, last))

    def move_up(self) -> None:
        self._move(-1)

    def move_down(self) -> None:
        self._move(1)

    def _move(self, step: int) -> None:
        first, last = self._lines()
        edit = move_lines(self.editor.text.replace("\r\n", "\n"), first, last, step)
        if edit is None:
            return
        start, end = self.editor.selection
        self._apply(edit)
        self.editor.selection = Selection((start[0] + step, start[1]), (end[0] + step, end[1]))

    def _lines(self) -> tuple[int, int]:
        """The lines of the selection, from 1; one that ends before the first character of a line leaves that out."""
        start, end = sorted(self.editor.selection)
        last = end[0] - (end[1] == 0 and end[0] > start[0])
        return start[0] + 1, last + 1

    def _apply(self, edit: Edit) -> None:
        if not self.editor.read_only:
            text = apply_edits(self.editor.text.replace("\r\n", "\n"), [edit])
            self.editor.change_to(text.replace("\n", self.editor.document.newline))
