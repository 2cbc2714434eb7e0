"""The engine is killed while the workbench is open, and started again: no key is pressed for what happens then."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import NewTerminal
from tests.e2e.workbench_session import Session
from tests.engines.own_engine import OwnDocker

pytestmark = pytest.mark.slow


@pytest.fixture
def dockerd(conformance: Path) -> Iterator[OwnDocker]:
    engine = OwnDocker()
    try:
        engine.start()
        base = conformance / "bases" / "busybox.tar"
        subprocess.run(["docker", "-H", engine.host, "load", "-i", base], capture_output=True, check=True)
        yield engine
    finally:
        engine.stop()


@pytest.mark.parametrize("name", ["docker", "buildkit"])
def test_the_workbench_goes_on_when_its_engine_is_back(
    name: str, dockerd: OwnDocker, tmp_path: Path, new_terminal: NewTerminal
) -> None:
    context = tmp_path / "lab"
    context.mkdir()
    dockerfile = context / "Dockerfile"
    dockerfile.write_text("FROM busybox\nRUN echo one\n")
    terminal = new_terminal(140, 45)
    session = Session(terminal, "--engine", name, "-H", dockerd.host, str(context), cwd=tmp_path)
    session.until_built()
    terminal.wait_for_title(f"{name} 20.10.", "watching")
    terminal.wait_for(lambda screen: "busybox" in screen and "lab " in screen)

    killed = time.monotonic()
    dockerd.kill()
    terminal.wait_for_title(f"{name} 20.10.", "gives no answer")
    terminal.wait_for("Images  the engine gives no answer")
    assert time.monotonic() - killed < 3
    dockerfile.write_text("FROM busybox\nRUN echo two\n")
    terminal.wait_for_title("r2 failed", "saved r2")
    terminal.wait_for("not built: ")

    dockerd.start()
    began = time.monotonic()
    terminal.wait_for_title("built r2", "saved r2")
    screen = terminal.wait_for(lambda it: "gives no answer" not in it and "busybox" in it)
    assert time.monotonic() - began < 5, screen
    dockerfile.write_text("FROM busybox\nRUN echo three\n")
    terminal.wait_for_title("built r3", "saved r3")
    terminal.keys("ctrl+q")
    terminal.assert_clean()


def test_an_engine_that_is_killed_in_mid_build(dockerd: OwnDocker, tmp_path: Path, new_terminal: NewTerminal) -> None:
    context = tmp_path / "lab"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo $((6 * 7)) lines; sleep 3\n")
    terminal = new_terminal(140, 45)
    session = Session(terminal, "--engine", "buildkit", "-H", dockerd.host, str(context), cwd=tmp_path)
    terminal.wait_for_title("building r1")
    terminal.wait_for("42 lines")
    dockerd.kill()
    terminal.wait_for("went away")
    terminal.wait_for_title("gives no answer", "r1 failed")
    dockerd.start()
    session.until_built()
    terminal.keys("ctrl+q")
    terminal.assert_clean()
