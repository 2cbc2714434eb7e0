"""A context of many files, one of which changed: our BuildKit client beside buildx on the same engine.

Run it: python tests/bench/buildkit_sync.py [SUITE [FILES]]   (SUITE sid or trixie: the engine and the buildx that
engines/start-docker-next unpacked; FILES 2000 by default, of 8 KB each)

Goals: headless at most 1.0 of buildx, process starts included; within the workbench at most 0.6; at most 1/3 of the
classic builder; of 100,000 files at most 1.2. What is sent after one change is that file alone.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.table import Row, medians_of, print_table
from workbench.build.engine import Engine
from workbench.build.events import BuildFinished, ContextSent
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.choose import make

SIZE = 8192
ROUNDS = 7


class Context:
    """A folder of `count` files; `touch` changes one of them, each time another way."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self._turn = 0
        for number in range(count):
            place = folder / f"src/{number % 40}/file-{number}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(os.urandom(8).hex().encode() * (SIZE // 16))
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY src /src\n")

    def touch(self) -> None:
        self._turn += 1
        (self.folder / "src/7/file-7").write_text(f"{uuid.uuid4().hex} {self._turn}".ljust(SIZE))


def build(engine: Engine, context: Path) -> ContextSent:
    """One build within this process; what it sent."""

    async def run() -> ContextSent:
        sent, end = None, None
        async for event in engine.build(BuildRequest(context=context)):
            sent = event if isinstance(event, ContextSent) else sent
            end = event
        assert isinstance(end, BuildFinished) and end.outcome == "succeeded", end
        assert sent is not None
        return sent

    return asyncio.run(run())


def main() -> None:
    suite, count = sys.argv[1] if len(sys.argv) > 1 else "sid", int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    unpacked = Path(tempfile.gettempdir()) / f"docker-{suite}"
    host = f"unix://{unpacked}/run/docker.sock"
    buildx = [unpacked / "root/usr/libexec/docker/cli-plugins/docker-buildx", "build", "-q", "."]
    environment = {
        **os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": str(unpacked / "config"),
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }  # fmt: skip
    ours = [sys.executable, "-m", "workbench", "build", "-q", "--engine", "buildkit", "-H", host, "."]
    with tempfile.TemporaryDirectory() as folder:
        context = Context(Path(folder), count)

        def command(words: list[object]) -> None:
            context.touch()
            subprocess.run(list(map(str, words)), cwd=folder, env=environment, check=True, capture_output=True)

        def within(engine: Engine) -> ContextSent:
            context.touch()
            return build(engine, context.folder)

        native = make("buildkit", Config(engine="buildkit", host=host))
        rows = []
        goal = 1.0 if count < 50_000 else 1.2
        rows.append(
            Row("headless, buildx beside", *medians_of(lambda: command(ours), lambda: command(buildx), ROUNDS), goal)
        )
        rows.append(
            Row("within, buildx beside", *medians_of(lambda: within(native), lambda: command(buildx), ROUNDS), 0.6)
        )
        if count < 50_000:
            classic = make("docker", Config(engine="docker", host=host))
            rows.append(
                Row(
                    "within, classic beside",
                    *medians_of(lambda: within(native), lambda: within(classic), ROUNDS),
                    1 / 3,
                )
            )
        print_table(f"{count:,} files of {SIZE:,} bytes, one changed, Docker of {suite}", rows)
        sent = within(native)
        print(f"sent after one change: {sent.files} files, {sent.bytes:,} bytes of {sent.total_bytes or 0:,}")
        print(f"highest resident memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")


if __name__ == "__main__":
    main()
