"""From a save to the image in the open workbench, against `docker build` (classic) of the same change.

A context of 2,000 files, one of them changed, `COPY . /app` last. Ours is the time from the rename that saves the file
to the state in which the new revision is built: watch, quiet and build of the embedded engine in the owner of the
context, and what reaches the workbench. Goal: at most 1/15. Run it: python tests/bench/save_to_image.py
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from table import Row, print_table, seconds_of

from workbench.build.loop import LiveLoop, LoopState
from workbench.build.loops import Loop
from workbench.build.request import BuildRequest
from workbench.cli.owner import owned_loop
from workbench.config import Config
from workbench.engines.embedded.engine import EmbeddedEngine

RUNS = 7
FILES = 2_000
TAG = "workbench-bench-save-to-image"


def make_context(context: Path) -> None:
    """FILES files of 4 kB in folders of 40."""
    for number in range(FILES):
        folder = context / "src" / f"package_{number // 40}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"module_{number}.py").write_text(f"# {number}\n" * 400)
    (context / "Dockerfile").write_text(f"FROM scratch\nLABEL bench={TAG}\nCOPY . /app\n")


def save(context: Path, number: int) -> None:
    """As an editor saves: a new file, renamed over the old one."""
    file = context / "src" / "package_7" / "module_291.py"
    new = file.with_name(".module_291.py.new")
    new.write_text(f"# changed {number}, {time.time_ns()}\n")
    new.replace(file)


class OpenWorkbench:
    """A live loop on the embedded engine, in the owner of the context as the workbench has it, or in this process."""

    def __init__(self, context: Path, root: Path, *, owned: bool) -> None:
        self.moved = asyncio.Event()
        self.engine = EmbeddedEngine(root)
        request = BuildRequest(context=context, tags=(TAG,))
        config = Config(engine="embedded", root=root)
        make_loop = partial(owned_loop, config=config) if owned else LiveLoop
        self.loop: Loop = make_loop(self.engine, lambda: request, on_state=self._on_state)
        self.task = asyncio.create_task(self.loop.run(build_first=True))

    def _on_state(self, state: LoopState) -> None:
        if state.problem or state.outcome == "failed":
            sys.exit(f"the build failed: {state.problem or state}")
        self.moved.set()

    async def built(self, after: int) -> None:
        """Waits for an image of a revision later than `after`, with nothing newer to build."""
        while (self.loop.state.built or 0) <= after or self.loop.state.built != self.loop.state.saved:
            self.moved.clear()
            await self.moved.wait()

    async def close(self) -> None:
        await self.loop.stop()
        await self.task
        await self.engine.close()


async def measure(context: Path, root: Path, *, owned: bool) -> tuple[list[float], list[float]]:
    """Seconds of each side, in turns: each change is built by both."""
    docker = ["docker", "build", "-q", "-t", TAG, str(context)]
    env = {**os.environ, "DOCKER_BUILDKIT": "0"}
    workbench = OpenWorkbench(context, root, owned=owned)
    ours, theirs = [], []
    await workbench.built(0)
    for number in range(RUNS + 1):
        revision = workbench.loop.state.saved
        start = time.perf_counter()
        save(context, number)
        await workbench.built(revision)
        ours.append(time.perf_counter() - start)
        run = lambda: subprocess.run(docker, env=env, check=True, capture_output=True)  # noqa: E731
        theirs.append(await asyncio.to_thread(seconds_of, run))
    await workbench.close()
    return ours[1:], theirs[1:]


def main() -> None:
    if shutil.which("docker") is None:
        sys.exit("no docker command here: nothing to compare with")
    try:
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder) / "context"
            make_context(context)
            os.environ["XDG_STATE_HOME"] = str(Path(folder) / "state")
            inside, _ = asyncio.run(measure(context, Path(folder) / "store", owned=False))
            ours, theirs = asyncio.run(measure(context, Path(folder) / "store", owned=True))
    finally:
        subprocess.run(["docker", "rmi", "-f", TAG], check=False, capture_output=True)
        left = ["docker", "image", "prune", "-f", "--filter", f"label=bench={TAG}"]
        subprocess.run(left, check=False, capture_output=True)
    row = Row(f"one of {FILES:,} files, COPY . /app", statistics.median(ours), statistics.median(theirs), 1 / 15)
    print_table(f"Save to image / docker build, median of {RUNS}", [row])
    both = Row("in the owner / in one process", statistics.median(ours), statistics.median(inside), 1.25)
    print_table("Save to image, what the owner costs", [both])


if __name__ == "__main__":
    main()
