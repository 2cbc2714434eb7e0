"""What `df` counts is what lies on the disk, and what it calls reclaimable is what a prune frees."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
from store_tools import config_of, make_tar, put_layer, put_step

from tests.cli.conftest import Run, run  # noqa: F401
from workbench.build.usage import Usage
from workbench.engines.embedded.cache_removal import prune_cache
from workbench.engines.embedded.checking.examine import examine
from workbench.engines.embedded.removal import prune
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.usage import tree_size, usage

MakeImage = Callable[..., str]


@pytest.fixture
def filled(store: Store, make_image: MakeImage) -> Store:
    """A base with two children of which one has lost its name, one layer unpacked, a step that only the cache holds,
    and a cache mount."""
    make_image("base:1", data=b"b" * 50_000)
    make_image("kept:1", data=b"k" * 20_000, name="kept", base="base:1")
    make_image("gone:1", data=b"g" * 30_000, name="gone", base="base:1")
    with store.layout.changing() as entries:
        for entry in entries:
            if "gone:1" in json.dumps(entry):
                del entry["annotations"]
    store.unpacked(store.image("base:1").layers[0])
    put_step(store, "a", put_layer(store, make_tar(("only", b"c" * 10_000))).digest)
    put_step(store, "b", store.image("kept:1").layers[1].digest)
    mount = store.private / "mounts" / "one"
    mount.mkdir(parents=True)
    (mount / "wheel").write_bytes(b"w" * 5000)
    return store


def kinds(store: Store) -> dict[str, Usage]:
    return {kind.kind: kind for kind in usage(store).kinds}


def test_every_byte_once(filled: Store) -> None:
    found = kinds(filled)
    assert set(found) == {"Images", "Step cache", "Unpacked layers", "Cache mounts", "Scratch"}
    blobs = sum(path.stat().st_size for path in filled.layout.blobs.iterdir())
    assert found["Images"].size + found["Step cache"].size == blobs + 2 * len("{}")
    assert (found["Images"].total, found["Images"].active) == (3, 2)
    assert (found["Step cache"].total, found["Step cache"].active) == (2, 1)
    assert found["Unpacked layers"] == Usage("Unpacked layers", 1, 1, 50_000, 0)
    assert found["Cache mounts"].size == 5000
    assert found["Scratch"] == Usage("Scratch", 0, 0, 0, 0)


def test_reclaimable_is_what_a_prune_frees(filled: Store) -> None:
    wanted = sum(kind.reclaimable for kind in usage(filled).kinds)
    assert wanted > 40_000
    assert prune(filled, dry_run=True).bytes_freed == wanted
    before = tree_size(filled.layout.blobs)
    assert prune(filled).bytes_freed == wanted
    assert before - tree_size(filled.layout.blobs) == wanted
    assert sum(kind.reclaimable for kind in usage(filled).kinds) == 0


def test_entries_of_the_step_cache_that_hold_nothing_any_more_go(filled: Store) -> None:
    blob = filled.image("kept:1").layers[1].digest
    filled.cache_roots.drop(frozenset({blob}))
    steps = filled.private / "steps"
    prune(filled)
    assert len(os.listdir(steps)) == 2  # young ones stay, for who writes them may not be done
    for path in steps.iterdir():
        os.utime(path, (0, 0))
    prune(filled)
    assert os.listdir(steps) == []
    put_step(filled, "c", blob)
    (steps / "c.manifest").write_bytes(b"x")
    for path in steps.iterdir():
        os.utime(path, (0, 0))
    prune(filled)
    assert len(os.listdir(steps)) == 2


def test_what_images_share(filled: Store) -> None:
    found = {image.tags: image for image in usage(filled).images}
    assert {tags: (image.shared, image.unique) for tags, image in found.items()} == {
        ("base:1",): (50_000, 0),
        ("kept:1",): (50_000, 20_000),
        (): (50_000, 30_000),
    }
    for image in filled.catalog().images.values():
        assert found[image.tags].size == image.size  # as `images` shows it


def test_what_an_image_has_twice_is_its_own(store: Store) -> None:
    layer = put_layer(store, make_tar(("file", b"x" * 1000)))
    store.put_image(config_of(layer, layer), [layer, layer], tags=["twice:1"])
    (found,) = usage(store).images
    assert (found.shared, found.unique) == (0, 2000)


def test_the_cache_goes_and_images_stay(filled: Store) -> None:
    images = filled.catalog().images
    planned = prune_cache(filled, dry_run=True)
    assert len(list((filled.private / "steps").iterdir())) == 2
    with filled.keep():  # a build runs: it may use any cache mount
        assert prune_cache(filled, dry_run=True).bytes_freed == planned.bytes_freed - 5000
    done = prune_cache(filled)
    assert done == planned and done.bytes_freed > 50_000 + 10_000 + 5000
    assert filled.catalog().images == images
    assert not {"steps", "cache-roots", "mounts"} & set(os.listdir(filled.private))
    assert examine(filled).findings == []
    assert (filled.unpacked(filled.image("base:1").layers[0]) / "file").stat().st_size == 50_000


def test_a_read_only_store_is_counted_too(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = usage(filled)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert usage(filled) == wanted
    assert prune_cache(filled, dry_run=True).bytes_freed > 0


def test_the_commands(filled: Store, run: Run) -> None:  # noqa: F811
    at = ("--engine", "embedded", "--root", str(filled.root))
    table = run(*at, "df").out
    assert table.splitlines()[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    rows = [json.loads(line) for line in run(*at, "df", "--format", "json").out.splitlines()]
    assert rows[0]["Type"] == "Images" and rows[0]["TotalCount"] == "3"
    verbose = json.loads(run(*at, "df", "-v", "--format", "json").out)
    assert verbose["Usage"] == rows and {"base:1"} in [set(image["Tags"]) for image in verbose["Images"]]
    assert "UNIQUE SIZE" in run(*at, "df", "-v").out
    would = run(*at, "prune", "--cache", "--dry-run").out
    did = run(*at, "prune", "--cache", "--force").out
    assert would.replace("reclaimable", "reclaimed") == did
    assert run(*at, "prune", "--cache", "--all").code == 2
