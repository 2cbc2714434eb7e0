"""A Docker Engine with `busybox:latest`, and names of this test's own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.engines.bench import Bench, put_base
from workbench.engines.docker.engine import DockerEngine


@pytest_asyncio.fixture
async def docker(docker_host: str, conformance: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    engine = DockerEngine(docker_host)
    await put_base(engine, conformance)
    (tmp_path / "context").mkdir()
    bench = Bench(engine, tmp_path / "context", f"docker-{uuid.uuid4().hex[:8]}")
    yield bench
    for tag in reversed(bench.made):
        if await engine.images.list(name=tag):
            await engine.images.remove([tag], force=True)
    await engine.close()
