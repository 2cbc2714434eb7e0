"""Many seeds by hand: `python -m differential [--seeds 0-1000] [--weight RUN=5]`, in tests/engines/embedded."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from differential.case import Case
from differential.dockerfiles import WEIGHTS, generate
from differential.golden import record
from differential.judge import Judge, describe


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0-200")
    parser.add_argument("--weight", action="append", default=[], metavar="KEYWORD=NUMBER")
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--record", action="store_true", help="write golden.json anew")
    options = parser.parse_args()
    weights = {**WEIGHTS, **{name: float(value) for name, _, value in (it.partition("=") for it in options.weight)}}
    first, _, last = options.seeds.partition("-")
    host = os.environ.get("WORKBENCH_TEST_DOCKER", "unix:///var/run/docker.sock")
    found = 0
    with tempfile.TemporaryDirectory(prefix="differential-") as folder:
        judge = Judge(host, Path(shutil.which("busybox") or "/bin/busybox"), Path(folder))
        if options.record:
            record(judge)
            judge.close()
            return 0
        started = time.monotonic()
        for seed in range(int(first), int(last or first) + 1):
            found += report(judge, seed, generate(seed, weights), small=not options.no_shrink)
        seconds = time.monotonic() - started
        print(f"{judge.built} built, {judge.hung} hung or broke Docker, {found} differ; {seconds:.0f} s")
        judge.close()
    return 1 if found else 0


def report(judge: Judge, seed: int, case: Case, *, small: bool) -> bool:
    """Prints what differs, and the small case."""
    different = judge.differences(case)
    if different:
        print(f"\n=== seed {seed}", flush=True)
        print(describe(judge, case, different) if small else "\n".join(different), flush=True)
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
