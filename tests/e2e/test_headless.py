"""Headless builds as they end in the wild: killed, hung up, interrupted, and watched while a person edits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import OURS, NewTerminal
from tests.e2e.workbench_session import mounts_naming, processes_naming, until

pytestmark = pytest.mark.slow
WORKBENCH = str(Path(sys.executable).with_name("workbench"))
LONG = f"4{os.getpid():07}"
"""Seconds that the endless step sleeps: a number that no other process of this machine has on its command line."""


@pytest.fixture
def slow_context(genesis: Path) -> Path:
    """A context whose last step does not end."""
    dockerfile = genesis / "Dockerfile"
    dockerfile.write_text(f'FROM scratch\n{OURS}\nADD busybox.tar.xz /\nRUN ["/bin/busybox", "sleep", "{LONG}"]\n')
    return genesis


@pytest.fixture(params=["embedded", "docker"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The flags of each engine."""
    if request.param == "docker":
        request.getfixturevalue("clean_docker")
        return ["--engine", "docker"]
    return ["--engine", "embedded", "--root", str(tmp_path / "store")]


def start(engine: list[str], context: Path) -> subprocess.Popen[str]:
    """A build in a session of its own that has come to its endless step."""
    build = subprocess.Popen(
        [WORKBENCH, "build", *engine, "--tag", "workbench-e2e", "--progress", "plain", str(context)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    until(lambda: bool(processes_naming(f"sleep {LONG}")) or build.poll() is not None, "the step did not start")
    assert build.poll() is None, build.communicate()[0]
    return build


def assert_nothing_left(tmp_path: Path) -> None:
    until(lambda: not processes_naming(f"sleep {LONG}"), f"left running: {processes_naming(LONG)}")
    assert mounts_naming(str(tmp_path)) == []


def assert_next_build_works(engine: list[str], context: Path) -> None:
    dockerfile = context / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace(f'"sleep", "{LONG}"', '"true"'))
    command = [WORKBENCH, "build", *engine, "--tag", "workbench-e2e", "--progress", "plain", str(context)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successfully tagged workbench-e2e:latest" in done.stdout


def containers_of(image_step: str) -> str:
    """Containers of Docker whose command has the text, running or not."""
    listing = subprocess.run(
        ["docker", "ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Command}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line for line in listing.stdout.splitlines() if image_step in line)


def test_kill_9_leaves_nothing_and_the_next_build_works(engine: list[str], slow_context: Path, tmp_path: Path) -> None:
    build = start(engine, slow_context)
    build.kill()
    build.wait(10)
    assert_nothing_left(tmp_path)
    if "docker" in engine:
        until(lambda: not containers_of(LONG), "Docker keeps the container of a build that was killed")
    assert_next_build_works(engine, slow_context)
    if "embedded" in engine:
        scratch = [
            path for path in (tmp_path / "store").rglob("*") if path.is_dir() and path.name.startswith("scratch-")
        ]
        assert scratch == [], "swept by the next build"


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_a_signal_ends_the_build_cleanly(
    engine: list[str], slow_context: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    build = start(engine, slow_context)
    build.send_signal(number)
    output, _ = build.communicate(timeout=10)
    assert build.returncode == code, output
    assert "Traceback" not in output
    assert_nothing_left(tmp_path)
    if "docker" in engine:
        assert containers_of(LONG) == ""
    assert_next_build_works(engine, slow_context)


def test_watching_from_the_shell(engine: list[str], genesis: Path, new_terminal: NewTerminal) -> None:
    """`build --watch`: another program saves, the build follows; a broken Dockerfile is said, and the loop goes on."""
    dockerfile = genesis / "Dockerfile"
    terminal = new_terminal(100, 40)
    terminal.run(WORKBENCH, "build", *engine, "--tag", "workbench-e2e", "--watch", str(genesis), cwd=genesis)
    terminal.wait_for("Successfully tagged workbench-e2e:latest")
    good = dockerfile.read_text()
    dockerfile.write_text(f"{good}LABEL second=1\n")
    terminal.wait_for("revision 2")
    terminal.wait_for("LABEL second=1")
    dockerfile.write_text(f"{good}RNU true\n")
    line = len(good.splitlines()) + 1
    terminal.wait_for(f"Dockerfile:{line}:")
    new = genesis / "Dockerfile.new"
    new.write_text(f"{good}LABEL fourth=1\n")
    new.replace(dockerfile)
    terminal.wait_for("LABEL fourth=1")
    terminal.wait_for(lambda screen: screen.rstrip().endswith("Successfully tagged workbench-e2e:latest"))
    terminal.keys("ctrl+c")
    terminal.assert_clean()
