"""Outputs and caches in words, and what comes back from an engine that is not to be trusted."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from workbench.build.request import BuildRequest
from workbench.engines.buildkit.archive import docker_to_oci
from workbench.engines.buildkit.cache import read_caches, refuse_exports
from workbench.engines.buildkit.content import Layout
from workbench.engines.buildkit.exporters import Backend, Exports, plan_exports
from workbench.engines.buildkit.files import GO_DEVICE, GO_DIRECTORY, GO_SYMLINK
from workbench.engines.buildkit.filesend import FileOutput, Raw
from workbench.engines.buildkit.messages import DATA, FINISHED, REQUEST, STAT, messages
from workbench.engines.buildkit.outputs import STDOUT, Output, read_outputs
from workbench.engines.buildkit.receive import Receiving
from workbench.errors import ImageError, InputError, Unsupported, UsageError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("out", Output("local", "out")),
        ("type=local,dest=out", Output("local", "out", {})),
        ("type=tar,dest=x.tar", Output("tar", "x.tar", {})),
        ("-", Output("tar", STDOUT)),
        ("type=tar", Output("tar", STDOUT, {})),
        ("type=oci,dest=x,compression=zstd", Output("oci", "x", {"compression": "zstd"})),
        ("type=docker", Output("docker", "", {})),
        ("type=image,push=true", Output("image", "", {}, push=True)),
        ("type=registry", Output("image", "", {}, push=True)),
        ('"type=local","dest=a,b"', Output("local", "a,b", {})),
    ],
)
def test_outputs(text: str, wanted: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_outputs([text]) == (wanted,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("dest=x", "type= is missing"),
        ("type=nonsense", "no type 'nonsense'"),
        ("type=local", "a folder is missing"),
        ("type=image,dest=x", "has no dest"),
        ("type=tar,dest=.", "is a folder"),
        ("type=tar,dest=none/x.tar", "there is no folder"),
        ("type=local,dest=file", "is no folder"),
    ],
)
def test_outputs_that_are_refused(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=said):
        read_outputs([text])


def test_one_result_goes_to_stdout() -> None:
    with pytest.raises(UsageError, match="only one"):
        read_outputs(["-", "type=oci"])


def exports(backend: Backend, *texts: str, **options: Any) -> Exports:
    request = BuildRequest(context=None, output=texts, **options)
    return plan_exports(request, read_outputs(texts), backend)


def test_outputs_of_each_kind_of_engine(tmp_path: Path) -> None:
    docker, buildkitd = Backend("v0.13", many=True), Backend("v0.13", standalone=True, many=True)
    archive = f"type=oci,dest={tmp_path}/x"
    assert exports(docker, tags=("a",)).exporters == (("moby", {"name": "a:latest"}),)
    assert exports(buildkitd, tags=("a",)).exporters == ()
    here = exports(docker, archive, "type=registry", tags=("a",))
    assert here.exporters == (("moby", {"name": "a:latest"}),)
    assert here.push and [it.kind for it in here.save] == ["oci"]
    there = exports(buildkitd, archive, "type=registry", tags=("a",))
    assert there.exporters == (("oci", {"name": "a:latest"}), ("image", {"name": "a:latest", "push": "true"}))
    assert not there.push and not there.save
    with pytest.raises(Unsupported, match="more than one"):
        exports(Backend(""), "-", f"{tmp_path}/out")


def test_what_is_pushed_has_a_name() -> None:
    docker, buildkitd = Backend("v0.13"), Backend("v0.13", standalone=True)
    for backend in (docker, buildkitd):
        with pytest.raises(UsageError, match="needs a name"):
            exports(backend, "type=registry")
    named = exports(docker, "type=image,push=true,name=r:5000/a")
    assert named.push == named.names == ("r:5000/a:latest",)
    both = exports(docker, "type=registry,name=r:5000/a", tags=("r:5000/b",))
    assert both.push == ("r:5000/b:latest",) and both.exporters == (("moby", {"name": "r:5000/b:latest"}),)


def test_no_image_has_no_name(tmp_path: Path) -> None:
    for text in (f"{tmp_path}/out", "type=cacheonly"):
        made = exports(Backend("v0.13"), text, tags=("a",))
        assert made.names == () and "--tag names no image" in made.warnings[0]
    assert exports(Backend("v0.13"), "type=cacheonly").exporters == ()
    assert exports(Backend("v0.13"), tags=("a",)).names == ("a:latest",)


def test_what_dockers_own_store_would_pass_over_is_refused(tmp_path: Path) -> None:
    text = f"type=oci,dest={tmp_path}/x,compression=zstd"
    with pytest.raises(Unsupported, match="--output compression=zstd"):
        exports(Backend("v0.13"), text)
    assert exports(Backend("v0.13", containerd=True), text).exporters == (("oci", {"compression": "zstd"}),)
    with pytest.raises(Unsupported, match="tar=false"):
        read_outputs([f"type=oci,dest={tmp_path}/x,tar=false"])


def test_annotations() -> None:
    given = ("a=b", "index,manifest:c=d=e", "manifest-descriptor[linux/amd64]:org.x=")
    wanted = {
        "annotation-manifest.a": "b", "annotation-index.c": "d=e", "annotation-manifest.c": "d=e",
        "annotation-manifest-descriptor[linux/amd64].org.x": "",
    }  # fmt: skip
    there = exports(Backend("v0.13", containerd=True), annotations=given, tags=("t",))
    assert there.exporters == (("moby", {**wanted, "name": "t:latest"}),)
    with pytest.raises(Unsupported, match="--annotation"):
        exports(Backend("v0.13"), annotations=given)
    for text in ("a", "nosuch:a=b", "=b"):
        with pytest.raises(UsageError, match="--annotation"):
            exports(Backend("v0.13", containerd=True), annotations=(text,))


def test_caches(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.blob(f"sha256:{'0' * 64}").parent.mkdir(parents=True)
    layout.blob(f"sha256:{'0' * 64}").write_bytes(b"{}")
    layout.put({"digest": f"sha256:{'0' * 64}", "size": 2}, "latest")
    caches = read_caches(
        ["me/it:1", "type=registry,ref=r/x", f"type=local,src={tmp_path}", f"type=local,src={tmp_path},tag=other"],
        ["inline", "type=registry,ref=r/x,mode=max", f"type=local,dest={tmp_path},tag=new"],
    )
    assert [kind for kind, _ in caches.imports] == ["registry", "registry", "local"]
    assert caches.imports[2][1] == {"src": str(tmp_path), "digest": f"sha256:{'0' * 64}"}
    assert caches.exports[1:] == (
        ("registry", {"ref": "r/x", "mode": "max"}), ("local", {"dest": str(tmp_path)}),
    )  # fmt: skip
    assert caches.attributes["cache-from"] == "me/it:1,r/x"
    assert len(json.loads(caches.attributes["cache-imports"])) == 3
    assert len(caches.warnings) == 1 and "no cache is there yet" in caches.warnings[0]
    caches.finish({"cache.manifest": json.dumps({"digest": "sha256:1", "size": 1})})
    assert (layout.find("new"), layout.find("latest")) == ("sha256:1", f"sha256:{'0' * 64}")
    with pytest.raises(Unsupported, match="--cache-to type=registry"):
        refuse_exports(caches, standalone=False, containerd=False)
    refuse_exports(caches, standalone=False, containerd=True)


@pytest.mark.parametrize("text", ["type=local", "type=registry"])
def test_caches_without_a_place(text: str) -> None:
    for given in (([text], []), ([], [text])):
        with pytest.raises(UsageError, match="is missing"):
            read_caches(*given)


class Stream:
    """An engine that says what it was told to, and remembers what it was asked."""

    def __init__(self, packets: Sequence[Any]) -> None:
        self._packets = list(packets)
        self.asked: list[Any] = []

    async def recv_message(self) -> Raw | None:
        return Raw(self._packets.pop(0).SerializeToString()) if self._packets else None

    async def send_message(self, message: Raw) -> None:
        self.asked.append(messages().Packet.FromString(message.data))


def stat(path: bytes, mode: int = 0o644, **more: Any) -> Any:
    return messages().Packet(type=STAT, stat=messages().Stat(path=path, mode=mode, **more))


def data(number: int, content: bytes) -> list[Any]:
    made = messages().Packet
    return [made(type=DATA, ID=number, data=content), made(type=DATA, ID=number)]


END = messages().Packet(type=STAT)


async def test_a_tree_is_received(tmp_path: Path) -> None:
    packets = [
        stat(b"a", 0o2755 | GO_DIRECTORY, modTime=10**18), stat(b"a/f", 0o640, size=5, modTime=10**18),
        stat(b"caf\xe9"),
        stat(b"l", 0o777 | GO_SYMLINK, linkname=b"/etc/passwd"), stat(b"z", linkname=b"a/f"), END,
        *data(1, b"hello"), *data(2, b"x"), messages().Packet(type=FINISHED),
    ]  # fmt: skip
    stream = Stream(packets)
    await Receiving(stream, tmp_path / "out").run()
    assert [(it.type, it.ID) for it in stream.asked] == [(REQUEST, 1), (REQUEST, 2), (FINISHED, 0)]
    out = tmp_path / "out"
    assert (out / "a/f").read_text() == "hello" and (out / "z").samefile(out / "a/f")
    assert (out / "a/f").stat().st_mode & 0o777 == 0o640 and (out / "a").stat().st_mtime_ns == 10**18
    assert sorted(os.listdir(os.fsencode(out))) == [b"a", b"caf\xe9", b"l", b"z"]
    assert os.readlink(out / "l") == "/etc/passwd"


@pytest.mark.parametrize(
    "packets",
    [
        [stat(b"../evil")],
        [stat(b"/evil")],
        [stat(b"a/../../evil")],
        [stat(b"l", 0o777 | GO_SYMLINK, linkname=b".."), stat(b"l/evil"), *data(1, b"x")],
        [stat(b"l", 0o777 | GO_SYMLINK, linkname=b".."), stat(b"l/sub", GO_DIRECTORY | 0o755)],
        [stat(b"evil", linkname=b"../secret"), END],
        [stat(b"null", GO_DEVICE | 0o666)],
        data(7, b"nobody asked"),
    ],
)
async def test_nothing_is_written_elsewhere(packets: list[Any], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    with pytest.raises(InputError):
        await Receiving(Stream(packets), tmp_path / "out").run()
    assert sorted(it.name for it in tmp_path.iterdir()) == ["out", "secret"]
    assert not [it for it in (tmp_path / "out").iterdir() if it.name not in ("l",)]


async def test_what_broke_off_leaves_nothing(tmp_path: Path) -> None:
    await Receiving(Stream([stat(b"f"), END, data(0, b"half")[0]]), tmp_path).run()
    assert not list(tmp_path.iterdir())


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("before")
    file = FileOutput(str(tmp_path / "x"))
    file.write(b"half")
    file.close()
    assert [it.read_text() for it in tmp_path.iterdir()] == ["before"]


def archive(members: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out


def test_a_docker_archive_becomes_an_oci_archive() -> None:
    manifest = [{"Config": "c.json", "Layers": ["a/layer.tar", "b/layer.tar"], "RepoTags": ["r/x:1", "r/x:2"]}]
    source = archive(
        {"c.json": b"{}", "a/layer.tar": b"A", "b/layer.tar": b"A", "manifest.json": json.dumps(manifest).encode()}
    )
    out = io.BytesIO()
    docker_to_oci(source, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    index = json.loads(found["index.json"])
    assert [it["annotations"]["io.containerd.image.name"] for it in index["manifests"]] == ["r/x:1", "r/x:2"]
    described = json.loads(found["blobs/sha256/" + index["manifests"][0]["digest"].partition(":")[2]])
    assert [it["size"] for it in described["layers"]] == [1, 1]
    assert len([name for name in found if name.startswith("blobs/")]) == 3
    with pytest.raises(ImageError):
        docker_to_oci(io.BytesIO(b"no archive" * 100), io.BytesIO())
