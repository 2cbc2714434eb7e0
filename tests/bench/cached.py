"""A build in which everything is cached: 30 steps and a context of 2,000 files, process start included on all sides.

Goals: under 1/5 of `docker build` with the classic builder, no slower than BuildKit (asked by buildx itself).
Run it: python tests/bench/cached.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rivals import BASE, TAG, among_rivals, make_base
from table import Row, medians_of, print_table

RUNS = 7
AS_INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed command has its modules' byte code, which the first build writes here."""
FILES = 2000
GOALS = {"classic": 1 / 5, "BuildKit": 1.0}


def make_context(folder: Path) -> Path:
    context = folder / "context"
    for number in range(FILES):
        place = context / f"src/d{number % 50}/file-{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(f"{number}".encode() * 50)
    steps = [f"FROM {BASE}", "WORKDIR /app", "COPY src /app/src"]
    for number in range(9):
        steps += [
            f"ENV A{number}={number}",
            f"RUN echo {number} > /file{number}",
            f"COPY src/d{number} /more/d{number}",
        ]
    (context / "Dockerfile").write_text("\n".join(steps) + "\n")
    return context


def main() -> None:
    """Prints the table."""
    with among_rivals() as (folder, others):
        archive, context = make_base(folder), make_context(folder)
        ours = [Path(sys.executable).with_name("workbench")]
        store = ["--engine", "embedded", "--root", str(folder / "store")]
        subprocess.run([*ours, "load", "-q", "-i", str(archive), *store], check=True, stdout=subprocess.DEVNULL)
        command = [*ours, "build", "-q", "-t", TAG, *store, str(context)]
        environment = {**AS_INSTALLED, "XDG_STATE_HOME": str(folder / "state")}  # not what other contexts left there
        rows = []
        for rival in others:
            rival.load(archive)
            times = medians_of(
                lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment),
                lambda rival=rival: rival.build(context),  # type: ignore[misc]
                RUNS,
            )
            rows.append(Row(f"30 steps, {FILES:,} files / {rival.name}", *times, GOALS[rival.name]))
        print_table("All cached", rows)


if __name__ == "__main__":
    main()
