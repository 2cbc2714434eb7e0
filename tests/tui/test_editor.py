"""The editor alone: colours, diagnostics, marks, keys that belong to others."""

from __future__ import annotations

from textual import events
from textual.app import App, ComposeResult

from workbench.tui.diagnose import diagnose
from workbench.tui.widgets.editor import DockerfileEditor
from workbench.tui.widgets.marks import Mark

TEXT = 'FROM scratch\nLABEL who="me"\nRUN echo [red]hi[/red]\n'


class Host(App[None]):
    def __init__(self, text: str = TEXT) -> None:
        super().__init__()
        self.text = text
        self.left = 0

    def compose(self) -> ComposeResult:
        yield DockerfileEditor(self.text)

    def on_dockerfile_editor_left(self) -> None:
        self.left += 1


def rows(editor: DockerfileEditor) -> list[str]:
    return [editor.render_line(y).text for y in range(editor.size.height)]


async def test_a_line_shows_its_mark_its_number_and_its_text_as_it_is() -> None:
    app = Host()
    async with app.run_test(size=(70, 10)):
        editor = app.query_one(DockerfileEditor)
        editor.show_marks({1: Mark("cached", "✔", "cached"), 3: Mark("running", "●", "1.2s")})
        shown = rows(editor)
        assert shown[0].split() == ["✔", "cached", "1", "FROM", "scratch"]
        assert shown[1].split()[0] == "2"
        assert shown[2].rstrip().endswith("RUN echo [red]hi[/red]")
        assert shown[2].startswith("● 1.2s")


async def test_keywords_have_the_colour_of_their_kind() -> None:
    app = Host()
    async with app.run_test(size=(70, 10)):
        editor = app.query_one(DockerfileEditor)
        line = editor.get_line(0)
        style = editor.get_component_rich_style("editor--keyword", partial=True)
        assert any(span.style == style and (span.start, span.end) == (0, 4) for span in line.spans)


async def test_a_broken_line_says_what_is_wrong_behind_its_end() -> None:
    text = "FROM scratch\nFORM x\n"
    app = Host(text)
    async with app.run_test(size=(100, 10)):
        editor = app.query_one(DockerfileEditor)
        found = diagnose(text)
        editor.show_diagnostics(found)
        assert [it.range.start_line for it in found] == [2]
        assert "← unknown instruction: FORM" in rows(editor)[1]
        assert "←" not in rows(editor)[0]


async def test_tab_indents_escape_leaves_and_the_prefixes_of_tmux_and_screen_are_free() -> None:
    app = Host("x")
    async with app.run_test(size=(70, 10)) as pilot:
        editor = app.query_one(DockerfileEditor)
        editor.focus()
        await pilot.press("tab")
        assert editor.text.strip() == "x" and len(editor.text) > 1
        await pilot.press("escape")
        assert app.left == 1
        taken = editor._bindings.key_to_bindings
        assert not {"ctrl+a", "ctrl+b", "f6", "f7"} & set(taken)


async def test_keys_with_alt_write_nothing() -> None:
    app = Host("x")
    async with app.run_test(size=(70, 10)) as pilot:
        app.query_one(DockerfileEditor).focus()
        await pilot.press("alt+1", "alt+4")
        assert app.query_one(DockerfileEditor).text == "x"


async def test_going_to_a_line_beyond_the_end_stops_at_the_end() -> None:
    app = Host()
    async with app.run_test(size=(70, 10)):
        editor = app.query_one(DockerfileEditor)
        editor.go_to(3)
        assert editor.cursor_location == (2, 0)
        editor.go_to(99)
        assert editor.cursor_location[0] == editor.document.line_count - 1


def test_an_empty_text_and_a_good_one_have_nothing_to_be_said() -> None:
    assert diagnose("") == []
    assert diagnose("FROM scratch\n") == []


async def test_keys_that_arrive_at_once_take_effect_in_their_order() -> None:
    """As they do over a slow line, or when a macro types."""
    app = Host("FROM scratch\nCMD x\n")
    async with app.run_test() as pilot:
        typed = ["down", "end", "a", "backspace", "left", "b", "ctrl+home", "c", "ctrl+end", "d", "enter", "up", "e"]
        for key in typed:
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        editor = app.query_one(DockerfileEditor)
        assert editor.text == "cFROM scratch\nCMD bx\ned\n"
