"""Five RUN steps without cache on busybox: the embedded engine, in process, against Docker's classic builder.

Goal: at most 1/15. Needs a Docker Engine with `busybox:latest`, or a static busybox to make one of; the base is the
same in both. Run it: python tests/bench/run_steps.py
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from table import Row, medians_of, print_table

from workbench.build.events import BuildFinished
from workbench.build.request import BuildRequest
from workbench.engines.embedded.engine import EmbeddedEngine

RUNS = 7
TAG = "workbench-bench-run-steps"
BASE = "workbench-bench-busybox"


def make_base(folder: Path) -> Path:
    """A docker-archive of the base, which is imported into Docker from a static busybox of this machine."""
    archive = folder / "base.tar"
    binary = shutil.which("busybox")
    if binary is None:
        sys.exit("no busybox on this machine: install Debian's busybox-static")
    root = folder / "root" / "bin"
    root.mkdir(parents=True)
    shutil.copy(binary, root / "sh")
    for name in ("proc", "sys", "dev", "etc", "tmp"):
        (root.parent / name).mkdir()
    packed = subprocess.run(["tar", "-C", root.parent, "-c", "."], capture_output=True, check=True).stdout
    subprocess.run(["docker", "import", "-", BASE], input=packed, stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["docker", "save", "-o", archive, BASE], check=True)
    return archive


async def build(engine: EmbeddedEngine, request: BuildRequest) -> None:
    async for event in engine.build(request):
        if isinstance(event, BuildFinished) and event.outcome != "succeeded":
            sys.exit(f"the build failed: {event.error}")


def main() -> None:
    """Prints the table."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-bench-"))
    try:
        archive = make_base(folder)
        context = folder / "context"
        context.mkdir()
        steps = "".join(f"RUN echo {number} > /file{number}\n" for number in range(5))
        (context / "Dockerfile").write_text(f"FROM {BASE}\n{steps}")
        engine = EmbeddedEngine(folder / "store")
        asyncio.run(engine.images.load(archive))
        request = BuildRequest(context=context, tags=(TAG,), no_cache=True)
        classic = ["docker", "build", "-q", "--no-cache", "-t", TAG, str(context)]
        environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
        ours, theirs = medians_of(
            lambda: asyncio.run(build(engine, request)),
            lambda: subprocess.run(classic, capture_output=True, check=True, env=environment),
            RUNS,
        )
        print_table("RUN", [Row("five RUN steps without cache", ours, theirs, 1 / 15)])
    finally:
        subprocess.run(["docker", "rmi", "-f", TAG, BASE], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
