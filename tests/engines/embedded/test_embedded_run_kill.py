"""A build that is killed at any moment leaves no process, and the next build works."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engines.bench import processes_with

MOMENTS = 25


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
def test_kill_nine_leaves_nothing(tmp_path: Path, conformance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("WORKBENCH_ENGINE", "embedded")
    command = [sys.executable, "-m", "workbench"]
    subprocess.run(
        [*command, "load", "-q", "-i", conformance / "bases" / "busybox.tar"], check=True, capture_output=True
    )
    chance = random.Random(7)
    for moment in range(MOMENTS):
        marker = f"5{os.getpid() % 10000:04d}{moment:02d}"
        (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN true\nRUN sleep {marker}\n")
        with subprocess.Popen(
            [*command, "build", "--no-cache", "--progress", "json", "--file", tmp_path / "Dockerfile", tmp_path],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        ) as build:  # fmt: skip
            assert build.stdout is not None
            for line in build.stdout:
                if '"StepStarted"' in line and marker in line:
                    break
            time.sleep(chance.uniform(0, 0.02))  # any moment of the start of a sandbox
            build.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 2
        while (left := processes_with(marker)) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                time.sleep(0.01)
        assert not left, f"moment {moment}"
    assert not [path for path in Path("/proc/self/mounts").read_text().splitlines() if str(tmp_path) in path]
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN true\n")
    done = subprocess.run([*command, "build", "-q", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scratch = list((tmp_path / "store" / "workbench" / "tmp").iterdir())
    assert scratch == []
