"""Attaching to a running build of 100,000 log lines: how long until the present is there.

Goal: within a second. Twice: until a display without a screen has folded every line in; and on a terminal of 140 by 45,
from the start of `workbench` until the last line is painted, against the same for a running build of one line (the goal
is then a second more). Run it: python tests/bench/attach.py
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from first_paint import paints
from table import Row, keep_bytecode, print_table

from workbench.build.events import BuildEvent
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.cli.owner import owned_loop
from workbench.config import Config
from workbench.engines.choose import make

RUNS = 5
LINES = 100_000
PATIENCE = 30.0


class Attached:
    """A display of the owner of `context` that folds what it is told."""

    def __init__(self, context: Path, config: Config) -> None:
        self.progress = BuildProgress()
        self.moved = asyncio.Event()
        request = BuildRequest(context=context)
        self.loop = owned_loop(
            make(config.engine, config), lambda: request, config=config, watching=False,
            on_event=self._on_event, on_told=lambda text: None,
        )  # fmt: skip

    def _on_event(self, revision: int, event: BuildEvent) -> None:
        self.progress.apply(event)
        self.moved.set()

    async def seconds_until(self, last: str, *, build_first: bool = False) -> float:
        """From the start until the log ends in that line."""
        start = time.perf_counter()
        self.task = asyncio.create_task(self.loop.run(build_first=build_first))
        while not any(log.since(log.total - len(last)) == last for log in self.progress.logs.values()):
            if time.perf_counter() - start > PATIENCE or self.progress.finished is not None:
                sys.exit(f"{last!r} did not come: {self.progress.finished}, {self.loop.state}")
            self.moved.clear()
            await asyncio.wait_for(self.moved.wait(), PATIENCE)
        return time.perf_counter() - start


def make_context(folder: Path, busybox: str, first: int) -> Path:
    """Whose build says LINES numbers, those before the one of `first` left out, and then waits. The last one stands
    nowhere in the Dockerfile, which is on the screen, too."""
    folder.mkdir()
    shutil.copy(busybox, folder / "busybox")
    script = f"busybox seq $((2*{LINES}+{first})) $((3*{LINES})); busybox sleep 1000"
    step = f'RUN ["/bin/busybox", "sh", "-c", "{script}"]'
    (folder / "Dockerfile").write_text(f"FROM scratch\nCOPY busybox /bin/\n{step}\n")
    return folder


async def measure(contexts: list[Path], config: Config) -> tuple[list[float], list[list[float]]]:
    """Seconds until all is folded in, for the first context; until it is painted, for each."""
    last = f"{3 * LINES}\n"
    for context in contexts:
        starter = Attached(context, config)
        await starter.seconds_until(last, build_first=True)
        await starter.loop.leave()
    folded: list[float] = []
    painted: list[list[float]] = [[] for _ in contexts]
    command = [str(Path(sys.executable).with_name("workbench")), "--engine", "embedded", "--root", str(config.store)]
    env = {**os.environ, "TERM": "xterm-256color", "WORKBENCH_DRIVER": "stock"}
    for _ in range(RUNS):
        display = Attached(contexts[0], config)
        folded.append(await display.seconds_until(last))
        await display.loop.leave()
        for seconds, context in zip(painted, contexts, strict=True):
            words = [*command, str(context)]
            seconds += await asyncio.to_thread(paints, words, env, last.strip().encode())
    for context in contexts:
        display = Attached(context, config)
        await display.seconds_until(last)
        await display.loop.stop()
    return folded, painted


def main() -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        sys.exit("no busybox here: the build needs a static one")
    keep_bytecode()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # an owner writes its last record
        folder = Path(name)
        for variable in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            os.environ[variable] = str(folder / variable)
        contexts = [make_context(folder / "long", busybox, 1), make_context(folder / "short", busybox, LINES)]
        config = Config(engine="embedded", root=folder / "store")
        folded, painted = asyncio.run(measure(contexts, config))
    long, short = map(statistics.median, painted)
    rows = [
        Row(f"{LINES:,} lines folded in / a second", statistics.median(folded), 1.0, 1.0),
        Row(f"start to the last line painted: {LINES:,} lines / one", long, short, (short + 1) / short),
    ]
    print_table(f"Attaching to a running build, median of {RUNS}", rows)


if __name__ == "__main__":
    main()
