"""Removing images: Docker's rules, and nothing that another image needs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from store_tools import make_tar, put_layer

from workbench.engines.embedded.removal import GRACE, plan_removal, prune, remove
from workbench.engines.embedded.store import Store
from workbench.errors import ImageInUse, ImageNotFound, StoreError

MakeImage = Callable[..., str]


def test_a_name_only_untags_while_there_is_another(store: Store, make_image: MakeImage) -> None:
    identifier = make_image("a", "b")
    removal = remove(store, ["a"])
    assert (removal.untagged, removal.deleted, removal.bytes_freed) == (("a:latest",), (), 0)
    assert store.image("b").id == identifier
    removal = remove(store, ["b"])
    assert (removal.untagged, removal.deleted) == (("b:latest",), (identifier,))
    assert removal.bytes_freed > 0
    assert list(store.layout.blobs.iterdir()) == []


def test_an_id_with_several_names_needs_force(store: Store, make_image: MakeImage) -> None:
    identifier = make_image("a", "b")
    with pytest.raises(ImageInUse, match=r"must be forced.*multiple repositories"):
        remove(store, [identifier])
    assert "must be forced" in plan_removal(store, [identifier]).removal.blocked
    assert set(store.image("a").tags) == {"a:latest", "b:latest"}
    removal = remove(store, [identifier[7:19]], force=True)
    assert set(removal.untagged) == {"a:latest", "b:latest"}
    assert removal.deleted == (identifier,)


def test_shared_layers_stay(store: Store, make_image: MakeImage) -> None:
    make_image("base")
    make_image("child", base="base", data=b"own")
    child = store.image("child")
    folder = store.unpacked(child.layers[0])
    own = store.unpacked(child.layers[1])
    store.tag("base", "again")
    remove(store, ["child"])
    assert store.has_blob(child.layers[0].digest)
    assert folder.exists()
    assert not store.has_blob(child.layers[1].digest)
    assert not own.exists()


def test_an_image_with_children_is_refused_by_id_and_untagged_by_name(store: Store, make_image: MakeImage) -> None:
    make_image("base")
    base = store.image("base").id
    child = make_image("child", parent=base, data=b"2")
    with pytest.raises(ImageInUse, match="dependent child images"):
        remove(store, [base], force=True)
    assert plan_removal(store, [base]).removal.children == (child,)
    removal = remove(store, ["base"])
    assert (removal.untagged, removal.deleted) == (("base:latest",), ())
    removal = remove(store, ["child"])
    assert removal.deleted == (child, base)


def test_parent_and_child_may_go_together(store: Store, make_image: MakeImage) -> None:
    base = make_image("base")
    child = make_image("child", parent=base, data=b"2")
    removal = remove(store, [base, child])
    assert set(removal.deleted) == {base, child}
    assert store.catalog().images == {}


def test_a_plan_is_what_happens(store: Store, make_image: MakeImage) -> None:
    make_image("a", data=b"1")
    make_image("b", data=b"2")
    store.unpacked(store.image("a").layers[0])
    plan = plan_removal(store, ["a"]).removal
    assert set(store.catalog().images) == {store.image("a").id, store.image("b").id}
    assert remove(store, ["a"]) == plan
    with pytest.raises(ImageNotFound):
        remove(store, ["b", "nothing"])
    assert store.image("b").tags == ("b:latest",)


def test_what_a_running_build_holds_stays(store: Store, make_image: MakeImage) -> None:
    make_image("base")
    layer = store.image("base").layers[0]
    other = Store(store.root).open()
    with store.keep(["base"]):
        new = put_layer(store, make_tar(("new", b"new")))
        os.utime(store.blob_path(new.digest), (0, 0))
        remove(other, ["base"])
        prune(other, all=True)
        assert store.has_blob(layer.digest)
        assert store.has_blob(new.digest)
    os.utime(store.blob_path(layer.digest), (0, 0))
    prune(other)
    assert not store.has_blob(layer.digest)
    assert not store.has_blob(new.digest)
    assert store.hold([layer]) is False


def test_prune_takes_the_nameless_and_with_all_everything(store: Store, make_image: MakeImage) -> None:
    old = make_image("a", data=b"1")
    new = make_image("a", data=b"2")
    assert prune(store, dry_run=True).deleted == (old,)
    assert store.image(old).id == old
    planned = prune(store, dry_run=True)
    assert prune(store) == planned
    assert set(store.catalog().images) == {new}
    assert prune(store, all=True).deleted == (new,)
    assert list(store.layout.blobs.iterdir()) == []


def test_the_step_cache_holds_layers_until_prune_or_its_image_goes(store: Store, make_image: MakeImage) -> None:
    step = put_layer(store, make_tar(("step", b"step")))
    os.utime(store.blob_path(step.digest), (0, 0))
    store.cache_roots.put("RUN step", [step.digest])
    make_image("a")
    layer = store.image("a").layers[0]
    store.cache_roots.put("COPY a", [layer.digest])
    remove(store, ["a"])
    assert store.has_blob(step.digest)
    assert store.cache_roots.has("RUN step")
    assert not store.has_blob(layer.digest)
    assert not store.cache_roots.has("COPY a")
    assert prune(store).bytes_freed == step.size
    assert not store.cache_roots.has("RUN step")


def test_what_a_crash_left_goes_when_it_is_old(store: Store) -> None:
    young = put_layer(store, make_tar(("young", b"1")))
    old = put_layer(store, make_tar(("old", b"2")))
    os.utime(store.blob_path(old.digest), (0, time.time() - GRACE - 1))
    assert prune(store).bytes_freed == old.size
    assert store.has_blob(young.digest)


def test_a_damaged_image_can_be_removed(store: Store, make_image: MakeImage) -> None:
    make_image("good", data=b"1")
    store.blob_path(make_image("bad", data=b"2")).unlink()
    with pytest.raises(StoreError):
        store.image("bad")
    removal = remove(store, ["bad"])
    assert removal.untagged == ("bad:latest",)
    assert removal.bytes_freed > 0
    catalog = store.catalog()
    assert [image.tags for image in catalog.images.values()] == [("good:latest",)]
    assert not catalog.problems
