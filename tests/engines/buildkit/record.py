"""Records what BuildKit says of a build: python -m tests.engines.buildkit.record HOST NAME < Dockerfile

Writes `recordings/NAME.jsonl`: the Dockerfile in the first line, then one StatusResponse a line, in protobuf's JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from tests.engines.conftest import buildkit_engine
from workbench.build.request import BuildRequest
from workbench.engines.buildkit.control import Control

RECORDINGS = Path(__file__).parent / "recordings"


async def record(host: str, text: str) -> list[Any]:
    """The build's status responses, as JSON."""
    said: list[Any] = []
    status = Control.status

    async def listening(self: Control, ref: str) -> AsyncIterator[Any]:
        async for response in status(self, ref):
            said.append(json_format.MessageToDict(response))
            yield response

    Control.status = listening  # type: ignore[method-assign]
    engine = buildkit_engine(host)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(text)
        Path(folder, "file").write_text("content\n")
        async for _ in engine.build(BuildRequest(context=Path(folder), no_cache=True)):
            pass
    await engine.close()
    return said


if __name__ == "__main__":
    dockerfile = sys.stdin.read()
    RECORDINGS.mkdir(exist_ok=True)
    with (RECORDINGS / f"{sys.argv[2]}.jsonl").open("w") as out:
        for line in [{"dockerfile": dockerfile}, *asyncio.run(record(sys.argv[1], dockerfile))]:
            out.write(json.dumps(line) + "\n")
