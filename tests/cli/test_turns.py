"""A headless build and a workbench that builds the same context: one after the other."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.build.turns import WAITING, Turn


def start(context: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "workbench", "build", "--engine", "embedded", "--root", f"{context}.store"]
    return subprocess.Popen(
        [*command, *words, "-q", str(context)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    return folder


def test_a_headless_build_waits_for_a_workbench(context: Path) -> None:
    turn = Turn(context)
    assert turn.take(alone=True)
    build = start(context)
    assert build.stderr is not None and WAITING in build.stderr.readline()
    turn.end()
    out, err = build.communicate(timeout=30)
    assert build.returncode == 0 and out.startswith("sha256:"), err


def test_what_waits_can_be_interrupted(context: Path) -> None:
    turn = Turn(context)
    assert turn.take(alone=True)
    build = start(context)
    assert build.stderr is not None and WAITING in build.stderr.readline()
    build.send_signal(signal.SIGINT)
    build.communicate(timeout=30)
    assert build.returncode == 130
    turn.end()


def test_headless_builds_do_not_wait_for_each_other(context: Path) -> None:
    turn = Turn(context)
    assert turn.take(alone=False)
    build = start(context)
    _, err = build.communicate(timeout=30)
    assert build.returncode == 0 and err == ""
    turn.end()
