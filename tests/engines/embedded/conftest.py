"""A store, and images made in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from store_tools import config_of, make_tar, put_layer

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
