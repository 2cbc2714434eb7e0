"""The step cache stays within its bound: the longest unused steps go, and nothing that an image stands on."""

from __future__ import annotations

import os
from pathlib import Path

from builds import Builder

from workbench.config import load_config
from workbench.engines.choose import make
from workbench.engines.embedded.cache_bound import CacheBound, trim, trim_now_and_then

MANY = 1 << 40


async def steps(build: Builder, number: int) -> str:
    """One image of one layer without a name but `latest` of the whole test; its layer's digest."""
    result = await build(f"FROM scratch\nCOPY f{number} /\n", {f"f{number}": f"{number}" * 5000})
    return build.store.image(result.image).layers[0].digest


def age(build: Builder) -> None:
    """Every entry that is there was last asked for an hour earlier than now."""
    for path in build.store.cache_roots.folder.iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 3600))


async def test_the_longest_unused_go(scratch_build: Builder) -> None:
    layers = []
    for number in range(4):
        layers.append(await steps(scratch_build, number))
        age(scratch_build)
    await scratch_build.engine.images.tag(
        (await scratch_build("FROM scratch\nCOPY f0 /\n")).image, "kept"
    )  # asked for again, and so the youngest
    images = [image.id for image in await scratch_build.engine.images.list() if "kept:latest" not in image.tags]
    store = scratch_build.store
    for identifier in images:
        with store.layout.changing() as entries:
            entries[:] = [it for it in entries if it["digest"] not in store.image(identifier).entries]
    assert trim(store, CacheBound(2, MANY)) == 2
    assert [store.has_blob(layer) for layer in layers] == [True, False, False, True]
    assert len(list((store.private / "steps").glob("*.json"))) == 2
    assert len(list((store.private / "steps").glob("*.manifest"))) == 2
    assert trim(store, CacheBound(2, MANY)) == 0
    assert (await scratch_build("FROM scratch\nCOPY f3 /\n")).cached == [False, True]
    assert (await scratch_build("FROM scratch\nCOPY f1 /\n")).cached == [False, False]


async def test_bytes_count_once_and_images_cost_nothing(scratch_build: Builder) -> None:
    layer = await steps(scratch_build, 1)
    store = scratch_build.store
    files = sum(path.stat().st_size for path in (store.private / "steps").iterdir())
    assert trim(store, CacheBound(10, files)) == 0
    assert trim(store, CacheBound(10, files - 1)) == 1
    assert store.has_blob(layer), "its image is there"
    assert (await scratch_build.engine.images.list())[0].id


async def test_a_build_looks_now_and_then(scratch_build: Builder) -> None:
    await steps(scratch_build, 1)
    assert (scratch_build.store.private / "trimmed").exists()
    assert trim_now_and_then(scratch_build.store, CacheBound(0, 0)) == 0
    os.utime(scratch_build.store.private / "trimmed", (0, 0))
    assert trim_now_and_then(scratch_build.store, CacheBound(0, 0)) == 1


async def test_what_a_running_build_holds_stays(scratch_build: Builder) -> None:
    layer = await steps(scratch_build, 1)
    store = scratch_build.store
    with store.keep():
        store.hold(store.image((await scratch_build.engine.images.list())[0].id).layers)
        with store.layout.changing() as entries:
            entries.clear()
        assert trim(store, CacheBound(0, 0)) == 1
        assert store.has_blob(layer)


def test_the_bound_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("cache_steps = 7\ncache_gb = 1.5\n")
    engine = make("embedded", load_config({"WORKBENCH_ROOT": str(tmp_path / "store")}, file))
    assert engine._bound == CacheBound(7, 1_500_000_000)  # type: ignore[attr-defined]
