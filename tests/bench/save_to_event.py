"""From a save to the first event of its build, in the open workbench: watch, quiet, the owner of the context.

With 2,000 and with 50,000 files, on the embedded engine or another (`--engine`). The goal is 150 ms beside the quiet
that the loop waits for (`--quiet`, 50 ms as in the configuration). Also the first build after the owner's start, for
which a person waits once. Run it: python tests/bench/save_to_event.py
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from table import human_seconds, keep_bytecode

from workbench.build.events import BuildEvent
from workbench.build.loop import LoopState
from workbench.build.loops import Loop
from workbench.build.request import BuildRequest
from workbench.cli.owner import owned_loop, reach
from workbench.config import Config
from workbench.engines.choose import make

RUNS = 9
GOAL = 0.150
TAG = "workbench-bench-save-to-event"


def make_context(context: Path, files: int) -> None:
    """Files of 200 bytes in folders of 50; a step that takes one of them, so that a build is short."""
    for number in range(files):
        folder = context / f"package_{number // 50}"
        if number % 50 == 0:
            folder.mkdir(parents=True)
        (folder / f"module_{number}.py").write_text(f"# {number:06}\n" * 20)
    (context / "Dockerfile").write_text(f"FROM scratch\nLABEL bench={TAG}\nCOPY package_7 /app\n")


def save(context: Path, number: int) -> None:
    """As an editor saves: a new file, renamed over the old one."""
    file = context / "package_7" / "module_371.py"
    new = file.with_name(".module_371.py.new")
    new.write_text(f"# changed {number}, {time.time_ns()}\n")
    new.replace(file)


class Open:
    """The loop of an open workbench; it knows when each revision's first event came."""

    def __init__(self, context: Path, config: Config) -> None:
        self.first: dict[int, float] = {}
        self.moved = asyncio.Event()
        self.engine = make(config.engine, config)
        request = BuildRequest(context=context, tags=(TAG,))
        reach(context, self.engine.name).prepare()
        self.loop: Loop = owned_loop(
            self.engine, lambda: request, config=config, quiet=config.quiet,
            on_event=self._on_event, on_state=self._on_state,
        )  # fmt: skip
        self.started = time.perf_counter()
        self.task = asyncio.create_task(self.loop.run(build_first=True))

    def _on_event(self, revision: int, event: BuildEvent) -> None:
        self.first.setdefault(revision, time.perf_counter())

    def _on_state(self, state: LoopState) -> None:
        if state.problem or state.outcome == "failed":
            sys.exit(f"the build failed: {state.problem or state}")
        self.moved.set()

    async def settled(self) -> None:
        while not self.loop.state.settled:
            self.moved.clear()
            await self.moved.wait()


async def measure(context: Path, config: Config) -> tuple[float, list[float]]:
    """Seconds to the first event of the first build, and of each that a save began."""
    workbench = Open(context, config)
    await workbench.settled()
    first = workbench.first[1] - workbench.started
    taken = []
    for number in range(RUNS):
        await asyncio.sleep(0.3)  # the owner looks at the context after a build
        revision = workbench.loop.state.saved + 1
        start = time.perf_counter()
        save(context, number)
        while revision not in workbench.first:
            workbench.moved.clear()
            await workbench.moved.wait()
        taken.append(workbench.first[revision] - start)
        await workbench.settled()
    await workbench.loop.stop()
    await workbench.task
    await workbench.engine.close()
    while (line := reach(context, config.engine).there()) is not None:  # the owner ends by itself
        line.close()
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)  # and writes its last record
    return first, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[2_000, 50_000])
    parser.add_argument("--engine", nargs="+", default=["embedded"])
    parser.add_argument("--quiet", type=float, default=Config().quiet)
    options = parser.parse_args()
    keep_bytecode()
    print(f"Save to first event, median of {RUNS}; goal {human_seconds(GOAL + options.quiet)}")
    for files in options.files:
        for engine in options.engine:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                context = Path(folder) / "context"
                make_context(context, files)
                os.environ["XDG_STATE_HOME"] = str(Path(folder) / "state")
                config = Config(engine=engine, root=Path(folder) / "store", quiet=options.quiet)
                first, taken = asyncio.run(measure(context, config))
            middle = statistics.median(taken)
            met = "met" if middle <= GOAL + options.quiet else "NOT MET"
            name = f"{engine}, {files:,} files"
            times = f"{human_seconds(middle):>9}  longest {human_seconds(max(taken)):>9}"
            print(f"  {name:<28}{times}  {met:<8} first build {human_seconds(first)}", flush=True)


if __name__ == "__main__":
    main()
