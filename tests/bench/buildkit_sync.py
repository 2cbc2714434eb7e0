"""A context of many files, one of which changed: our BuildKit client beside buildx on the same engine.

Run it: python tests/bench/buildkit_sync.py [SUITE [FILES]]   (SUITE sid or trixie: the engine and the buildx that
engines/start-docker-next unpacked; FILES 2000 by default, of 8 KB each)

Goals: headless at most 1.0 of buildx, process starts included; within the workbench at most 0.6; at most 1/3 of the
classic builder; of 100,000 files at most 1.2, and less than 150 MB of memory. What is sent after one change is that
file alone. The engine's own work is in each time and is the same for both: where the step copies all files, it is most
of the time, and no client can be much faster than another. So there are rows too of a step that only mounts the
context, which of 100,000 files is the only one: to copy them takes the engine ten times as long as to take in what
changed, which is what is measured. `docker buildx build`, as a person starts it, has a row of its own; elsewhere the
plugin alone is started.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.rivals import BASE, make_base
from tests.bench.table import Row, keep_bytecode, medians_of, print_table
from workbench.build.engine import Engine
from workbench.build.events import BuildFinished, ContextSent
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.choose import make

SIZE = 8192
ROUNDS = 7
LARGE = 50_000
"""Files from which on they are not copied."""
COPIED = "FROM scratch\nCOPY src /src\n"
MOUNTED = f"FROM {BASE}\nRUN --mount=type=bind,target=/context true\n"


class Context:
    """A folder of `count` files; `touch` changes one of them, each time another way."""

    def __init__(self, folder: Path, count: int, size: int = SIZE) -> None:
        self.folder = folder
        self._turn = 0
        self._size = size
        for number in range(count):
            place = folder / f"src/{number % 40}/file-{number}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(os.urandom(8).hex().encode() * (size // 16))
        (folder / "Dockerfile").write_text(COPIED if count < LARGE else MOUNTED)

    def mount(self) -> None:
        """From now on the step only mounts the context."""
        (self.folder / "Dockerfile").write_text(MOUNTED)

    def touch(self) -> None:
        self._turn += 1
        (self.folder / "src/7/file-7").write_text(f"{uuid.uuid4().hex} {self._turn}".ljust(self._size))


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


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took: seconds of the clock and of the processor, and the most memory that it had."""

    wall: float
    cpu: float
    megabytes: int


def cost_of(words: list[str], folder: str, environment: dict[str, str]) -> Cost:
    """Of a process and all that it started itself."""
    start = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10)


def medians(costs: list[Cost]) -> Cost:
    """The median of each time, the highest memory; without the first, which has what is not remembered yet."""
    wall, cpu = (statistics.median(getattr(it, name) for it in costs[1:]) for name in ("wall", "cpu"))
    return Cost(wall, cpu, max(it.megabytes for it in costs))


def main() -> None:
    keep_bytecode()
    suite, count = sys.argv[1] if len(sys.argv) > 1 else "sid", int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    unpacked = Path(tempfile.gettempdir()) / f"docker-{suite}"
    host = f"unix://{unpacked}/run/docker.sock"
    buildx = [unpacked / "root/usr/libexec/docker/cli-plugins/docker-buildx", "build", "-q", "."]
    typed = [unpacked / "root/usr/bin/docker", "buildx", *buildx[1:]]
    environment = {
        **os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": str(unpacked / "config"),
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }  # fmt: skip
    ours = [Path(sys.executable).with_name("workbench"), "build", "-q", "--engine", "buildkit", "-H", host, "."]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = environment["XDG_STATE_HOME"] = state
        context = Context(Path(folder), count)
        base = make_base(Path(state))
        subprocess.run(["docker", "load", "-q", "-i", base], env=environment, stdout=subprocess.DEVNULL, check=True)

        def command(words: list[object]) -> Cost:
            context.touch()
            return cost_of(list(map(str, words)), folder, environment)

        def within(engine: Engine) -> ContextSent:
            context.touch()
            return build(engine, context.folder)

        native = make("buildkit", Config(engine="buildkit", host=host))
        rows: list[Row] = []

        def beside_buildx(step: str, goal: float) -> tuple[Cost, Cost]:
            """Rows of a context whose step does that; what ours and buildx took, headless."""
            costs = [(command(ours), command(buildx), command(typed)) for _ in range(ROUNDS + 1)]
            our, their, whole = (medians([side[at] for side in costs]) for at in range(3))
            rows.append(Row(f"headless, {step}, buildx beside", our.wall, their.wall, goal))
            rows.append(Row(f"headless, {step}, docker buildx beside", our.wall, whole.wall, goal))
            rows.append(Row(f"headless, {step}, processor's time", our.cpu, their.cpu, goal))
            times = medians_of(lambda: within(native), lambda: command(buildx), ROUNDS)
            rows.append(Row(f"within, {step}, buildx beside", *times, 0.6))
            return our, their

        if count < LARGE:
            beside_buildx("copies", 1.0)
            classic = make("docker", Config(engine="docker", host=host))
            times = medians_of(lambda: within(native), lambda: within(classic), ROUNDS)
            rows.append(Row("within, copies, classic beside", *times, 1 / 3))
            context.mount()
        our, their = beside_buildx("mounts", 1.0 if count < LARGE else 1.2)
        print_table(f"{count:,} files of {SIZE:,} bytes, one changed, Docker of {suite}", rows)
        sent = within(native)
        print(f"sent after one change: {sent.files} files, {sent.bytes:,} bytes of {sent.total_bytes or 0:,}")
        print(f"highest resident memory, headless: {our.megabytes} MB (goal < 150 MB), of buildx {their.megabytes} MB")


if __name__ == "__main__":
    main()
