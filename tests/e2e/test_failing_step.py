"""A step is broken, seen, mended and built, in a real terminal: it leads to its line and shows its last words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import NewTerminal
from tests.e2e.workbench_session import Session

WORKBENCH = str(Path(sys.executable).with_name("workbench"))
BROKEN = 'RUN ["/bin/busybox", "sh", "-c", "echo the last words; exit 7"]'


@pytest.mark.slow
@pytest.mark.parametrize("size", [(140, 45), (80, 24)], ids=["140x45", "80x24"])
@pytest.mark.parametrize("kind", ["embedded", "docker", "buildkit"])
def test_fix_a_failing_step(
    kind: str, size: tuple[int, int], genesis: Path, new_terminal: NewTerminal, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    context = genesis.rename(genesis.with_name(f"wb-mend-{os.getpid()}"))
    dockerfile = context / "Dockerfile"
    dockerfile.write_text(f"{dockerfile.read_text()}LABEL after=it\n")
    lines = dockerfile.read_text().splitlines()
    engine = ["--engine", "embedded", "--root", str(tmp_path / "store")]
    if kind != "embedded":
        request.getfixturevalue("clean_docker")
        engine = ["--engine", kind]
    terminal = new_terminal(*size)
    session = Session(terminal, *engine, str(context), cwd=context.parent)
    session.until_built()

    session.edit()
    terminal.keys("up")
    terminal.type(BROKEN)
    terminal.keys("enter")
    terminal.wait_for_title("unsaved")
    session.save()
    terminal.wait_for_title("r2 failed", "saved r2")
    terminal.keys("ctrl+home")
    session.go_to("build")
    terminal.wait_for("the last words")
    terminal.wait_for(lambda screen: "exited 7" in screen or "code: 7" in screen or "exit 7" in screen)
    terminal.keys("enter")  # on the failed step: to its line
    terminal.wait_for(lambda screen: "esc Leave" in screen.rstrip().rpartition("\n")[2])

    terminal.keys("end", *["backspace"] * len('exit 7"]'))
    terminal.type('true"]')
    terminal.wait_for_title("unsaved")
    session.save()
    session.until_built()
    mended = BROKEN.replace("exit 7", "true")
    assert dockerfile.read_text().splitlines() == [*lines[:-1], mended, lines[-1]]
    listing = subprocess.run(
        [WORKBENCH, "images", *engine, "-q", context.name], capture_output=True, text=True, check=True
    )
    assert listing.stdout.strip()
    terminal.keys("ctrl+q")
    terminal.assert_clean()
    subprocess.run([WORKBENCH, "rmi", *engine, context.name], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["embedded", "docker", "buildkit"])
def test_a_failure_puts_the_cursor_on_its_line(
    kind: str, genesis: Path, new_terminal: NewTerminal, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Saved by another program, while the editor has not been touched: what is typed next is typed at the failure."""
    context = genesis.rename(genesis.with_name(f"wb-lead-{os.getpid()}"))
    dockerfile = context / "Dockerfile"
    good = dockerfile.read_text()
    engine = ["--engine", "embedded", "--root", str(tmp_path / "store")]
    if kind != "embedded":
        request.getfixturevalue("clean_docker")
        engine = ["--engine", kind]
    terminal = new_terminal()
    session = Session(terminal, *engine, str(context), cwd=context.parent)
    session.until_built()
    session.go_to("editor")
    dockerfile.write_text(f"{good}{BROKEN}\nLABEL after=it\n")
    terminal.wait_for_title("r2 failed", "saved r2")
    terminal.wait_for("the last words")
    terminal.type("# ")
    session.revision = 2
    session.save()
    session.until_built()
    assert dockerfile.read_text() == f"{good}# {BROKEN}\nLABEL after=it\n"
    terminal.keys("ctrl+q")
    terminal.assert_clean()
    subprocess.run([WORKBENCH, "rmi", *engine, context.name], check=True)
