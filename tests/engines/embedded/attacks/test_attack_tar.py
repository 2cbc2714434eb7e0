"""Hostile tars, in each of the four places where one is unpacked: ADD, a layer under a RUN, a context, an import."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from attack_tools import SECRET, Outside
from builds import Builder, make_tar
from hostile_tars import FOLDER, X, bombs, hard, link, traversals
from store_tools import config_of, put_layer

from workbench.context.unpack import Peeked
from workbench.context.unpack import unpack as unpack_context
from workbench.engines.embedded.disk import remove_tree
from workbench.engines.embedded.layer_index import LayerIndex
from workbench.engines.embedded.layers import Form, unpack
from workbench.engines.embedded.load import load
from workbench.engines.embedded.store import Store
from workbench.errors import WorkbenchError

NAMES = sorted(traversals(Outside(Path("/outside"), {}, [])))


def scratch_of(outside: Outside, name: str) -> Path:
    folder = outside.path.parent / name
    folder.mkdir(exist_ok=True)
    return folder


def inside_only(folder: Path) -> None:
    """Every path below is really below, and no file there is one of outside under another name."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        assert path.resolve().is_relative_to(folder.resolve())
        assert SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize("form", list(Form))
def test_a_layer_stays_in_its_folder(outside: Outside, form: Form) -> None:
    for name, tar in traversals(outside).items():
        folder = scratch_of(outside, name)
        try:
            unpack(io.BytesIO(tar), folder, form=form)
        except WorkbenchError as error:
            assert str(error)
        inside_only(folder)
        outside.check()


def test_a_context_stays_in_its_folder(outside: Outside) -> None:
    """`workbench build - < context.tar`, or one from a URL."""
    for name, tar in traversals(outside).items():
        folder = scratch_of(outside, name)
        try:
            unpack_context(Peeked(io.BytesIO(tar)), folder)
        except WorkbenchError as error:
            assert str(error)
        inside_only(folder)
        outside.check()


async def test_add_stays_in_its_destination(scratch_build: Builder, outside: Outside) -> None:
    """Each below /x of an image of its own: nothing of the layer lies elsewhere."""
    for name, tar in traversals(outside).items():
        built = await scratch_build(f"FROM scratch\nADD a.tar /x/\nLABEL n={name}\n", {"a.tar": tar})
        if built.end.outcome == "succeeded":
            layer = built.layer()
            assert {path.split("/")[0] for path in layer} <= {"x"}, name
            assert not any(".." in path.split("/") or path.startswith("/") for path in layer), name
            assert not any(info.islnk() and not info.linkname.startswith("x/") for info in layer.values()), name
        else:
            assert built.end.error, name
        outside.check()


@pytest.mark.slow
@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("name", NAMES)
async def test_a_base_image_stays_in_its_layer(build: Builder, outside: Outside, name: str) -> None:
    """A loaded image's layer is unpacked under a RUN, which then reads and writes through what it brought."""
    layers = [build.store.image("busybox").layers[0], put_layer(build.store, traversals(outside)[name])]
    try:
        build.store.put_image(config_of(*layers), layers, tags=["hostile:latest"])
    except WorkbenchError as error:
        assert "leads out" in str(error)
        return
    script = "cat /l/secret /d/secret /h /e/secret; echo x > /h; rm -rf /l/* /d/*; echo x > /l/pwned"
    built = await build(f"FROM hostile\nRUN timeout 2 sh -c '{script}' 2>/dev/null; true\n")
    assert SECRET not in built.log
    assert built.end.outcome == "succeeded" or built.end.error


@pytest.mark.parametrize("place", ["layer", "index", "context", "add", "image"])
@pytest.mark.parametrize("name", sorted(bombs()))
async def test_bombs_end(scratch_build: Builder, tmp_path: Path, place: str, name: str) -> None:
    """In seconds, in bounded memory, in an error of ours or a small result; nothing is filled up."""
    tar = bombs()[name]()
    free = shutil.disk_usage(tmp_path).free
    began = time.monotonic()
    try:
        if place == "layer":
            folder = tmp_path / "layer"
            folder.mkdir()
            unpack(io.BytesIO(tar), folder)
        elif place == "index":
            (tmp_path / "layer.tar").write_bytes(tar)
            LayerIndex.read(tmp_path / "layer.tar")
        elif place == "context":
            folder = tmp_path / "unpacked"
            folder.mkdir()
            unpack_context(Peeked(io.BytesIO(tar)), folder)
        elif place == "add":
            built = await scratch_build("FROM scratch\nADD a.tar /x/\n", {"a.tar": tar})
            assert built.end.outcome in ("succeeded", "failed")
        else:
            (tmp_path / "image.tar").write_bytes(tar)
            load(Store(tmp_path / "other").open(), tmp_path / "image.tar")
    except WorkbenchError as error:
        assert str(error)
    finally:
        for folder in ("layer", "unpacked", "store", "other"):
            remove_tree(tmp_path / folder)  # some are deeper than others can remove
    assert time.monotonic() - began < 20
    assert free - shutil.disk_usage(tmp_path).free < 1 << 31


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_device_nodes_of_the_machine(tmp_path: Path, kind: bytes) -> None:
    """A disk's device node in a layer: without root it cannot be made, as root it cannot be opened in the sandbox."""
    tar = make_tar(("disk", {"type": kind, "device": (8, 0), "mode": 0o666}))
    done = unpack(io.BytesIO(tar), tmp_path)
    if os.geteuid() != 0:
        assert not (tmp_path / "disk").exists()
        assert "only root" in done.warnings[0]


@pytest.mark.usefixtures("sandbox")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make device nodes")
async def test_device_nodes_cannot_be_opened(build: Builder) -> None:
    """Neither one that a tar brought nor one that the command makes reaches the machine's memory or null."""
    tar = make_tar(
        ("mem", {"type": tarfile.CHRTYPE, "device": (1, 1), "mode": 0o666}),
        ("null", {"type": tarfile.CHRTYPE, "device": (1, 3), "mode": 0o666}),
    )
    built = await build(
        "FROM busybox\nADD a.tar /d/\nRUN for d in /d/*; do (head -c1 $d && echo ESCAPED; echo x > $d && echo ESCAPED);"
        " done 2>/dev/null; true\n",
        {"a.tar": tar},
    )
    assert built.log == ""


async def test_a_capability_of_a_file_is_not_the_hosts(scratch_build: Builder, tmp_path: Path) -> None:
    """security.capability of a tar goes into the layer as Docker puts it there, and onto no file outside."""
    value = b"\x01\x00\x00\x02\xff\xff\xff\xff" + bytes(12)
    tar = make_tar(("ping", {"data": b"x", "mode": 0o755, "pax": {
        "SCHILY.xattr.security.capability": value.decode("utf-8", "surrogateescape")}}))  # fmt: skip
    built = await scratch_build("FROM scratch\nADD a.tar /\n", {"a.tar": tar})
    assert "SCHILY.xattr.security.capability" in built.layer()["ping"].pax_headers


def many(count: int) -> bytes:
    return make_tar(*((f"d{n % 100}/f{n}", {}) for n in range(count)))


def test_memory_is_not_taken_entry_by_entry(tmp_path: Path) -> None:
    """A layer of many entries: unpacking remembers none of the files."""
    tar = many(3000)
    tracemalloc.start()
    unpack(io.BytesIO(tar), tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


def test_the_limit_of_open_files_does_not_matter(tmp_path: Path) -> None:
    soft, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard_limit))
    try:
        assert unpack(io.BytesIO(many(200)), tmp_path).entries == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard_limit))


IMAGES: dict[str, Callable[[Outside], bytes]] = {}


def image(name: str) -> Callable[[Callable[[Outside], bytes]], None]:
    def note(make: Callable[[Outside], bytes]) -> None:
        IMAGES[name] = make

    return note


def archive(config: str = "c.json", layers: list[str] | None = None, *more: tuple[str, dict[str, object]]) -> bytes:
    manifest = json.dumps([{"Config": config, "RepoTags": ["evil:1"], "Layers": layers or []}]).encode()
    document = json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}).encode()
    return make_tar(("manifest.json", {"data": manifest}), ("c.json", {"data": document}), *more)


image("CVE-2014-9358-config-outside")(lambda outside: archive(outside.climb() + "/secret"))
image("config-absolute")(lambda outside: archive(str(outside.secret)))
image("CVE-2014-9358-layer-outside")(lambda outside: archive(layers=[outside.climb() + "/secret"]))
image("layer-absolute")(lambda outside: archive(layers=[str(outside.secret)]))
image("layer-is-a-link")(
    lambda outside: archive("c.json", ["l/layer.tar"], ("l", FOLDER), ("l/layer.tar", link(str(outside.secret))))
)
image("layer-is-a-link-up")(lambda outside: archive("c.json", ["l.tar"], ("l.tar", link(outside.climb() + "/secret"))))
image("layer-is-a-hard-link-out")(lambda outside: archive("c.json", ["l.tar"], ("l.tar", hard(str(outside.secret)))))
image("layer-is-a-device")(lambda _: archive("c.json", ["l.tar"], ("l.tar", {"type": tarfile.CHRTYPE})))
image("layer-is-a-fifo")(lambda _: archive("c.json", ["l.tar"], ("l.tar", {"type": tarfile.FIFOTYPE})))
image("links-in-a-circle")(lambda _: archive("c.json", ["a"], ("a", link("b")), ("b", link("a"))))
image("CVE-2024-3727-digest-is-no-digest")(
    lambda outside: make_tar(("index.json", {"data": json.dumps(
        {"manifests": [{"digest": "sha256:" + outside.climb() + "/secret", "size": 1}]}).encode()}))
)  # fmt: skip
image("digest-of-another-algorithm")(
    lambda _: make_tar(("index.json", {"data": b'{"manifests": [{"digest": "md5:../../x", "size": 1}]}'}))
)
image("an-index-that-names-itself")(
    lambda _: make_tar(
        ("index.json", {"data": json.dumps({"manifests": [{"digest": "sha256:" + "1" * 64, "size": 1}]}).encode()}),
        ("blobs/sha256/" + "1" * 64, {"data": b'{"manifests": [{"digest": "sha256:' + b"1" * 64 + b'"}]}'}),
    )
)
image("json-nested-too-deep")(lambda _: make_tar(("manifest.json", {"data": b"[" * 200_000})))
image("json-of-other-types")(lambda _: make_tar(("manifest.json", {"data": b'[{"Config": {"x": 1}, "Layers": 3}]'})))
image("tag-with-a-path")(
    lambda _: archive().replace(b"evil:1", b"../x:1"),
)


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_hostile_archives_of_images(outside: Outside, name: str) -> None:
    """`load` refuses each by its fault, and the store has no image of it and nothing of outside."""
    file = outside.path.parent / "image.tar"
    file.write_bytes(IMAGES[name](outside))
    store = Store(outside.path.parent / "store").open()
    with pytest.raises(WorkbenchError) as caught:
        load(store, file)
    assert SECRET not in str(caught.value)
    assert list(store.catalog().images) == []


def test_a_layout_whose_blobs_are_links(outside: Outside) -> None:
    """An OCI layout folder of a stranger: its blobs lead out, to be read as what they are not."""
    layout = outside.path.parent / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    name = "2" * 64
    (layout / "index.json").write_text(json.dumps({"manifests": [{"digest": f"sha256:{name}", "size": 1}]}))
    for target in (str(outside.secret), outside.climb() + "/secret"):
        (layout / "blobs" / "sha256" / name).unlink(missing_ok=True)
        (layout / "blobs" / "sha256" / name).symlink_to(target)
        with pytest.raises(WorkbenchError, match="leads out") as caught:
            load(Store(outside.path.parent / "store").open(), layout)
        assert SECRET not in str(caught.value)


def test_a_layer_that_is_not_its_digest(outside: Outside) -> None:
    """CVE-2014-8179's kind: what is not what its name says is not used, and no image of it remains."""
    file = outside.path.parent / "image.tar"
    file.write_bytes(archive("c.json", ["l.tar"], ("l.tar", {"data": make_tar(("f", X))})))
    store = Store(outside.path.parent / "store").open()
    with pytest.raises(WorkbenchError, match="digest"):
        load(store, file)
    assert list(store.catalog().images) == []
