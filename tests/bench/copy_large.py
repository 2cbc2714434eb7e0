"""`COPY` of one file of 2 GB by the embedded engine, process start included, against `cp` and `sha256sum` of it.

Goal: at most 1.5 times both together, and memory that does not grow with the file: the peak of the process is printed
for a file of 20 MB and for the large one. Run it: python tests/bench/copy_large.py [MEGABYTES]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from table import Row, medians_of, print_table

RUNS = 3
PIECE = 1 << 20


def context_of(folder: Path, megabytes: int) -> Path:
    """Of random bytes: what a disk does with holes or zeros is not asked."""
    context = folder / f"context-{megabytes}"
    context.mkdir()
    with (context / "file").open("wb") as out:
        for _ in range(megabytes):
            out.write(os.urandom(PIECE))
    (context / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    return context


def built(context: Path) -> int:
    """Builds in a store of its own, and tells the peak of the process' memory in bytes."""
    store = context.with_name("store")
    command = [sys.executable, "-m", "workbench", "build", "-q", "--engine", "embedded", "--root", str(store)]
    process = subprocess.Popen([*command, str(context)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(store)
    if process.returncode:
        sys.exit(f"the build failed: {process.returncode}")
    return usage.ru_maxrss * 1024


def copied(context: Path) -> None:
    copy = context.with_name("copy")
    subprocess.run(["cp", context / "file", copy], check=True)
    subprocess.run(["sha256sum", copy], check=True, stdout=subprocess.DEVNULL)
    copy.unlink()


def main() -> None:
    """Prints the table, and the peaks."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    with tempfile.TemporaryDirectory(prefix="workbench-bench-") as name:
        small, large = context_of(Path(name), 20), context_of(Path(name), megabytes)
        peaks: list[int] = []
        times = medians_of(lambda: peaks.append(built(large)), lambda: copied(large), RUNS)
        print_table("COPY of one file", [Row(f"{megabytes} MB / cp + sha256sum", *times, 1.5)])
        print(f"  peak memory: {built(small) / 1e6:.1f} MB for 20 MB, {max(peaks) / 1e6:.1f} MB for {megabytes} MB")


if __name__ == "__main__":
    main()
