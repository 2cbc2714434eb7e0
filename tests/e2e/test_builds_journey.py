"""Saves in mid-build and the way back to an earlier image, in a real terminal, on the embedded engine and on Docker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import NewTerminal
from tests.e2e.nasty import OURS
from tests.e2e.workbench_session import Session

WORKBENCH = str(Path(sys.executable).with_name("workbench"))
SLEEPY = f"""\
FROM scratch
{OURS}
ADD busybox.tar.xz /
COPY src /src
RUN sleep 3
"""


@pytest.fixture(params=["embedded", "docker"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    if request.param == "docker":
        request.getfixturevalue("clean_docker")
        return ["--engine", "docker"]
    return ["--engine", "embedded", "--root", str(tmp_path / "store")]


@pytest.fixture
def context(genesis: Path) -> Path:
    """What a step copies, what none does, and a step that takes its time."""
    context = genesis.rename(genesis.with_name(f"wb-e2e-{os.getpid()}-builds"))
    (context / "src").mkdir()
    (context / "src" / "a").write_text(f"{time.time_ns()}\n")  # no engine has the sleep of another try
    (context / "notes").write_text("none copies this\n")
    (context / "Dockerfile").write_text(SLEEPY)
    return context


def image_of(engine: list[str], name: str, env: dict[str, str]) -> str:
    shown = subprocess.run([WORKBENCH, "inspect", *engine, name], capture_output=True, text=True, check=True, env=env)
    return str(json.loads(shown.stdout)[0]["Id"])


@pytest.mark.slow
def test_saves_in_mid_build_and_the_way_back(engine: list[str], context: Path, new_terminal: NewTerminal) -> None:
    terminal = new_terminal(140, 45)
    session = Session(terminal, *engine, str(context), cwd=context.parent)
    env = {**os.environ, "HOME": str(context.parent)}
    terminal.wait_for_title("building r1 · saved r1")
    (context / "notes").write_text("still none\n")
    session.revision = 2
    terminal.wait_for_title("building r1 · saved r2")  # what no step takes lets the build go on
    session.until_built()
    first = image_of(engine, context.name, env)

    (context / "src" / "a").write_text("two\n")
    terminal.wait_for_title("building r3 · saved r3")
    (context / "src" / "a").write_text("three\n")
    session.revision = 4
    terminal.wait_for_title("building r4 · saved r4")  # what is copied cancels it
    session.until_built()
    second = image_of(engine, context.name, env)
    assert second != first

    terminal.keys("alt+5")
    terminal.wait_for(lambda screen: "Builds  3" in screen and "cancelled" not in screen.splitlines()[0])
    terminal.keys("G", "r")
    terminal.wait_for(lambda screen: "Rolled back to build 1" in screen)
    assert image_of(engine, context.name, env) == first
    terminal.keys("escape")
    back = subprocess.run(
        [WORKBENCH, "rollback", *engine, context.name, "3"], capture_output=True, text=True, check=True, env=env
    )
    assert back.stdout == f"{context.name}:latest: {first[7:19]} (build 1) -> {second[7:19]} (build 3)\n"
    assert image_of(engine, context.name, env) == second
    terminal.keys("ctrl+q")
    terminal.assert_clean()
