"""The BuildKit of a Docker Engine with `busybox:latest`, and names of this test's own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.engines.bench import Bench
from tests.engines.conftest import buildkit_engine


@pytest_asyncio.fixture
async def buildkit(docker_host: str, conformance: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    engine = buildkit_engine(docker_host)
    if not await engine.images.list(name="busybox:latest"):
        await engine.images.load(conformance / "bases" / "busybox.tar")
    (tmp_path / "context").mkdir()
    bench = Bench(engine, tmp_path / "context", f"buildkit-{uuid.uuid4().hex[:8]}")
    yield bench
    for tag in reversed(bench.made):
        if await engine.images.list(name=tag):
            await engine.images.remove([tag], force=True)
    await engine.close()
