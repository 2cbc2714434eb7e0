"""The BuildKit of a Docker Engine with `busybox:latest`, and names of this test's own.

`buildkit` is each of three generations, `newest` the last, `containerd` one that has every exporter.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.engines.bench import Bench, put_base
from tests.engines.conftest import buildkit_engine


@asynccontextmanager
async def standing(host: str, conformance: Path, folder: Path) -> AsyncIterator[Bench]:
    """A Bench on that engine; what it made is removed in the end."""
    engine = buildkit_engine(host)
    await put_base(engine, conformance)
    (folder / "context").mkdir()
    bench = Bench(engine, folder / "context", f"buildkit-{uuid.uuid4().hex[:8]}")
    try:
        yield bench
    finally:
        for tag in reversed(bench.made):
            if await engine.images.list(name=tag):
                await engine.images.remove([tag], force=True)
        await engine.close()


@pytest_asyncio.fixture(params=["20", "26", "28"])
async def buildkit(request: pytest.FixtureRequest, conformance: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    async with standing(request.getfixturevalue(f"docker_{request.param}"), conformance, tmp_path) as bench:
        yield bench


@pytest_asyncio.fixture
async def newest(docker_28: str, conformance: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    async with standing(docker_28, conformance, tmp_path) as bench:
        yield bench


@pytest_asyncio.fixture
async def containerd(docker_containerd: str, conformance: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    async with standing(docker_containerd, conformance, tmp_path) as bench:
        yield bench
