"""Engines for the contract: each builds the same scenarios, and the same laws hold for the events of each."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.engines.bench import BUILDERS, Bench
from workbench.build.engine import Engine
from workbench.config import Config
from workbench.engines.choose import make


def buildkit_engine(host: str) -> Engine:
    """The BuildKit of a Docker Engine, put together as the command does."""
    return make("buildkit", Config(engine="buildkit", host=host))


@pytest_asyncio.fixture(params=BUILDERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each engine that builds, with `busybox:latest` in its store."""
    base = request.getfixturevalue("conformance") / "bases" / "busybox.tar"
    engine: Engine
    if request.param == "docker":
        from workbench.engines.docker.engine import DockerEngine

        engine = DockerEngine(request.getfixturevalue("docker_host"))
    elif request.param == "buildkit":
        engine = buildkit_engine(request.getfixturevalue("docker_host"))
    else:
        from workbench.engines.embedded.engine import EmbeddedEngine

        engine = EmbeddedEngine(tmp_path / "store")
    if not await engine.images.list(name="busybox:latest"):
        await engine.images.load(base)
    context = tmp_path / "context"
    context.mkdir()
    bench = Bench(engine, context, f"contract-{uuid.uuid4().hex[:8]}")
    yield bench
    for tag in bench.made:
        if await engine.images.list(name=tag):
            await engine.images.remove([tag], force=True)
    await engine.close()
