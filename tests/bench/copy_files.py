"""`COPY . /` of very many small files: the embedded engine against `docker build`, classic and BuildKit.

    python tests/bench/copy_files.py [--files 1000 10000 100000]

Files of 200 bytes, a thousand in a folder. Ours is the whole command, `workbench build`, with the most memory that its
process had. Goals, for 100,000 files: the first time at most 1/10 of classic and 1/1.5 of BuildKit, after one file
changed at most 1/20 and 1/2, and below 200 MB; for fewer, where most of the time is that of starting, to be no slower.
The cost is to grow with the number of files and no faster.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rivals import Rival, rivals
from table import Row, human_seconds, print_table, seconds_of

LABEL = "workbench-bench-copy-files"
MEMORY_MB = 200
MANY = 100_000
GOALS = {"classic": (1 / 10, 1 / 20), "BuildKit": (1 / 1.5, 1 / 2)}
"""The first time, and after one file changed."""


@dataclass(slots=True)
class Measured:
    """Of one number of files: seconds of each side by its name."""

    first: dict[str, float] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)
    again: float = 0
    """Ours, where nothing changed."""


def make_context(context: Path, files: int) -> None:
    for number in range(files):
        folder = context / f"d{number // 1000:03}"
        if number % 1000 == 0:
            folder.mkdir(parents=True)
        (folder / f"f{number % 1000:03}.txt").write_text(f"{number} ".ljust(200, "x"))
    (context / "Dockerfile").write_text(f"FROM scratch\nLABEL bench={LABEL}\nCOPY . /\n")


def change(context: Path) -> None:
    (context / "d000" / "f291.txt").write_text(f"{time.time_ns()} ".ljust(200, "y"))


def embedded(root: Path, context: Path) -> None:
    command = [sys.executable, "-m", "workbench", "build", "--engine", "embedded", "--root", root, "-q", context]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def peak_mb(root: Path, context: Path) -> float:
    """The most memory of a build, in MB: of a process whose only child it is."""
    code = "import resource, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import copy_files; "
    code += "copy_files.embedded(Path(sys.argv[2]), Path(sys.argv[3])); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    command = [sys.executable, "-c", code, Path(__file__).parent, root, context]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(context: Path, root: Path, others: list[Rival]) -> Measured:
    """Both sides in turns; what the context has is in the page cache, for it was just written."""
    it = Measured()
    for times, prepare in ((it.first, lambda: None), (it.changed, lambda: change(context))):
        prepare()
        times["ours"] = seconds_of(lambda: embedded(root, context))
        for side in others:
            times[side.name] = seconds_of(lambda side=side: side.build(context))  # type: ignore[misc]
    it.again = seconds_of(lambda: embedded(root, context))
    return it


def clean(rival: Rival) -> None:
    """Takes away every image that was built for this, the dangling ones too."""
    rival.clean()
    left = ["docker", "image", "prune", "-f", "--filter", f"label=bench={LABEL}"]
    subprocess.run(left, env=rival.environment, check=False, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--alone", action="store_true", help="measure nobody else")
    options = parser.parse_args()
    others = [] if options.alone else rivals()
    rows: list[Row] = []
    print(f"{'files':>8} {'first':>10} {'changed':>10} {'the same':>10} {'us a file':>10} {'peak':>8}")
    try:
        for files in options.files:
            with tempfile.TemporaryDirectory() as folder:
                os.environ["XDG_STATE_HOME"] = str(Path(folder) / "state")
                context = Path(folder) / "context"
                make_context(context, files)
                it = measure(context, Path(folder) / "store", others)
                peak = max(peak_mb(Path(folder) / "cold", context), peak_mb(Path(folder) / "store", context))
            shown = " ".join(f"{human_seconds(each):>10}" for each in (it.first["ours"], it.changed["ours"], it.again))
            memory = "" if peak < MEMORY_MB else f"  NOT below {MEMORY_MB} MB"
            print(f"{files:>8} {shown} {it.first['ours'] / files * 1e6:>10.0f} {peak:>5.0f} MB{memory}", flush=True)
            for side in others:
                name = f"{files:,} files / {side.name}"
                goals = GOALS[side.name] if files >= MANY else (1, 1)
                rows.append(Row(f"{name}, first", it.first["ours"], it.first[side.name], goals[0]))
                rows.append(Row(f"{name}, changed", it.changed["ours"], it.changed[side.name], goals[1]))
    finally:
        for side in others:
            clean(side)
    if rows:
        print_table("COPY . / of files of 200 bytes", rows)


if __name__ == "__main__":
    main()
