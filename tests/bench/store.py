"""The store with many images and big layers. Run it: python tests/bench/store.py

One image put among 5,000 against among 10 (goal: 15 times, for the index is one file); a layer of 20,000 files unpacked
against `tar x` of it (goal: 3 times); folders 1,600 deep added from a tar against 800 deep (goal: 3 times).
"""

from __future__ import annotations

import asyncio
import io
import itertools
import subprocess
import tarfile
import tempfile
from pathlib import Path

from table import Row, medians_of, print_table

from workbench.build.request import BuildRequest
from workbench.engines.embedded.catalog import CONFIG_NOTE
from workbench.engines.embedded.disk import remove_tree
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.layers import unpack
from workbench.engines.embedded.layout import MANIFEST
from workbench.engines.embedded.store import LayerRef, Store, to_json

_NUMBERS = itertools.count()


def tar_of(names: list[str], *, kind: bytes = tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            info.size = 200 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return out.getvalue()


def config_of(layer: LayerRef) -> dict[str, object]:
    rootfs = {"type": "layers", "diff_ids": [layer.digest]}
    return {"architecture": "amd64", "os": "linux", "config": {"Labels": {"n": str(next(_NUMBERS))}}, "rootfs": rootfs}


def filled(root: Path, images: int) -> tuple[Store, LayerRef]:
    """A store with so many nameless images, written at one stroke."""
    store = Store(root).open()
    found = store.layout.put_bytes(tar_of(["file"]))
    layer = LayerRef(found.digest, found.digest, found.size)
    with store.layout.changing() as entries:
        for _ in range(images):
            config = store.put_json(config_of(layer))
            described = {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
            manifest = store.layout.put_bytes(
                to_json({"schemaVersion": 2, "config": {"digest": config, "size": 1}, "layers": [described]})
            )
            entries.append(
                {"mediaType": MANIFEST, "digest": manifest.digest, "size": manifest.size,
                 "annotations": {CONFIG_NOTE: config}}
            )  # fmt: skip
    return store, layer


def many_images(folder: Path) -> Row:
    def put(store: Store, layer: LayerRef) -> str:
        return store.put_image(config_of(layer), [layer], tags=["bench:1"])

    few, many = filled(folder / "few", 10), filled(folder / "many", 5000)
    return Row("put an image: 5,000 / 10", *medians_of(lambda: put(*many), lambda: put(*few), 9), goal=15)


def big_layer(folder: Path) -> Row:
    tar = folder / "layer.tar"
    tar.write_bytes(tar_of([f"usr/share/d{number // 30}/f{number}" for number in range(20_000)]))

    def fresh() -> Path:
        root = folder / f"root{next(_NUMBERS)}"
        root.mkdir()
        return root

    def ours() -> None:
        with tar.open("rb") as source:
            unpack(source, fresh())

    def theirs() -> None:
        subprocess.run(["tar", "-xf", tar, "-C", fresh()], check=True)

    return Row("unpack 20,000 files / tar", *medians_of(ours, theirs, 3), goal=3)


def deep_folders(folder: Path) -> Row:
    engine = EmbeddedEngine(folder / "deep-store")

    def context(depth: int) -> BuildRequest:
        path = folder / f"deep{depth}"
        path.mkdir()
        names = ["/".join("a" * number) for number in range(1, depth + 1)]
        (path / "a.tar").write_bytes(tar_of(names, kind=tarfile.DIRTYPE))
        (path / "Dockerfile").write_text("FROM scratch\nADD a.tar /\n")
        return BuildRequest(context=path, no_cache=True)

    async def built(request: BuildRequest) -> None:
        async for _ in engine.build(request):
            pass

    deep, half = context(1600), context(800)
    times = medians_of(lambda: asyncio.run(built(deep)), lambda: asyncio.run(built(half)), 3)
    return Row("add folders: 1,600 / 800 deep", *times, goal=3)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="workbench-bench-"))
    try:
        print_table("The store", [many_images(folder), big_layer(folder), deep_folders(folder)])
    finally:
        remove_tree(folder)


if __name__ == "__main__":
    main()
