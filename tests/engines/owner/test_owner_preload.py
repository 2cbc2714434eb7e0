"""An owner has imported what the first build needs before somebody asks for it, and nobody waits for that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.engines.choose import KNOWN

FIRST_BUILD = """
import asyncio, json, sys
from pathlib import Path
from workbench.build.loop import LiveLoop
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.choose import make, preload
from workbench.engines.owner.server import Owner

TAG = "workbench-preload"

async def main(name, host, folder):
    preload(name)
    config = Config(engine=name, host=host or None, root=folder / "store")
    before = set(sys.modules)
    request = BuildRequest(context=folder / "context", tags=(TAG,))
    loop = LiveLoop(make(name, config), lambda: request)
    running = asyncio.create_task(loop.run(build_first=True))
    while loop.state.ended is None:
        await asyncio.sleep(0.01)
    new = sorted(it for it in set(sys.modules) - before if it.startswith("workbench"))
    print(json.dumps([loop.state.outcome, new]))
    await loop.engine.images.remove([TAG])
    await loop.stop()
    await running

asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_the_first_build_imports_nothing_of_ours(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    host = "" if name == "embedded" else request.getfixturevalue("docker_host")
    context = tmp_path / "context"
    (context / "src").mkdir(parents=True)
    (context / "src/app").write_text("app")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY src /src\n")
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, "-c", FIRST_BUILD, name, host, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == ["succeeded", []]
