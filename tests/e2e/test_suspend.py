"""`ctrl+z` and `fg` in a real terminal, and signals in mid-build: a clean terminal, and the build by its rule."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import NewTerminal
from tests.e2e.terminal import PROMPT, Terminal
from tests.e2e.test_journey import open_workbench, quit_from
from tests.e2e.test_line import add_step, context
from tests.e2e.workbench_session import processes_naming, until

__all__ = ["context"]

LONG = f"7{os.getpid():07}"
"""Seconds that an endless step sleeps: a number that no other process has on its command line."""

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(tmp_path: Path) -> list[str]:
    return ["--engine", "embedded", "--root", str(tmp_path / "store")]


def stopped(terminal: Terminal) -> None:
    """The shell is back, its terminal as it was."""
    terminal.wait_for(lambda screen: "Stopped" in screen and screen.rstrip().endswith(PROMPT))
    terminal.assert_clean()
    terminal.type("clear; stty -a")
    terminal.keys("enter")
    modes = terminal.wait_for("iexten").split()
    assert {"icanon", "echo", "isig", "icrnl", "ixon"} <= set(modes)


def continued(terminal: Terminal) -> None:
    terminal.type("fg")
    terminal.keys("enter")
    terminal.wait_for_title("watching")


def test_the_screen_goes_and_comes_back_whole(
    engine: list[str], context: Path, new_terminal: NewTerminal, tmp_path: Path
) -> None:
    terminal = new_terminal()
    session = open_workbench(terminal, engine, context)
    session.until_built()
    whole = ("Context", "FROM scratch", "ADD busybox", "Images  1", f"{context.name} ", "^p palette")
    terminal.wait_for(lambda screen: all(word in screen for word in whole))
    terminal.keys("ctrl+z")  # in the editor: nothing was edited
    stopped(terminal)
    continued(terminal)
    terminal.wait_for(lambda screen: all(word in screen for word in whole))
    assert terminal.mode("alternate_on") == "1" and terminal.mode("mouse_any_flag") == "1"

    session.add_line("LABEL more=1")
    terminal.wait_for_title("unsaved")
    for _ in range(3):
        terminal.keys("ctrl+z")  # edited: that is undo, also when nothing is left to undo
    terminal.wait_for(lambda screen: "LABEL more=1" not in screen)
    terminal.keys("alt+z")
    stopped(terminal)
    terminal.resize(80, 24)
    (context / "Dockerfile").write_text(f"{(context / 'Dockerfile').read_text()}LABEL other=1\n")
    continued(terminal)
    terminal.wait_for(lambda screen: "LABEL other=1" in screen and len(screen.rstrip("\n").splitlines()) == 24)
    session.revision = 2
    session.until_built()
    session.go_to("build")
    terminal.keys("ctrl+z")
    stopped(terminal)
    continued(terminal)
    quit_from(terminal)


def test_who_has_no_shell_behind_is_told(engine: list[str], context: Path, new_terminal: NewTerminal) -> None:
    terminal = new_terminal()
    terminal.type(f"cd {context.parent} && exec workbench {' '.join(engine)} {context}")
    terminal.keys("enter")
    terminal.wait_for_title("built r1", "saved r1")
    terminal.keys("ctrl+z")
    terminal.wait_for("No shell waits behind this screen")
    terminal.keys("f1")
    terminal.wait_for("Here: ")


def test_the_mouse_is_left_to_the_terminal_where_that_is_wanted(
    engine: list[str], context: Path, new_terminal: NewTerminal, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("mouse = false\n")
    terminal = new_terminal(WORKBENCH_CONFIG=str(settings))
    open_workbench(terminal, engine, context).until_built()
    assert terminal.mode("mouse_any_flag") == "0" and terminal.mode("alternate_on") == "1"
    quit_from(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("rule", ["continue", "cancel"])
def test_a_signal_in_mid_build(
    rule: str, number: signal.Signals, engine: list[str], context: Path, new_terminal: NewTerminal, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'on_disconnect = "{rule}"\n')
    add_step(context, f"echo rea''dy; sleep {LONG}")
    terminal = new_terminal(WORKBENCH_CONFIG=str(settings))
    session = open_workbench(terminal, engine, context)
    terminal.wait_for("ready")
    session.kill(number)
    terminal.assert_clean()
    if rule == "cancel":
        until(lambda: not processes_naming(f"sleep {LONG}"), "the step is still running")
        return
    assert processes_naming(f"sleep {LONG}")
    open_workbench(terminal, engine, context)
    terminal.wait_for_title("building r1")
    terminal.keys("ctrl+q")
    terminal.wait_for("is running")
    terminal.click("Quit and cancel it")
    terminal.assert_clean()
    until(lambda: not processes_naming(f"sleep {LONG}"), "the step is still running")
