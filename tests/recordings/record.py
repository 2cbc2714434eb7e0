"""Records real builds on a Docker Engine as JSON lines beside this file: `python tests/recordings/record.py`.

The replay engine tells them again, in tests of the displays and in the demonstration without an engine. It needs a
Docker Engine that has `busybox:latest`, and a static busybox for the genesis context.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from workbench.build.events import to_json
from workbench.build.request import BuildRequest
from workbench.engines.docker.engine import DockerEngine

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
DEMO = REPOSITORY / "workbench" / "engines" / "recordings" / "genesis.jsonl"

FAILING = """\
FROM busybox
WORKDIR /srv
RUN echo "checking" && sleep 0.2 && echo "no such tool" >&2 && exit 7
CMD ["sh"]
"""

MULTISTAGE = """\
ARG VERSION=1.0
FROM busybox AS build
ARG VERSION
COPY app.txt /src/
RUN for part in one two three; do \\
      echo "compiling $part"; \\
      sleep 0.1; \\
    done; \\
    sed "s/@VERSION@/$VERSION/" /src/app.txt > /app

FROM busybox
LABEL purpose=demonstration
COPY --from=build /app /app
RUN cat /app
CMD ["cat", "/app"]
"""

NOISY = """\
FROM busybox
RUN printf '[bold]not markup[/bold] \\033[31mred\\033[0m \\033[2Jclear \\033]0;title\\007 end\\n'
RUN i=0; while [ $i -lt 400 ]; do echo "line $i of the log"; i=$((i+1)); done
"""


def genesis(folder: Path) -> None:
    """The lab's context, with a small busybox.tar.xz of this machine's static busybox."""
    shutil.copy(REPOSITORY / "sample_contexts" / "genesis" / "Dockerfile", folder)
    busybox = shutil.which("busybox")
    if busybox is None:
        raise SystemExit("no busybox on this machine: install busybox-static")
    with tarfile.open(folder / "busybox.tar.xz", "w:xz") as archive:
        archive.add(busybox, "bin/busybox")


async def record(name: str, context: Path, **options: object) -> None:
    request = BuildRequest(context=context, **options)  # type: ignore[arg-type]
    lines = [json.dumps(to_json(event)) async for event in DockerEngine().build(request)]
    (HERE / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}: {len(lines)} events, {json.loads(lines[-1])['outcome']}")


async def main() -> None:
    engine = DockerEngine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        genesis(folder)
        await record("genesis", folder, tags=("genesis",), no_cache=True)
        (folder / "app.txt").write_text("application @VERSION@\n", encoding="utf-8")
        for name, text in (("failing", FAILING), ("noisy", NOISY)):
            await record(name, folder, dockerfile_text=text, no_cache=True, force_rm=True)
        await record("multistage", folder, dockerfile_text=MULTISTAGE, no_cache=True, tags=("recorded",))
        await record("cached", folder, dockerfile_text=MULTISTAGE, tags=("recorded",))
        await cancelled(engine, folder)
    DEMO.parent.mkdir(exist_ok=True)
    shutil.copy(HERE / "genesis.jsonl", DEMO)


async def cancelled(engine: DockerEngine, folder: Path) -> None:
    """A build that was cancelled while its command slept."""
    text = "FROM busybox\nRUN echo working; sleep 60\n"
    build = engine.build(BuildRequest(context=folder, dockerfile_text=text, no_cache=True))
    lines = []
    async for event in build:
        lines.append(json.dumps(to_json(event)))
        if "working" in lines[-1] and '"StepLog"' in lines[-1]:
            build.cancel()
    (HERE / "cancelled.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
