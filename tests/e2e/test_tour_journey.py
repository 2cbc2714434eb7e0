"""The tour as a person takes it, from `workbench --tour` to the shell, on each engine; nothing is left of it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import NewTerminal
from tests.e2e.terminal import Terminal
from tests.e2e.workbench_session import Session
from workbench.tui.tour import STEPS
from workbench.tui.touring import TAG

WORKBENCH = str(Path(sys.executable).with_name("workbench"))


@pytest.fixture(params=["embedded", pytest.param("docker", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The flags of each engine. Of the tour's images there is none before, and none after a test that failed: on an
    engine that several runs of the tests share, they take the tour one after the other."""
    if request.param == "embedded":
        yield ["--engine", "embedded", "--root", str(tmp_path / "store")]
        return
    flags = ["--engine", "docker", "-H", request.getfixturevalue("docker_host")]
    take_away = [WORKBENCH, "rmi", *flags, TAG]
    with (Path(tempfile.gettempdir()) / f"workbench-tests-tour-{os.geteuid()}").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        subprocess.run(take_away, capture_output=True, check=False)  # of a run that was killed: an engine outlives it
        yield flags
        subprocess.run(take_away, capture_output=True, check=False)


def told(*command: str) -> str:
    return subprocess.run([WORKBENCH, *command], capture_output=True, text=True, check=True).stdout


def at(terminal: Terminal, number: int) -> None:
    terminal.wait_for(f"Tour {number}/{len(STEPS)} · {STEPS[number - 1].title}", timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (140, 45)], ids=["80x24", "140x45"])
def test_the_tour_from_the_shell_and_back(
    engine: list[str], tmp_path: Path, new_terminal: NewTerminal, size: tuple[int, int]
) -> None:
    terminal = new_terminal(*size, TMPDIR=str(tmp_path))
    Session(terminal, "--tour", *engine, cwd=tmp_path)
    at(terminal, 1)
    terminal.keys("alt+1", "G")
    at(terminal, 2)
    terminal.wait_for_title("built r1")
    terminal.keys("alt+2", "ctrl+end", "up", "end", "backspace")
    terminal.type(', "-l"]')
    at(terminal, 3)
    terminal.keys("ctrl+s")
    at(terminal, 4)
    terminal.keys("alt+3")
    at(terminal, 5)
    terminal.keys("alt+4")
    terminal.wait_for(TAG)
    image = told("images", *engine, "-q", "--no-trunc", TAG)
    terminal.keys("i")
    terminal.wait_for("Configuration")  # the layers are below, where there is room for them
    terminal.keys("escape")
    at(terminal, 6)
    terminal.keys("d")
    terminal.wait_for(f"Delete {TAG}:latest?")
    terminal.keys("d")
    at(terminal, 7)
    terminal.keys("u")
    at(terminal, 8)
    terminal.keys("ctrl+q")
    terminal.assert_clean()
    assert not told("images", *engine, "-q", TAG) and TAG not in told("trash", *engine)
    left = told("images", *engine, "-a", "-q", "--no-trunc")
    assert image and image not in left, "its image is left, without a name"
    assert "docker" in engine or not left, "of another tour's or test's images there are none in this store"
    assert not list(tmp_path.glob("workbench-tour-*")), "a copy of the sample is left"
    state = Path(os.environ["XDG_STATE_HOME"]) / "workbench"
    assert {path.name for path in state.iterdir()} <= {"tour-offered", "turns"}, "records of the tour are left"
    assert told("builds", "--format", "json") == ""
