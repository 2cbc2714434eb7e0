"""A store, and images made in one line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from builds import Builder
from store_tools import config_of, make_tar, put_layer

from tests.conftest import missing
from workbench.engines.embedded.bwrap import Ability, ability
from workbench.engines.embedded.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store").open()


@pytest.fixture
def make_image(store: Store) -> Callable[..., str]:
    """`make_image("a:1", data=b"x")`: an image of one layer with one file; its ID."""

    def make(
        *tags: str, data: bytes = b"x", name: str = "file", parent: str = "", base: str = "", **config: object
    ) -> str:
        below = list(store.image(base).layers) if base else []
        layer = put_layer(store, make_tar((name, data)))
        layers = [*below, layer]
        return store.put_image(config_of(*layers, **config), layers, tags=tags, parent=parent or base)

    return make


@pytest_asyncio.fixture
async def build(tmp_path: Path, conformance: Path) -> AsyncIterator[Builder]:
    """An embedded engine whose store has `busybox:latest`."""
    context = tmp_path / "context"
    context.mkdir()
    builder = Builder(tmp_path / "store", context)
    await builder.engine.images.load(conformance / "bases" / "busybox.tar")
    yield builder
    await builder.engine.close()


@pytest_asyncio.fixture
async def scratch_build(tmp_path: Path) -> AsyncIterator[Builder]:
    """An embedded engine with an empty store: for what needs neither a base nor a sandbox."""
    context = tmp_path / "context"
    context.mkdir()
    builder = Builder(tmp_path / "store", context)
    yield builder
    await builder.engine.close()


@pytest.fixture
def sandbox() -> Ability:
    """What RUN stands on here."""
    able = ability()
    if able.mode is None:
        missing(f"no sandbox: {able.reason}")
    return able
