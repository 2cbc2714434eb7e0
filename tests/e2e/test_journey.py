"""A whole journey in a real terminal: open a sample, edit, save, see it rebuilt, break, mend, delete the image."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.e2e.conftest import NewTerminal
from tests.e2e.terminal import Terminal
from tests.e2e.workbench_session import Session, until

WORKBENCH = str(Path(sys.executable).with_name("workbench"))
LONG = f"5{os.getpid():07}"
SIZES = [pytest.param((140, 45), id="140x45"), pytest.param((80, 24), id="80x24", marks=pytest.mark.slow)]


@pytest.fixture(params=["embedded", pytest.param("docker", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The flags of each engine. Docker is shared: the image's name is the context's, which is the test's own."""
    if request.param == "docker":
        request.getfixturevalue("clean_docker")
        return ["--engine", "docker"]
    return ["--engine", "embedded", "--root", str(tmp_path / "store")]


@pytest.fixture
def context(genesis: Path) -> Path:
    """A copy of genesis in a folder whose name no image of this machine has."""
    return genesis.rename(genesis.with_name(f"wb-e2e-{os.getpid()}"))


def open_workbench(terminal: Terminal, engine: list[str], context: Path) -> Session:
    session = Session(terminal, *engine, str(context), cwd=context.parent)
    terminal.wait_for_title(engine[1], "watching")
    return session


def images_named(engine: list[str], name: str) -> str:
    listing = subprocess.run([WORKBENCH, "images", *engine, "-q", name], capture_output=True, text=True, check=True)
    return listing.stdout.strip()


def quit_from(terminal: Terminal) -> None:
    terminal.keys("ctrl+q")
    terminal.assert_clean()


@pytest.mark.parametrize("size", SIZES)
def test_edit_save_break_mend_delete(
    engine: list[str], context: Path, new_terminal: NewTerminal, size: tuple[int, int]
) -> None:
    terminal = new_terminal(*size)
    session = open_workbench(terminal, engine, context)
    session.until_built()
    dockerfile = context / "Dockerfile"
    good = dockerfile.read_text()

    session.add_line("LABEL journey=one")
    terminal.wait_for_title("unsaved")
    session.save()
    session.until_built()
    assert dockerfile.read_text() == f"{good}LABEL journey=one\n"
    session.go_to("build")
    terminal.wait_for("LABEL journey=one")

    session.add_line("RNU true")
    session.save()
    terminal.wait_for("unknown instruction")
    terminal.wait_for_title("r3 failed", "saved r3")

    session.edit()
    terminal.keys(*["backspace"] * len("RNU true\n"))
    session.save()
    session.until_built()
    assert dockerfile.read_text() == f"{good}LABEL journey=one\n"

    assert images_named(engine, context.name)
    session.go_to("images")
    terminal.keys("/")
    terminal.wait_for("/▏")
    terminal.type(context.name)
    terminal.keys("enter")
    terminal.wait_for(lambda screen: "/▏" not in screen)
    terminal.keys("d")
    terminal.wait_for(f"Delete {context.name}:latest?")
    terminal.wait_for("taken back for 30 minutes")
    terminal.keys("d")
    until(lambda: not images_named(engine, context.name), "the image is not deleted")
    terminal.wait_for("in the trash")
    terminal.keys("u")
    until(lambda: images_named(engine, context.name), "the image is not taken back")
    quit_from(terminal)
    subprocess.run([WORKBENCH, "rmi", *engine, context.name], check=True)


@pytest.mark.slow
def test_the_demo_opens_built(new_terminal: NewTerminal, tmp_path: Path, static_busybox: Path) -> None:
    """`workbench demo genesis` where no Docker answers: the sample, built, its image in the images panel."""
    terminal = new_terminal(DOCKER_HOST=f"unix://{tmp_path}/no.sock", WORKBENCH_ROOT=str(tmp_path / "store"))
    session = Session(terminal, "demo", "genesis", cwd=tmp_path)
    terminal.wait_for_title("embedded", "workbench-genesis")
    session.until_built()
    terminal.wait_for(lambda screen: any("genesis" in row and "latest" in row for row in screen.split("\n")))
    quit_from(terminal)
    assert (tmp_path / "workbench-genesis" / "busybox.tar.xz").is_file()
    source = REPOSITORY / "sample_contexts" / "genesis" / "Dockerfile"
    assert (tmp_path / "workbench-genesis" / "Dockerfile").read_text() == source.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_gives_the_terminal_back_and_keeps_the_text(
    context: Path, engine: list[str], new_terminal: NewTerminal, number: signal.Signals
) -> None:
    dockerfile = context / "Dockerfile"
    good = dockerfile.read_text()
    terminal = new_terminal()
    session = open_workbench(terminal, engine, context)
    session.until_built()
    session.add_line("LABEL not=saved")
    terminal.wait_for_title("unsaved")
    session.kill(number)
    terminal.assert_clean()
    assert dockerfile.read_text() == good
    open_workbench(terminal, engine, context)
    terminal.wait_for("Unsaved text was found")
    terminal.click("Restore")
    terminal.wait_for_title("unsaved")
    terminal.wait_for("LABEL not=saved")
    terminal.keys("ctrl+s")
    until(lambda: dockerfile.read_text() == f"{good}LABEL not=saved\n", "the restored text was not saved")
    terminal.wait_for_title("built r2", "saved r2")
    quit_from(terminal)


@pytest.mark.slow
def test_text_survives_kill_9(context: Path, engine: list[str], new_terminal: NewTerminal) -> None:
    terminal = new_terminal()
    session = open_workbench(terminal, engine, context)
    session.until_built()
    session.add_line("LABEL not=saved")
    state = Path(os.environ["XDG_STATE_HOME"]) / "workbench" / "recovery"
    until(lambda: state.is_dir() and any("not=saved" in it.read_text() for it in state.glob("*.json")), "not put aside")
    session.kill(signal.SIGKILL)
    again = new_terminal()
    restarted = open_workbench(again, engine, context)
    again.wait_for("Unsaved text was found")
    again.click("Discard")
    again.wait_for(lambda screen: "Unsaved text was found" not in screen and "LABEL not=saved" not in screen)
    until(lambda: not list(state.glob("*.json")), "the recovery file was not taken away")
    restarted.until_built()
    quit_from(again)


@pytest.mark.slow
def test_a_change_by_another_program_rebuilds(context: Path, engine: list[str], new_terminal: NewTerminal) -> None:
    """A save by rename of a file that is sent, and of one that is ignored."""
    (context / ".dockerignore").write_text("*.log\n")
    dockerfile = context / "Dockerfile"
    dockerfile.write_text(f"{dockerfile.read_text()}COPY . /app\n")
    terminal = new_terminal()
    session = open_workbench(terminal, engine, context)
    session.until_built()
    (context / "noise.log").write_text("ignored")
    shutil.copy(context / "noise.log", context / "app.py")
    session.revision += 1
    session.until_built()
    quit_from(terminal)
