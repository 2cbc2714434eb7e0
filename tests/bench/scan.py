"""Scanning a context against `find -printf '%s %p\\n'` of the same folder: wall time, medians, and their ratio.

    python tests/bench/scan.py [--files 1000 10000 100000] [--rounds 7] [--folder DIR]

The aim is a ratio of at most 4 for 100,000 files and 20 lines of `.dockerignore`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from workbench.context.ignore import IgnoreRules
from workbench.context.scan import scan

RULES = """\
# twenty lines, as projects have them
.git
**/node_modules
**/__pycache__
**/*.pyc
**/.DS_Store
*.md
!README.md
docs/**
build
dist
.venv
**/*.log
**/.env*
tests/fixtures/large
coverage
*.tmp
**/*~
d00?/f*9.bin
!d001/f999.bin
secrets/[a-z]*
"""
SUFFIXES = (".py", ".js", ".txt", ".pyc", ".log", ".json", ".bin", ".h", ".c", "")


def fill(folder: Path, files: int) -> None:
    """`files` empty files in folders of a thousand."""
    for number in range(files):
        if number % 1000 == 0:
            below = folder / f"d{number // 1000:03}"
            below.mkdir()
        (below / f"f{number % 1000}{SUFFIXES[number % len(SUFFIXES)]}").touch()


def seconds(work: Callable[[], object], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken


def find(folder: Path) -> None:
    subprocess.run(["find", folder, "-printf", "%s %p\\n"], stdout=subprocess.DEVNULL, check=True)


def measure(folder: Path, rounds: int) -> tuple[float, float, float, int]:
    """Medians of find, of a scan, of a scan whose every entry is looked at; and the files that are sent."""
    rules = IgnoreRules.parse(RULES)
    find(folder)
    found = scan(folder, rules)
    sent = found.sent_files
    del found
    times: list[list[float]] = [[], [], []]
    for _ in range(rounds):  # in turns, so that a noisy moment meets all of them
        times[0] += seconds(lambda: find(folder), 1)
        times[1] += seconds(lambda: scan(folder, rules).sent_bytes, 1)
        times[2] += seconds(lambda: [entry.sent for entry in scan(folder, rules).entries], 1)
    a, b, c = (statistics.median(each) for each in times)
    return a, b, c, sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where to make the files (default: the system's place)")
    options = parser.parse_args()
    print(f"{'files':>8} {'sent':>8} {'find':>9} {'scan':>9} {'ratio':>6} {'+entries':>9} {'ratio':>6}")
    for files in options.files:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            fill(Path(folder), files)
            base, bare, whole, sent = measure(Path(folder), options.rounds)
        print(
            f"{files:>8} {sent:>8} {base * 1000:>6.1f} ms {bare * 1000:>6.1f} ms {bare / base:>6.2f} "
            f"{whole * 1000:>6.1f} ms {whole / base:>6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
