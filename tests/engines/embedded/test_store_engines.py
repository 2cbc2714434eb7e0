"""What is saved here loads into every Docker Engine and into Podman, and what they save loads here: the same image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_tools import config_of, header, make_tar, put_layer

from tests.conftest import missing
from workbench.engines.embedded.checking.examine import examine
from workbench.engines.embedded.load import load
from workbench.engines.embedded.save import save
from workbench.engines.embedded.store import Store

Tool = Callable[..., str]
pytestmark = pytest.mark.slow


def tool(*prefix: str) -> Tool:
    def run(*arguments: str) -> str:
        done = subprocess.run([*prefix, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.strip()

    return run


@pytest.fixture(params=["docker_20", "docker_26", "docker_28", "podman"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tool]:
    """The command of an engine, with its address."""
    if request.param != "podman":
        host = request.getfixturevalue(request.param)
        if shutil.which("docker") is None:
            missing("no docker command")
        yield tool("docker", "-H", host)
        return
    if os.geteuid() != 0:
        pytest.skip("podman without root needs sub-UIDs")
    if shutil.which("podman") is None:
        missing("no podman")
    with tempfile.TemporaryDirectory(prefix="wb-") as run:  # podman takes no longer path than 50 characters for it
        yield tool("podman", "--root", str(tmp_path / "podman"), "--runroot", run, "--storage-driver", "vfs")


def make_image(store: Store, tag: str) -> str:
    """Three layers: links, owners, modes, an attribute, a name that is not ASCII, a whiteout, an opaque folder."""
    lowest = make_tar(
        header("etc"), ("etc/gone", b"gone"), header("opaque"), ("opaque/old", b"old"), ("é", b"accent"),
        header("link", tarfile.SYMTYPE, link="etc/kept"), ("etc/kept", os.urandom(1000)),
        header("hard", tarfile.LNKTYPE, link="etc/kept"),
    )  # fmt: skip
    second = make_tar(
        header("etc"), ("etc/.wh.gone", b""), header("opaque"), ("opaque/.wh..wh..opq", b""), ("opaque/new", b"new"),
        header("pipe", tarfile.FIFOTYPE, mode=0o600, uid=7, gid=70000),
        header("suid", tarfile.REGTYPE, mode=0o4755, pax_headers={"SCHILY.xattr.user.x": "y", "mtime": "1.5"}),
    )  # fmt: skip
    layers = [put_layer(store, tar) for tar in (lowest, second, make_tar(("tmp", b"last")))]
    config = config_of(*layers, Cmd=["sh"], Labels={"a": "b"}, Env=["PATH=/bin"])
    return store.put_image(config, layers, tags=[tag])


@pytest.mark.timeout(120)
def test_there_and_back(engine: Tool, store: Store, tmp_path: Path) -> None:
    tag = f"localhost/workbench-store-{os.getpid()}:1"
    identifier = make_image(store, tag)
    save(store, [tag], tmp_path / "saved.tar")
    try:
        engine("load", "-i", str(tmp_path / "saved.tar"))
        (facts,) = json.loads(engine("image", "inspect", tag))
        assert facts["Config"]["Labels"] == {"a": "b"} and facts["Config"]["Cmd"] == ["sh"]
        image = store.image(tag)
        assert facts["RootFS"]["Layers"] == [layer.diff_id for layer in image.layers]
        assert facts["Id"].removeprefix("sha256:") == identifier.removeprefix("sha256:")
        engine("save", "-o", str(tmp_path / "back.tar"), tag)
        other = Store(tmp_path / "other").open()
        assert load(other, tmp_path / "back.tar") == [tag]
        back = other.image(tag)
        assert (back.id, back.config, back.size) == (identifier, image.config, image.size)
        assert [layer.digest for layer in back.layers] == [layer.digest for layer in image.layers]
        assert examine(other).findings == []
    finally:
        engine("rmi", "-f", tag)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_packed_layers_of_another_tool(store: Store, tmp_path: Path, packed: str) -> None:
    """An OCI archive whose layers are packed."""
    if shutil.which("skopeo") is None:
        pytest.skip("no skopeo")
    identifier = make_image(store, "packed:1")
    subprocess.run(
        ["skopeo", "copy", "--dest-compress-format", packed, "--dest-compress", f"oci:{store.root}:packed:1",
         f"dir:{tmp_path / 'dir'}"],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(
        ["skopeo", "copy", "--preserve-digests", f"dir:{tmp_path / 'dir'}",
         f"oci-archive:{tmp_path / 'packed.tar'}:packed:1"],
        check=True, capture_output=True,
    )  # fmt: skip
    other = Store(tmp_path / "other").open()
    assert load(other, tmp_path / "packed.tar") == ["packed:1"]
    assert other.image("packed:1").id == identifier
    assert [layer.digest for layer in other.image("packed:1").layers] == [
        layer.digest for layer in store.image("packed:1").layers
    ]
