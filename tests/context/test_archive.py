"""The archive: what the docker CLI sends, and what becomes of files that will not hold still."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from workbench.context.archive import ArchiveStats, dockerfile_name, write_context
from workbench.context.ignore import IgnoreRules, load_rules
from workbench.context.scan import Cancelled, scan
from workbench.errors import InputError

DockerCLI = Callable[..., tuple[str, bytes]]


def archive(
    context: Path, dockerfile: str | Path = "Dockerfile", text: tuple[str, bytes] | None = None
) -> tuple[bytes, ArchiveStats]:
    out = io.BytesIO()
    stats = write_context(scan(context, load_rules(context, dockerfile)), out, dockerfile=text)
    assert stats.bytes == len(out.getvalue())
    return out.getvalue(), stats


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {
            member.name: file.read() if member.isreg() and (file := tar.extractfile(member)) else b"" for member in tar
        }


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """Whatever a folder may hold that an ordinary user can make."""
    root = tmp_path / "context"
    for name in ["d/in", "d/out", "n" * 90 + "/" + "m" * 120, "s" * 60 + "/" + "t" * 60, "empty/.keep", "ignored"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / ("f" * 98) / "deep").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (root / ".dockerignore").write_text("d\n!d/in\nDockerfile\n.dockerignore\nignored\n")
    (root / "tool").write_bytes(b"x" * 1500)
    (root / "tool").chmod(0o4751)
    os.utime(root / "tool", ns=(5, 1_600_000_000_987_654_321))
    os.link(root / "tool", root / "ztool")
    os.link(root / "ignored", root / "also-ignored")
    os.mkfifo(root / "fifo")
    os.symlink("nowhere", root / "dangling")
    os.symlink("x" * 150, root / "long-link")
    os.symlink("\u00fc", root / "foreign-link")
    for name in [b"bad\xff", "\u00e9t\u00e9".encode(), b"new\nline"]:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_text("q")
    (root / "old").touch()
    os.utime(root / "old", ns=(0, -5_500_000_000))
    (root / "future").touch()
    os.utime(root / "future", (2**33 + 5, 2**33 + 5))
    (root / "sticky").mkdir()
    (root / "sticky").chmod(0o1777)
    return root


def test_byte_for_byte_what_the_docker_cli_sends(odd_folder: Path, docker_cli: DockerCLI) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(odd_folder / "socket"))
        _, theirs = docker_cli(odd_folder)
        ours, stats = archive(odd_folder)
    assert members(ours) == members(theirs)
    assert ours == theirs
    assert stats.changed == ()


def test_a_dockerfile_outside_as_the_docker_cli_sends_it(odd_folder: Path, docker_cli: DockerCLI) -> None:
    outside = odd_folder.parent / "Dockerfile.outside"
    outside.write_text("FROM scratch\n")
    random_name, theirs = docker_cli("-f", outside, odd_folder)
    name = dockerfile_name(outside.read_bytes())
    ours, _ = archive(odd_folder, outside, (name, outside.read_bytes()))
    their_members = members(theirs + bytes(2048))  # the CLI forgets the end when it adds a member
    their_members[name] = their_members.pop(random_name)
    their_members[".dockerignore"] = their_members[".dockerignore"].replace(random_name.encode(), name.encode())
    assert members(ours) == their_members


def test_the_structure_without_docker(odd_folder: Path) -> None:
    data, stats = archive(odd_folder)
    assert data == archive(odd_folder)[0], "not deterministic"
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {member.name: member for member in tar}
    assert list(found)[:4] == [".dockerignore", "Dockerfile", "also-ignored", os.fsdecode(b"bad\xff")]
    assert {(member.uid, member.gid, member.uname, member.gname) for member in found.values()} == {(0, 0, "", "")}
    assert all(member.mtime == int(member.mtime) for member in found.values())
    assert "d/in" in found and "d" not in found and "d/out" not in found and "ignored" not in found
    assert found["tool"].mode == 0o4751 and found["tool"].size == 1500 and found["tool"].mtime == 1_600_000_000
    assert found["ztool"].islnk() and found["ztool"].linkname == "tool"
    assert found["also-ignored"].isreg()
    assert found["fifo"].isfifo() and found["long-link"].linkname == "x" * 150
    assert found["old"].mtime == -6 and found["sticky"].mode == 0o1777
    assert stats.files == sum(not member.isdir() for member in found.values())
    assert data.endswith(bytes(1024)) and len(data) % 512 == 0


def test_the_build_files_come_from_a_folder_that_is_not_gone_into(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "a").touch()
    (tmp_path / "z").touch()
    (tmp_path / ".dockerignore").write_text("docker\n")
    assert list(members(archive(tmp_path, "docker/Dockerfile")[0])) == [".dockerignore", "a", "docker/Dockerfile", "z"]


def test_a_text_instead_of_the_one_on_disk(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "z").touch()
    data, _ = archive(tmp_path, text=("Dockerfile", b"FROM busybox\n"))
    assert members(data) == {"Dockerfile": b"FROM busybox\n", "z": b""}


def test_a_dockerfile_outside_is_hidden_from_copy(tmp_path: Path) -> None:
    (tmp_path / "z").touch()
    assert members(archive(tmp_path, tmp_path.parent / "D", (".dockerfile.1", b"FROM scratch\n"))[0]) == {
        "z": b"",
        ".dockerignore": b".dockerignore\n.dockerfile.1\n",
        ".dockerfile.1": b"FROM scratch\n",
    }


def test_files_that_do_not_hold_still(tmp_path: Path) -> None:
    for name in ["grows", "shrinks", "vanishes", "turns"]:
        (tmp_path / name).write_bytes(b"0123456789")
    (tmp_path / "big").write_bytes(b"b" * (3 << 20))
    found = scan(tmp_path, IgnoreRules())

    def meddle(written: int) -> None:
        (tmp_path / "big").write_bytes(b"c")

    with open(tmp_path / "grows", "ab") as file:
        file.write(b"more")
    (tmp_path / "vanishes").unlink()
    (tmp_path / "turns").unlink()
    os.mkfifo(tmp_path / "turns")
    out = io.BytesIO()
    stats = write_context(found, out, progress=meddle)
    contents = members(out.getvalue())
    assert contents["grows"] == b"0123456789more"
    assert len(contents["big"]) == 3 << 20 and contents["big"].endswith(bytes(1 << 20))
    assert set(contents) == {"grows", "shrinks", "big"}
    assert stats.changed == ("big", "turns", "vanishes")


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("x")
    found = scan(tmp_path, IgnoreRules())
    real_open = os.open

    def refusing(path: str, *rest: int) -> int:
        if path.endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *rest)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(InputError, match="cannot read secret of the build context: Permission denied"):
        write_context(found, io.BytesIO())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_nothing_is_written_when_the_scan_knew_better(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0)
    out = io.BytesIO()
    with pytest.raises(InputError, match="secret"):
        write_context(scan(tmp_path, IgnoreRules()), out)
    assert out.getvalue() == b""


def test_cancel_and_progress(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(5 << 20))
    told: list[int] = []
    with pytest.raises(Cancelled):
        write_context(scan(tmp_path, IgnoreRules()), io.BytesIO(), progress=told.append, cancel=lambda: len(told) == 2)
    assert len(told) == 2 and 0 < told[0] < told[1]


class Engine(http.client.HTTPConnection):
    """The raw API of an engine on a unix socket."""

    def __init__(self, address: str) -> None:
        super().__init__("docker", timeout=60)
        self._path = address.removeprefix("unix://")

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self.request(method, path, body, {"Content-Type": "application/x-tar"})
        answer = self.getresponse()
        data = answer.read()
        assert answer.status < 300, data
        return data

    def layers(self, tar: bytes, dockerfile: str) -> list[dict[str, tuple[object, ...]]]:
        """Builds, and lists every member of every layer; the image is removed again."""
        options = urlencode({"dockerfile": dockerfile, "nocache": 1, "rm": 1, "version": 1})
        lines = [json.loads(line) for line in self.call("POST", f"/build?{options}", tar).splitlines()]
        images = [line["aux"]["ID"] for line in lines if "aux" in line]
        assert images, lines
        try:
            saved = self.call("GET", f"/images/{images[-1]}/get")
        finally:
            self.call("DELETE", f"/images/{images[-1]}?force=1")
        with tarfile.open(fileobj=io.BytesIO(saved)) as outer:
            files = [outer.extractfile(member) for member in outer if member.name.endswith("/layer.tar")]
            return [listing(file.read()) for file in files if file]


def listing(layer: bytes) -> dict[str, tuple[object, ...]]:
    """Everything of each member but its time."""
    contents = members(layer)
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {m.name: (m.type, m.mode, m.uid, m.gid, m.size, m.linkname, contents[m.name]) for m in tar}


def test_a_real_engine_builds_the_same_image(odd_folder: Path, docker_cli: DockerCLI, docker_host: str) -> None:
    engine = Engine(docker_host)
    theirs = engine.layers(docker_cli(odd_folder)[1], "Dockerfile")
    ours = engine.layers(archive(odd_folder)[0], "Dockerfile")
    assert ours == theirs
    (layer,) = ours
    assert "d/in" in layer and "tool" in layer
    assert not {"Dockerfile", ".dockerignore", "d/out", "ignored"} & set(layer)


def test_a_real_engine_does_not_copy_what_only_it_needs(tmp_path: Path, docker_host: str) -> None:
    (tmp_path / "Dev").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / "Dev.dockerignore").write_text("Dev*\nb\n")
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    data, _ = archive(tmp_path, "Dev")
    assert [set(layer) for layer in Engine(docker_host).layers(data, "Dev")] == [{"a"}]
    text = b"FROM scratch\nCOPY . /\n"
    name = dockerfile_name(text)
    data, _ = archive(tmp_path, tmp_path.parent / "Outside", (name, text))
    assert [set(layer) for layer in Engine(docker_host).layers(data, name)] == [{"a", "b", "Dev", "Dev.dockerignore"}]
