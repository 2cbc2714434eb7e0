"""A disk that is full or read-only: the person is told, and the store is as it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_tools import config_of, make_tar, put_layer

from workbench.engines.embedded.images import EmbeddedImages
from workbench.engines.embedded.save import save
from workbench.engines.embedded.store import Store
from workbench.errors import StoreError


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"only root can mount a small disk: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def scratch_of(store: Store) -> list[str]:
    return os.listdir(store.layout.scratch.folder)


async def test_a_full_disk(small_disk: Path, store: Store, tmp_path: Path) -> None:
    big = put_layer(store, make_tar(("big", os.urandom(2_000_000))))
    store.put_image(config_of(big), [big], tags=["big"])
    save(store, ["big"], tmp_path / "big.tar")
    images = EmbeddedImages(Store(small_disk / "store"))
    with pytest.raises(StoreError, match="No space left on device") as caught:
        await images.load(tmp_path / "big.tar")
    assert "workbench prune" in caught.value.hint
    assert await images.list() == []
    full = Store(small_disk / "store").open()
    assert scratch_of(full) == []

    holes = put_layer(full, make_tar(("small", b"x" * 400_000)))
    full.put_image(config_of(holes), [holes], tags=["small"])
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(StoreError, match="No space left on device"):
        full.unpacked(holes)
    with pytest.raises(StoreError, match="No space left on device"):
        await images.tag("small", "other")
    assert [image.tags for image in await images.list()] == [("small:latest",)]
    assert full.layers.get(holes.diff_id) is None
    with pytest.raises(StoreError, match=r"out\.tar.*No space left on device"):
        await EmbeddedImages(store).save(["big"], small_disk / "out.tar")
    filler.unlink()
    assert sorted(os.listdir(small_disk)) == ["store"]
    await images.tag("small", "other")
    assert (full.unpacked(holes) / "small").stat().st_size == 400_000


async def test_images_can_be_removed_from_a_full_disk(small_disk: Path) -> None:
    store = Store(small_disk / "store").open()
    layer = put_layer(store, make_tar(("small", b"x" * 400_000)))
    store.put_image(config_of(layer), [layer], tags=["small"])
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    images = EmbeddedImages(Store(small_disk / "store"))
    with pytest.raises(StoreError):
        await images.tag("small", "other")
    await images.remove(["small"])
    assert await images.list() == []
    assert list(store.layout.blobs.iterdir()) == []


async def test_a_read_only_disk_can_still_be_looked_at(small_disk: Path, tmp_path: Path) -> None:
    store = Store(small_disk / "store").open()
    layer = put_layer(store, make_tar(("a", b"a")))
    store.put_image(config_of(layer), [layer], tags=["a"])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    images = EmbeddedImages(Store(small_disk / "store"))
    assert [image.tags for image in await images.list()] == [("a:latest",)]
    assert (await images.inspect("a"))["RepoTags"] == ["a:latest"]
    with pytest.raises(StoreError, match="Read-only file system") as caught:
        await images.tag("a", "b")
    assert "--root" in caught.value.hint
    await images.save(["a"], tmp_path / "a.tar")
    assert await EmbeddedImages(Store(tmp_path / "other")).load(tmp_path / "a.tar") == ["a:latest"]
    with pytest.raises(StoreError, match="Read-only file system"):
        await EmbeddedImages(Store(small_disk / "new")).list()


async def test_a_store_of_somebody_else(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # asked now: another test may have entered a range of sub-UIDs, where everybody is root
        pytest.skip("root may write everywhere")
    store = Store(tmp_path / "store").open()
    layer = put_layer(store, make_tar(("a", b"a")))
    store.put_image(config_of(layer), [layer], tags=["a"])
    for path in (store.root, store.private, store.layout.blobs, store.layout.scratch.folder):
        path.chmod(0o555)
    (store.private / "lock").chmod(0o444)
    images = EmbeddedImages(Store(store.root))
    assert [image.tags for image in await images.list()] == [("a:latest",)]
    with pytest.raises(StoreError, match="Permission denied"):
        await images.tag("a", "b")
    for path in (store.root, store.private, store.layout.blobs, store.layout.scratch.folder):
        path.chmod(0o755)
