"""Built, tagged, deleted, pruned and loaded in whatever order: only what was named goes, and the rest is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from store_tools import config_of, make_tar, put_layer, put_step

from workbench.build.images import Removal
from workbench.engines.embedded.cache_removal import prune_cache
from workbench.engines.embedded.checking.examine import examine
from workbench.engines.embedded.load import load
from workbench.engines.embedded.removal import GRACE, plan_prune, plan_removal, prune, remove
from workbench.engines.embedded.save import save
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.usage import tree_size, usage
from workbench.errors import ImageInUse

TAGS = ["a:1", "a:2", "b:1", "c:1"]
_tags = st.sampled_from(TAGS)
_content = st.integers(0, 3)
_any = st.integers(0, 50)


class StoreMachine(RuleBasedStateMachine):
    """`tags` and `parents` are what the store must say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="workbench-store-"))
        self.store = Store(self.folder / "store").open()
        self.tags: dict[str, str] = {}
        self.ids: set[str] = set()
        self.number = 0

    def teardown(self) -> None:
        for path in self.store.layout.blobs.iterdir():
            os.utime(path, (0, path.stat().st_mtime - GRACE - 1))
        prune(self.store, all=True)
        assert not any(self.store.layout.blobs.iterdir()) and not list(self.store.layers.all())
        shutil.rmtree(self.folder)

    @initialize()
    def archive(self) -> None:
        other = Store(self.folder / "other").open()
        shared, own = (put_layer(other, make_tar((f"file{n}", bytes([n]) * 100))) for n in (0, 9))
        self.loaded = other.put_image(config_of(shared, own), [shared, own], tags=["a:1"])
        save(other, ["a:1"], self.folder / "a.tar")

    def _put(self, tag: str, layers: list[int], parent: str) -> None:
        below = list(self.store.image(parent).layers) if parent else []
        with self.store.keep([parent] if parent else []):
            chain = [*below, *(put_layer(self.store, make_tar((f"file{n}", bytes([n]) * 100))) for n in layers)]
            self.number += 1
            config = config_of(*chain, Labels={"number": str(self.number // 3)})
            identifier = self.store.put_image(config, chain, tags=[tag] if tag else [], parent=parent)
        self.ids.add(identifier)
        if tag:
            self.tags[tag] = identifier

    def _pick(self, number: int) -> str:
        return sorted(self.ids)[number % len(self.ids)] if self.ids else ""

    @rule(tag=st.one_of(_tags, st.just("")), layers=st.lists(_content, min_size=1, max_size=2), parent=_any)
    def build(self, tag: str, layers: list[int], parent: int) -> None:
        self._put(tag, layers, self._pick(parent) if parent % 2 else "")

    @rule(number=_any, tag=_tags)
    def tag(self, number: int, tag: str) -> None:
        if identifier := self._pick(number):
            assert self.store.tag(identifier, tag) == identifier
            self.tags[tag] = identifier

    @rule()
    def load(self) -> None:
        assert load(self.store, self.folder / "a.tar") == ["a:1"]
        self.tags["a:1"] = self.loaded
        self.ids.add(self.loaded)

    @rule(number=_any)
    def unpack(self, number: int) -> None:
        if identifier := self._pick(number):
            self.store.lowers(self.store.image(identifier).layers)

    @rule(key=st.sampled_from("abc"), content=_content)
    def cache(self, key: str, content: int) -> None:
        with self.store.keep():
            put_step(
                self.store, key, put_layer(self.store, make_tar((f"file{content}", bytes([content]) * 100))).digest
            )

    def _gone(self, removal: Removal, may: Iterable[str]) -> None:
        assert set(removal.deleted) <= set(may)
        self.ids -= set(removal.deleted)
        self.tags = {tag: it for tag, it in self.tags.items() if tag not in removal.untagged}

    @rule(tag=_tags)
    def remove_tag(self, tag: str) -> None:
        if tag in self.tags:
            named = set(self.tags.values())
            nameless = self.ids - named
            planned = plan_removal(self.store, [tag]).removal
            done = remove(self.store, [tag])
            assert planned == done and done.untagged == (tag,)
            self._gone(done, nameless | {self.tags[tag]})

    @rule(number=_any, force=st.booleans())
    def remove_id(self, number: int, force: bool) -> None:
        if identifier := self._pick(number):
            try:
                done = remove(self.store, [identifier], force=force)
            except ImageInUse:
                return
            assert identifier in done.deleted
            self._gone(done, (self.ids - set(self.tags.values())) | {identifier})

    @rule(all=st.booleans())
    def prune(self, all: bool) -> None:
        planned = plan_prune(self.store, all=all).removal
        assert all or sum(kind.reclaimable for kind in usage(self.store).kinds) == planned.bytes_freed
        before = tree_size(self.store.layout.blobs)
        done = prune(self.store, all=all)
        assert planned == done
        assert before - tree_size(self.store.layout.blobs) <= done.bytes_freed
        self._gone(done, self.ids if all else self.ids - set(self.tags.values()))

    @rule()
    def prune_cache(self) -> None:
        assert prune_cache(self.store, dry_run=True) == prune_cache(self.store)

    @rule()
    def open_again(self) -> None:
        self.store = Store(self.store.root).open()

    @invariant()
    def whole(self) -> None:
        report = examine(self.store)
        assert report.findings == []
        images = self.store.catalog().images
        assert set(images) == self.ids
        assert {tag: image.id for image in images.values() for tag in image.tags} == self.tags


_SETTINGS = settings(deadline=None, stateful_step_count=15, suppress_health_check=[HealthCheck.too_slow])


class TestStore(StoreMachine.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(_SETTINGS, max_examples=8)


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestStoreAtLength(StoreMachine.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(_SETTINGS, max_examples=150, stateful_step_count=30)
