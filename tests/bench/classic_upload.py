"""The classic builder's context as a tar on its way: ours beside the docker command, 20,000 files, process starts
included. The Dockerfile copies one file, so that what the engine does with the others is only to unpack them.

Goal: at most 1.0. Run it: python tests/bench/classic_upload.py [HOST [FILES]]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.buildkit_sync import Context, cost_of, medians
from tests.bench.table import Row, keep_bytecode, print_table

LABEL = "workbench-bench-upload"
SIZE = 512
ROUNDS = 3


def main() -> None:
    keep_bytecode()
    host = sys.argv[1] if len(sys.argv) > 1 else "unix:///var/run/docker.sock"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    ours = [sys.executable, "-m", "workbench", "build", "-q", "--engine", "docker", "-H", host, "."]
    theirs = ["docker", "build", "-q", "."]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as state:
        environment = {**os.environ, "DOCKER_HOST": host, "DOCKER_BUILDKIT": "0", "XDG_STATE_HOME": state}
        context = Context(Path(folder), count, SIZE)
        (Path(folder) / "Dockerfile").write_text(f"FROM scratch\nLABEL bench={LABEL}\nCOPY src/7/file-7 /\n")
        costs = []
        for _ in range(ROUNDS + 1):
            context.touch()
            costs.append(tuple(cost_of(words, folder, environment) for words in (ours, theirs)))
        our, their = (medians([pair[side] for pair in costs]) for side in (0, 1))
        rows = [
            Row("tar and upload", our.wall, their.wall, 1.0),
            Row("processor's time of the client", our.cpu, their.cpu, 1.0),
        ]
        print_table(f"{count:,} files to the classic builder, docker build beside", rows)
        left = ["docker", "image", "prune", "-f", "--filter", f"label=bench={LABEL}"]
        subprocess.run(left, env=environment, check=False, capture_output=True)


if __name__ == "__main__":
    main()
