"""Many seeds by hand: `python -m differential [--seeds 0-1000] [--weight RUN=5]`, in tests/engines/embedded."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from differential.case import Case
from differential.dockerfiles import WEIGHTS, generate
from differential.judge import Judge, comparable
from differential.shrink import shrink


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0-200")
    parser.add_argument("--weight", action="append", default=[], metavar="KEYWORD=NUMBER")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    weights = {**WEIGHTS, **{name: float(value) for name, _, value in (it.partition("=") for it in options.weight)}}
    first, _, last = options.seeds.partition("-")
    host = os.environ.get("WORKBENCH_TEST_DOCKER", "unix:///var/run/docker.sock")
    found = 0
    with tempfile.TemporaryDirectory(prefix="differential-") as folder:
        judge = Judge(host, Path(shutil.which("busybox") or "/bin/busybox"), Path(folder))
        started = time.monotonic()
        for seed in range(int(first), int(last or first) + 1):
            found += report(judge, seed, generate(seed, weights), small=not options.no_shrink)
        print(f"{judge.built} built, {judge.hung} hung, {found} differ; {time.monotonic() - started:.0f} s")
        judge.close()
    return 1 if found else 0


def sort_of(line: str) -> str:
    """What sort of a difference a line tells, so that shrinking does not slip from one to another."""
    if line.startswith("outcome"):
        return re.sub(r"(fails at step) (\d+): .*?(?=; embedded|$)", r"\1", line, flags=re.DOTALL)
    return re.sub(r"^/'.*' ", "/", line.partition(": Docker")[0])


def report(judge: Judge, seed: int, case: Case, *, small: bool) -> bool:
    """Prints what differs, and the small case, ready for the table of found ones."""
    different = judge.differences(case)
    if not different:
        return False
    print(f"\n=== seed {seed}", flush=True)
    if small:
        wanted = {sort_of(line) for line in different}
        case = shrink(
            case, lambda it: comparable(it) and any(sort_of(line) in wanted for line in judge.differences(it))
        )
        different = judge.differences(case) or [f"{different}, but not always"]
    for line in different[:8]:
        print("  ", line[:600])
    print(f"    {case!r},")
    sys.stdout.flush()
    return True


if __name__ == "__main__":
    sys.exit(main())
