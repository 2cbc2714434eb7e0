"""The configuration on the screen: keys mapped anew, warnings with their place, a theme that is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.stage import make_app, make_context, running, screen_text, until
from workbench.config import config_file, load_config
from workbench.tui.actions import actions, wrong_key


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return make_context(tmp_path / "context")


@pytest.mark.parametrize(
    "keys",
    ["ctrl+s", "f5,ctrl+r", "question_mark", "?", "+", "ctrl+@", "alt+full_stop", "ctrl+underscore", "slash", "G", "é"],
)
def test_keys_that_there_are(keys: str) -> None:
    assert wrong_key(keys) == ""


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [("ctrl+shfit+s", "ctrl+shfit+s"), ("f5,entr", "entr"), ("control+s", "control+s"), ("", "nothing"),
     ("f5,", "nothing")],
)  # fmt: skip
def test_keys_that_there_are_not(keys: str, wrong: str) -> None:
    assert wrong_key(keys) == wrong


@pytest.mark.slow
async def test_what_is_wrong_is_a_warning_and_the_rest_works(context: Path) -> None:
    file = config_file()
    file.parent.mkdir(parents=True)
    file.write_text(
        'them = "x"\ntheme = "nrod"\n[keys]\n"file.svae" = "f2"\n"build.cancel" = "ctrl+entr"\n"help" = "ctrl+g"\n'
    )
    app = make_app(context, watch=False, config=load_config())
    async with running(app, built=False) as pilot:
        said = {note.message for note in app._notifications}
        assert {
            f"{file}:1:1: there is no setting 'them'; did you mean 'theme'?",
            f"{file}:2:1: there is no theme 'nrod'; did you mean 'nord'?",
            f"{file}:4:1: no action is called 'file.svae'; did you mean 'file.save'?",
            f"{file}:5:1: no key is called 'ctrl+entr'; did you mean 'ctrl+enter'?",
        } <= said
        assert app.theme == "textual-dark"
        await pilot.press("ctrl+g")
        await until(pilot, lambda: len(app.screen_stack) == 2, "help by its new key")


@pytest.mark.slow
async def test_a_theme_that_is_chosen_is_kept(context: Path) -> None:
    file = config_file()
    file.parent.mkdir(parents=True)
    file.write_text('# mine\nquiet = 0.1\ntheme = "nord"\n')
    app = make_app(context, watch=False, config=load_config())
    async with running(app, built=False) as pilot:
        assert app.theme == "nord"
        assert "Theme" in {command.title for command in app.get_system_commands(app.screen)}
        app.search_themes()
        await until(pilot, lambda: len(app.screen_stack) == 2, "the list of themes")
        await pilot.press(*"gruvbox")
        await until(pilot, lambda: "gruvbox" in screen_text(app), "the theme in the list")
        await pilot.press("down", "enter")
        await until(pilot, lambda: file.read_text() == '# mine\nquiet = 0.1\ntheme = "gruvbox"\n', "kept")
    assert load_config().theme == "gruvbox"


def test_actions_have_names_keys_and_words() -> None:
    assert actions()["build.now"] == ("f5,ctrl+r", "Build") and len(actions()) > 80
