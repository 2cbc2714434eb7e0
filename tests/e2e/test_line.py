"""The line to the workbench drops, or two of them look at one context: the build is one, and goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import NewTerminal
from tests.e2e.terminal import Terminal
from tests.e2e.test_journey import engine, open_workbench, quit_from
from tests.e2e.workbench_session import mounts_naming, processes_naming, until
from tests.engines.owner.display import owners_of

__all__ = ["engine"]

LONG = f"6{os.getpid():07}"
"""Seconds that an endless step sleeps: a number that no other process has on its command line."""


@pytest.fixture
def context(genesis: Path) -> Iterator[Path]:
    """A copy of genesis under a name that no image of this machine has; when the test is over, nothing owns it."""
    folder = genesis.rename(genesis.with_name(f"wb-line-{os.getpid()}"))
    try:
        yield folder
        until(lambda: not owners_of(folder), "the owner is still there")
    finally:
        for process in owners_of(folder):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def add_step(context: Path, script: str) -> None:
    dockerfile = context / "Dockerfile"
    dockerfile.write_text(f'{dockerfile.read_text()}RUN ["/bin/busybox", "sh", "-c", "{script}"]\n')


def drop(terminal: Terminal, pid: int) -> None:
    """The terminal goes away under the workbench, as when the line drops."""
    terminal.close()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the workbench outlived its terminal")


@pytest.mark.slow
def test_drop_the_terminal_in_mid_build_and_come_back(
    engine: list[str], context: Path, new_terminal: NewTerminal
) -> None:
    add_step(context, f"echo fir''st; sleep 5; echo sec''ond # {time.time_ns()}")
    terminal = new_terminal()
    session = open_workbench(terminal, engine, context)
    terminal.wait_for("first")
    drop(terminal, session.pid)
    assert len(owners_of(context)) == 1, "nobody goes on with the build"
    back = new_terminal(80, 24)
    session = open_workbench(back, engine, context)
    session.go_to("build")
    back.wait_for("first")
    back.wait_for("second")
    session.until_built()
    quit_from(back)


@pytest.mark.slow
def test_left_running_on_purpose(engine: list[str], context: Path, new_terminal: NewTerminal) -> None:
    add_step(context, f"echo rea''dy; sleep {LONG}")
    terminal = new_terminal()
    open_workbench(terminal, engine, context)
    terminal.wait_for("ready")
    terminal.keys("ctrl+q")
    terminal.wait_for("is running")
    terminal.click("Leave it running")
    terminal.assert_clean()
    assert processes_naming(f"sleep {LONG}")
    open_workbench(terminal, engine, context)
    terminal.wait_for_title("building r1")
    terminal.wait_for("ready")
    terminal.keys("ctrl+q")
    terminal.wait_for("is running")
    terminal.click("Quit and cancel it")
    terminal.assert_clean()
    until(lambda: not processes_naming(f"sleep {LONG}"), "the step is still running")


@pytest.mark.slow
def test_a_hangup_cancels_where_that_is_wanted(
    engine: list[str], context: Path, new_terminal: NewTerminal, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('on_disconnect = "cancel"\n')
    add_step(context, f"echo rea''dy; sleep {LONG}")
    terminal = new_terminal(WORKBENCH_CONFIG=str(settings))
    session = open_workbench(terminal, engine, context)
    terminal.wait_for("ready")
    drop(terminal, session.pid)
    until(lambda: not processes_naming(f"sleep {LONG}"), "the step is still running")


@pytest.mark.slow
def test_two_workbenches_on_one_context(engine: list[str], context: Path, new_terminal: NewTerminal) -> None:
    good = (context / "Dockerfile").read_text()
    add_step(context, f"echo rea''dy; sleep {LONG}")
    one, two = new_terminal(), new_terminal(100, 30)
    first, second = open_workbench(one, engine, context), open_workbench(two, engine, context)
    for terminal in (one, two):
        terminal.wait_for_title("building r1")
    second.go_to("build")
    for terminal in (one, two):
        terminal.wait_for("ready")
    two.keys("ctrl+x")
    for terminal in (one, two):
        terminal.wait_for_title("r1 cancelled")
    until(lambda: not processes_naming(f"sleep {LONG}"), "the step is still running")
    (context / "Dockerfile").write_text(good)
    first.revision = second.revision = 2
    first.until_built()
    second.until_built()
    quit_from(one)
    assert len(owners_of(context)) == 1
    (context / "Dockerfile").write_text(f"{good}LABEL more=1\n")
    second.revision = 3
    second.until_built()
    quit_from(two)


@pytest.mark.slow
def test_kill_9_of_all_leaves_nothing(
    engine: list[str], context: Path, new_terminal: NewTerminal, tmp_path: Path
) -> None:
    """Of the workbench alone: the build goes on. Of what runs it, too: nothing is left, and the next build works."""
    dockerfile = context / "Dockerfile"
    good = dockerfile.read_text()
    add_step(context, f"echo rea''dy; sleep {LONG}")
    terminal = new_terminal()
    session = open_workbench(terminal, engine, context)
    terminal.wait_for("ready")
    session.kill(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{session.pid}").exists(), "the workbench is still there")
    assert processes_naming(f"sleep {LONG}")
    os.kill(owners_of(context)[0], signal.SIGKILL)
    if "embedded" in engine:
        until(lambda: not processes_naming(f"sleep {LONG}"), "the step outlived its owner")
        assert mounts_naming(str(tmp_path)) == []
    dockerfile.write_text(good)
    back = new_terminal()
    session = open_workbench(back, engine, context)
    session.revision = 2  # the journal has r1, and it was saved since
    session.until_built()
    quit_from(back)


@pytest.mark.slow
def test_a_killed_owner_is_said_within_two_seconds(engine: list[str], context: Path, new_terminal: NewTerminal) -> None:
    good = (context / "Dockerfile").read_text()
    add_step(context, f"echo rea''dy; sleep {LONG}")
    terminal = new_terminal()
    session = open_workbench(terminal, engine, context)
    terminal.wait_for("ready")
    os.kill(owners_of(context)[0], signal.SIGKILL)
    terminal.wait_for("the process that ran the build", timeout=2)
    terminal.wait_for_title("r1 failed")
    (context / "Dockerfile").write_text(good)
    session.revision = 2
    session.until_built()
    quit_from(terminal)
