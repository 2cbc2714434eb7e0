"""The log of a RUN that prints 1,000,000 lines: ours beside the docker command of the same engine, under both builders.

Goal: the log arrives whole where the engine does not clip it, at no less than half the rate of `docker build --progress
plain`. BuildKit clips by size and by speed: there ours must get at least as many lines, give or take the clipping.
Run it: python tests/bench/log.py [CLASSIC [SUITE]]   (an engine's socket for classic; the suite that
engines/start-docker-next unpacked, for BuildKit)
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.table import Row, print_table

LABEL = "workbench-bench-log"
LINES = 1_000_000
ROUNDS = 3
_LINE = re.compile(rb"(?:#\d+ [\d.]+ )?line of the log (\d+)\r?")

Result = tuple[float, int]
"""Seconds, and lines of the log that arrived."""


def run(words: list[str], folder: Path, environment: dict[str, str]) -> Result:
    """One build, whose log is read as it comes; never from the cache."""
    (folder / "Dockerfile").write_text(
        f"FROM busybox\nLABEL bench={LABEL}\nRUN : {uuid.uuid4().hex}; seq {LINES} | sed 's/^/line of the log /'\n"
    )
    start, count = time.perf_counter(), 0
    with subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            count += _LINE.fullmatch(line.rstrip(b"\n")) is not None
    assert process.returncode == 0, words
    return time.perf_counter() - start, count


def compare(name: str, ours: list[str], theirs: list[str], folder: Path, environment: dict[str, str]) -> None:
    pairs = [(run(ours, folder, environment), run(theirs, folder, environment)) for _ in range(ROUNDS)]
    our_lines, their_lines = (min(pair[side][1] for pair in pairs) for side in (0, 1))
    rates = [statistics.median(pair[side][0] / max(1, pair[side][1]) * LINES for pair in pairs) for side in (0, 1)]
    print_table(f"{name}: {LINES:,} lines, time for as many", [Row("a million lines", rates[0], rates[1], 2.0)])
    print(f"  lines that arrived: ours {our_lines:,}, theirs {their_lines:,}")
    left = ["docker", "image", "prune", "-f", "--filter", f"label=bench={LABEL}"]
    subprocess.run(left, env=environment, check=False, capture_output=True)


def main() -> None:
    classic = sys.argv[1] if len(sys.argv) > 1 else "unix:///var/run/docker.sock"
    unpacked = Path(tempfile.gettempdir()) / f"docker-{sys.argv[2] if len(sys.argv) > 2 else 'sid'}"
    buildkit = f"unix://{unpacked}/run/docker.sock"
    workbench = [sys.executable, "-m", "workbench", "build", "--progress", "plain", "."]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as state:
        common = {**os.environ, "XDG_STATE_HOME": state}
        ours = [*workbench, "--engine", "docker", "-H", classic]
        theirs = ["docker", "build", "."]
        compare("classic", ours, theirs, Path(folder), common | {"DOCKER_HOST": classic, "DOCKER_BUILDKIT": "0"})
        ours = [*workbench, "--engine", "buildkit", "-H", buildkit]
        theirs = [str(unpacked / "config/cli-plugins/docker-buildx"), "build", "--progress", "plain", "."]
        environment = {"DOCKER_HOST": buildkit, "DOCKER_CONFIG": str(unpacked / "config")}
        compare("BuildKit", ours, theirs, Path(folder), common | environment)


if __name__ == "__main__":
    main()
