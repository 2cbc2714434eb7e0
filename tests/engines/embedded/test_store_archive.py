"""save and load: what Docker reads and writes, and what a stranger's archive may try."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_tools import config_of, header, make_tar

from workbench.engines.embedded.catalog import machine
from workbench.engines.embedded.compression import plain
from workbench.engines.embedded.load import load
from workbench.engines.embedded.save import save
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.zstd import Decompressed
from workbench.errors import ImageNotFound, InputError, StoreError

MakeImage = Callable[..., str]


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other").open()


def archive_of(layer: bytes, config: dict[str, Any] | None = None, **manifest: object) -> bytes:
    """A docker-archive of one layer."""
    diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    config = config or {"os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    data = json.dumps(config).encode()
    name = f"{hashlib.sha256(data).hexdigest()}.json"
    item = {"Config": name, "RepoTags": ["a:1"], "Layers": ["l/layer.tar"]} | manifest
    return make_tar((name, data), ("l/layer.tar", layer), ("manifest.json", json.dumps([item]).encode()))


def test_what_is_saved_is_loaded(store: Store, other: Store, make_image: MakeImage, tmp_path: Path) -> None:
    make_image("base", "base:2", data=b"1")
    identifier = make_image("child", base="base", data=b"2", Cmd=["sh"])
    out = tmp_path / "out.tar"
    save(store, ["child:latest", "base"], out)
    assert set(load(other, out)) == {"child:latest", "base:latest", "base:2"}
    assert other.image("child").id == identifier
    assert other.image("child").config == store.image("child").config
    assert other.image("child").layers == store.image("child").layers
    first = out.read_bytes()
    save(store, ["child:latest", "base"], out)
    assert out.read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir() if ".part" in path.name) == []


def test_save_by_id_has_no_tag(store: Store, other: Store, make_image: MakeImage, tmp_path: Path) -> None:
    identifier = make_image("a")
    save(store, [identifier], tmp_path / "out.tar")
    assert load(other, tmp_path / "out.tar") == [identifier]
    assert other.image(identifier).tags == ()


def test_a_save_that_fails_leaves_what_was_there(store: Store, make_image: MakeImage, tmp_path: Path) -> None:
    make_image("a")
    out = tmp_path / "out.tar"
    out.write_text("before")
    with pytest.raises(ImageNotFound):
        save(store, ["a", "nothing"], out)
    store.blob_path(store.image("a").layers[0].digest).unlink()
    with pytest.raises(StoreError):
        save(store, ["a"], out)
    assert out.read_text() == "before"
    with pytest.raises(StoreError, match="No such file or directory"):
        save(store, [], tmp_path / "no" / "such" / "out.tar")


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, bz2.compress, lzma.compress])
def test_archives_and_layers_may_be_compressed(store: Store, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    layer = make_tar(("file", b"data"))
    diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    config = {"os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    (tmp_path / "a.tar").write_bytes(pack(archive_of(pack(layer), config)))
    assert load(store, tmp_path / "a.tar") == ["a:1"]
    assert (store.unpacked(store.image("a:1").layers[0]) / "file").read_bytes() == b"data"
    assert store.image("a:1").layers[0].digest == diff_id


def test_bases_of_docker_are_loaded(store: Store, conformance: Path) -> None:
    for path in sorted((conformance / "bases").glob("*.tar")):
        (tag,) = load(store, path)
        with tarfile.open(path) as tar:
            manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert tag == manifest[0]["RepoTags"][0]
        assert store.image(tag).id == f"sha256:{manifest[0]['Config'].removesuffix('.json')}"
        assert (store.unpacked(store.image(tag).layers[0]) / "bin").is_dir()


BAD = {
    "empty": b"",
    "noise": os.urandom(3000),
    "nothing in it": make_tar(),
    "no manifest": make_tar(("file", b"x")),
    "manifest not json": make_tar(("manifest.json", b"{")),
    "manifest of another shape": make_tar(("manifest.json", b'{"a": 1}')),
    "no config": make_tar(("manifest.json", b'[{"Config": "x.json"}]')),
    "config name of another kind": make_tar(("manifest.json", b'[{"Config": 3}]')),
    "names lead out": make_tar(("../manifest.json", b"[]")),
    "config leads out": make_tar(("manifest.json", b'[{"Config": "../../etc/passwd"}]')),
    "layer is no tar": archive_of(b"x" * 2000),
    "layer leads out": archive_of(make_tar(("../../etc/passwd", b"x"))),
    "layer of another digest": archive_of(
        make_tar(("a", b"a")), {"os": "linux", "rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}
    ),
    "too few layers": archive_of(make_tar(("a", b"a")), Layers=[]),
    "a layer is missing": archive_of(make_tar(("a", b"a")), Layers=["m/layer.tar"]),
    "a tag that is none": archive_of(make_tar(("a", b"a")), RepoTags=["A B"]),
    "windows": archive_of(make_tar(), {"os": "windows", "rootfs": {"diff_ids": []}}, Layers=[]),
    "cut off": archive_of(make_tar(("a", b"a" * 20000)))[:9000],
    "a header damaged": (lambda data: data[:1600] + b"\xff" * 300 + data[1900:])(archive_of(make_tar(("a", b"a")))),
    "gzip cut off": gzip.compress(archive_of(make_tar(("a", os.urandom(9000)))))[:-500],
    "only repositories": make_tar(("repositories", b"{}")),
    "a link to itself": make_tar(header("manifest.json", tarfile.SYMTYPE, link="manifest.json")),
    "oci index of another shape": make_tar(("index.json", b"[]")),
    "oci blob missing": make_tar(
        ("index.json", json.dumps({"manifests": [{"digest": "sha256:" + "0" * 64}]}).encode())
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_archives_are_explained_and_leave_nothing(store: Store, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(BAD[kind])
    with pytest.raises(InputError) as caught:
        load(store, path)
    assert "bad.tar" in str(caught.value)
    assert store.catalog().images == {}
    assert list(store.layout.scratch.folder.iterdir()) == []


def test_a_missing_archive_is_an_input_error(store: Store, tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.tar", tmp_path):
        with pytest.raises(InputError):
            load(store, path)


def test_what_docker_25_saves_is_loaded(store: Store, tmp_path: Path) -> None:
    """An OCI layout and a manifest.json in one archive; the manifest.json has the tags."""
    layer = make_tar(("file", b"data"))
    hexes = [hashlib.sha256(layer).hexdigest()]
    config = json.dumps({"os": "linux", "rootfs": {"diff_ids": [f"sha256:{hexes[0]}"]}}).encode()
    hexes.append(hashlib.sha256(config).hexdigest())
    item = {"Config": f"blobs/sha256/{hexes[1]}", "RepoTags": ["a:1", "a:2"], "Layers": [f"blobs/sha256/{hexes[0]}"]}
    archive = make_tar(
        (f"blobs/sha256/{hexes[0]}", layer),
        (f"blobs/sha256/{hexes[1]}", config),
        ("index.json", b'{"manifests": []}'),
        ("manifest.json", json.dumps([item]).encode()),
        ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
    )
    (tmp_path / "a.tar").write_bytes(archive)
    assert load(store, tmp_path / "a.tar") == ["a:1", "a:2"]
    assert store.image("a:2").id == f"sha256:{hexes[1]}"


def test_what_buildx_writes_is_loaded(store: Store, tmp_path: Path) -> None:
    """An index of this platform, another one and an attestation; the reference name is the bare tag."""
    blobs: list[tuple[str, bytes]] = []

    def put(data: bytes, **more: object) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs.append((f"blobs/sha256/{digest}", data))
        return {"digest": f"sha256:{digest}", "size": len(data), **more}

    def image(content: bytes, **platform: str) -> dict[str, object]:
        layer = make_tar(("file", content))
        diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        config = put(json.dumps({"os": platform["os"], "rootfs": {"diff_ids": [diff_id]}}).encode())
        manifest = {"schemaVersion": 2, "config": config, "layers": [put(gzip.compress(layer, mtime=0))]}
        return put(json.dumps(manifest).encode(), platform=platform)

    manifests = [
        image(b"attestation", os="unknown", architecture="unknown"),
        image(b"foreign", os="linux", architecture="s390x"),
        image(b"own", os="linux", architecture=machine()),
    ]
    index = put(json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())
    index["annotations"] = {
        "io.containerd.image.name": "docker.io/library/a:1",
        "org.opencontainers.image.ref.name": "1",
    }
    blobs.append(("index.json", json.dumps({"schemaVersion": 2, "manifests": [index]}).encode()))
    (tmp_path / "a.tar").write_bytes(make_tar(*blobs))
    assert load(store, tmp_path / "a.tar") == ["a:1"]
    assert (store.unpacked(store.image("a:1").layers[0]) / "file").read_bytes() == b"own"


def test_an_oci_layout_folder_and_archive_are_loaded(
    store: Store, other: Store, make_image: MakeImage, tmp_path: Path
) -> None:
    identifier = make_image("genesis", "b:2")
    assert set(load(other, store.root)) == {"genesis:latest", "b:2"}
    assert other.image("genesis").id == identifier
    with tarfile.open(tmp_path / "oci.tar", "w") as tar:
        for name in ("oci-layout", "index.json", "blobs"):
            tar.add(store.root / name, name)
    third = Store(tmp_path / "third").open()
    assert set(load(third, tmp_path / "oci.tar")) == {"genesis:latest", "b:2"}


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_and_writes_archives(store: Store, other: Store, make_image: MakeImage, tmp_path: Path) -> None:
    identifier = make_image("a:1", Env=["A=b"])
    save(store, ["a:1"], tmp_path / "saved.tar")
    for source, target in (
        (f"docker-archive:{tmp_path}/saved.tar", f"oci-archive:{tmp_path}/oci.tar:b:2"),
        (f"docker-archive:{tmp_path}/saved.tar", f"docker-archive:{tmp_path}/again.tar:c:3"),
    ):
        subprocess.run(["skopeo", "copy", "--insecure-policy", source, target], check=True, capture_output=True)
    assert load(other, tmp_path / "oci.tar") == ["b:2"]
    assert other.image("b:2").layers[0].diff_id == store.image("a:1").layers[0].diff_id
    assert load(other, tmp_path / "again.tar") == ["c:3"]
    assert other.image("c:3").id == identifier


def docker(host: str, *arguments: str) -> str:
    return subprocess.run(["docker", "-H", host, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker command")
def test_the_docker_engine_loads_what_is_saved_and_back(
    store: Store, other: Store, make_image: MakeImage, docker_host: str, tmp_path: Path
) -> None:
    tag = f"workbench-store-test-{os.getpid()}:1"
    identifier = make_image(tag, data=os.urandom(8), Cmd=["sh"], Labels={"a": "b"})
    save(store, [tag], tmp_path / "saved.tar")
    try:
        docker(docker_host, "load", "-i", str(tmp_path / "saved.tar"))
        assert docker(docker_host, "image", "inspect", "-f", "{{.Id}}", tag) == identifier
        assert int(docker(docker_host, "image", "inspect", "-f", "{{.Size}}", tag)) == store.image(tag).size
        docker(docker_host, "save", "-o", str(tmp_path / "back.tar"), tag)
        assert load(other, tmp_path / "back.tar") == [tag]
        assert other.image(tag).id == identifier
        assert other.image(tag).config == store.image(tag).config
        assert [layer.diff_id for layer in other.image(tag).layers] == config_of(*store.image(tag).layers)["rootfs"][
            "diff_ids"
        ]  # type: ignore[index]
    finally:
        subprocess.run(["docker", "-H", docker_host, "rmi", "-f", tag], capture_output=True, check=False)


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd command")
@pytest.mark.parametrize("damage", ["", "cut", "changed"])
def test_zstd_by_its_command(tmp_path: Path, damage: str) -> None:
    data = os.urandom(300_000) + bytes(3_000_000)
    packed = bytearray(subprocess.run(["zstd", "-cq"], input=data, stdout=subprocess.PIPE, check=True).stdout)
    if damage == "cut":
        del packed[-1000:]
    elif damage:
        packed[150_000] ^= 1
    stream = Decompressed(io.BytesIO(packed), "x.zst")
    try:
        if not damage:
            assert stream.read(10) == data[:10] and stream.read() == data[10:] and stream.read(1) == b""
            return
        with pytest.raises(InputError, match="damaged zstd"):
            while stream.read(1 << 20):
                pass
    finally:
        stream.close()


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd command")
def test_zstd_that_nobody_reads_to_its_end(tmp_path: Path) -> None:
    packed = subprocess.run(["zstd", "-cq"], input=os.urandom(3_000_000), stdout=subprocess.PIPE, check=True).stdout
    with plain(io.BytesIO(packed), "x.zst") as stream:
        assert len(stream.read(100)) == 100
    assert not [thread for thread in threading.enumerate() if thread.name == "zstd"]


_READS_A_LITTLE = """
import sys, time
from workbench.engines.embedded.zstd import decompressed
packed = decompressed(open(sys.argv[1], "rb"), "x")
packed.read(1)
print(packed._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd command")
@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM])
def test_zstd_ends_with_who_reads_it(tmp_path: Path, ends: signal.Signals) -> None:
    """However that ends: nothing else holds the ends of its pipes."""
    file = tmp_path / "x.zst"
    with file.open("wb") as out:
        subprocess.run(["zstd", "-cq", "-1"], input=os.urandom(3_000_000), stdout=out, check=True)
    with subprocess.Popen([sys.executable, "-c", _READS_A_LITTLE, file], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        zstd = os.pidfd_open(int(reader.stdout.readline()))
        reader.send_signal(ends)
    try:
        assert select.select([zstd], [], [], 10)[0], "zstd is left alone"
    finally:
        os.close(zstd)
