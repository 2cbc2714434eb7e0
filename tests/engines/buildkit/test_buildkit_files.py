"""What FileSync tells the engine of a folder, and how a transfer goes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from multidict import MultiDict

from workbench.engines.buildkit import files
from workbench.engines.buildkit.files import NO_DATA, File, FolderTree, MemoryTree, Tree, Wanted
from workbench.engines.buildkit.filesync import Transfer, read_wanted
from workbench.engines.buildkit.messages import DATA, FAILED, FINISHED, REQUEST, STAT, messages
from workbench.engines.buildkit.session import shared_key
from workbench.errors import InputError


def listed(root: Path, follow: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[File]:
    return list(FolderTree(root).files(Wanted(follow, exclude), lambda: False))


def names(root: Path, follow: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    return [os.fsdecode(file.path) for file in listed(root, follow, exclude)]


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_modes_are_gos(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory").chmod(0o1755)
    (tmp_path / "file").write_text("four")
    (tmp_path / "file").chmod(0o6751)
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe", 0o600)
    found = {file.path: file for file in listed(tmp_path)}
    assert found[b"directory"].mode == 1 << 31 | 1 << 20 | 0o755
    assert found[b"file"].mode == 1 << 23 | 1 << 22 | 0o751
    assert (found[b"file"].size, found[b"file"].mtime_ns) == (4, (tmp_path / "file").stat().st_mtime_ns)
    assert (found[b"link"].mode & ~0o777, found[b"link"].link, found[b"link"].size) == (1 << 27, b"file", 4)
    assert found[b"pipe"].mode == 1 << 25 | 0o600
    assert [path for path, file in found.items() if not file.mode & NO_DATA] == [b"file"]


def test_a_second_name_of_a_file_is_a_hard_link(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert [(file.path, file.link) for file in listed(tmp_path)] == [(b"a", b""), (b"b", b"a")]


def test_order_is_of_bytes_and_parents_come_first(tmp_path: Path) -> None:
    make(tmp_path, "a/x", "a-b", "a.c", "é", "z")
    assert names(tmp_path) == ["a", "a/x", "a-b", "a.c", "z", "é"]


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("noir")
    assert listed(tmp_path)[0].path == b"caf\xe9"
    with FolderTree(tmp_path).open(b"caf\xe9") as file:
        assert file.read() == b"noir"


def test_patterns_leave_out(tmp_path: Path) -> None:
    make(tmp_path, "keep", "logs/a.log", "logs/deep/b.log", "logs/deep/keep", "other/c.log")
    assert names(tmp_path, exclude=("**/*.log",)) == ["keep", "logs", "logs/deep", "logs/deep/keep", "other"]
    # A directory that is left out is told all the same where something below it is not.
    assert names(tmp_path, exclude=("logs", "!logs/deep/keep")) == [
        "keep", "logs", "logs/deep", "logs/deep/keep", "other", "other/c.log",
    ]  # fmt: skip


def test_only_what_is_followed(tmp_path: Path) -> None:
    make(tmp_path, "a", "src/x", "src/deep/y", "src2/z", "b.txt")
    assert names(tmp_path, follow=("src",)) == ["src", "src/deep", "src/deep/y", "src/x"]
    assert names(tmp_path, follow=("src/deep/y", "*.txt")) == ["b.txt", "src", "src/deep", "src/deep/y"]
    assert names(tmp_path, follow=("src", "/")) == names(tmp_path)
    assert names(tmp_path, follow=("nosuch",)) == []
    assert names(tmp_path, ("src", "b.txt"), ("**/y", "b.*")) == ["src", "src/deep", "src/x"]
    # What an exception brings back is not sent where it is not followed.
    assert names(tmp_path, ("src",), ("**", "!src/deep", "!b.txt")) == ["src", "src/deep", "src/deep/y"]


def test_links_are_followed_within_the_context(tmp_path: Path) -> None:
    make(tmp_path, "real/file", "real/other", "unrelated")
    (tmp_path / "link").symlink_to("real/file")
    (tmp_path / "folder").symlink_to("/real")
    (tmp_path / "up").symlink_to("../../real")
    (tmp_path / "loop").symlink_to("loop")
    assert names(tmp_path, follow=("link",)) == ["link", "real", "real/file"]
    assert names(tmp_path, follow=("folder/other",)) == ["folder", "real", "real/other"]
    assert names(tmp_path, follow=("up",)) == ["real", "real/file", "real/other", "up"]
    assert names(tmp_path, follow=("loop",)) == ["loop"]


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "closed/file", "open/file")
    real_open = os.open

    def refusing(path: str, *rest: int) -> int:
        if path == f"{tmp_path}/closed":  # root may read everything
            raise PermissionError(13, "Permission denied")
        return real_open(path, *rest)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(InputError, match="closed: Permission denied"):
        names(tmp_path)
    assert names(tmp_path, follow=("open",)) == ["open", "open/file"]


def test_a_file_that_became_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "file").symlink_to("secret")
    with pytest.raises(OSError):
        FolderTree(tmp_path).open(b"file")


def test_what_the_engine_asks_for() -> None:
    metadata = MultiDict([("dir-name", "context"), ("followpaths", "a b"), ("followpaths", "c"),
                          ("exclude-patterns", "x+%C3%A9"), ("exclude-patterns-encoded", "1")])  # fmt: skip
    assert read_wanted(metadata) == ("context", Wanted(("a b", "c"), ("x é",)))


def test_the_key_is_that_of_the_folder(tmp_path: Path) -> None:
    assert shared_key(tmp_path) == shared_key(tmp_path) != shared_key(tmp_path / "other")
    assert shared_key(None) != shared_key(None)


class Engine:
    """The other side of a transfer: asks for the files that it wants, as fsutil's receiver does."""

    def __init__(self, wanted: set[bytes]) -> None:
        self._wanted = wanted
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._names: list[bytes] = []
        self._open = 0
        self._all = False
        self.content: dict[bytes, bytes] = {}
        self.said: list[int] = []
        self.error = b""

    async def recv_message(self) -> Any:
        return await self._answers.get()

    async def send_message(self, packet: Any) -> None:
        packet = messages().Packet.FromString(packet.SerializeToString())
        self.said.append(packet.type)
        if packet.type == STAT and packet.HasField("stat"):
            if packet.stat.path in self._wanted:
                self._open += 1
                self._answers.put_nowait(messages().Packet(type=REQUEST, ID=len(self._names)))
            self._names.append(packet.stat.path)
        elif packet.type == STAT:
            self._all = True
        elif packet.type == DATA:
            name = self._names[packet.ID]
            self.content[name] = self.content.get(name, b"") + packet.data
            self._open -= not packet.data
        elif packet.type == FAILED:
            self.error = packet.data
        if self._all and not self._open and FINISHED not in self.said:
            self._answers.put_nowait(messages().Packet(type=FINISHED))
            self._all = False


async def transfer(tree: Tree, wanted: set[bytes]) -> tuple[Engine, Transfer]:
    engine = Engine(wanted)
    run = Transfer(engine, "context", tree, Wanted())
    await run.run()
    return engine, run


async def test_only_what_is_asked_for_is_sent(tmp_path: Path) -> None:
    make(tmp_path, "a", "b/c")
    (tmp_path / "large").write_bytes(os.urandom(3_000_001))
    engine, run = await transfer(FolderTree(tmp_path), {b"large", b"b/c"})
    assert engine.content == {b"large": (tmp_path / "large").read_bytes(), b"b/c": b"b/c"}
    assert (run.sent.files, run.sent.bytes, run.sent.listed) == (2, 3_000_004, 4)
    assert run.sent.total_bytes == 3_000_005
    assert engine.said[-1] == FINISHED


async def test_small_files_between_large_ones(tmp_path: Path) -> None:
    wanted = {f"{number:03d}".encode() for number in range(150)}
    for number, name in enumerate(sorted(wanted)):
        size = {3: 64 * 1024, 4: 64 * 1024 + 1, 80: 0, 149: 200_000}.get(number, number)
        (tmp_path / os.fsdecode(name)).write_bytes(os.urandom(size))
    engine, run = await transfer(FolderTree(tmp_path), wanted)
    assert engine.content == {name: (tmp_path / os.fsdecode(name)).read_bytes() for name in wanted}
    assert (run.sent.files, run.sent.bytes) == (150, run.sent.total_bytes)


async def test_nothing_is_wanted() -> None:
    engine, run = await transfer(MemoryTree({"Dockerfile": b"FROM scratch"}), set())
    assert (engine.content, run.sent.files, run.sent.listed) == ({}, 0, 1)


async def test_a_file_that_vanished_is_empty(tmp_path: Path) -> None:
    class Vanishing(FolderTree):
        def open(self, path: bytes) -> Any:
            (tmp_path / "a").unlink()
            return super().open(path)

    make(tmp_path, "a")
    engine, run = await transfer(Vanishing(tmp_path), {b"a"})
    assert (engine.content, run.sent.files) == ({b"a": b""}, 0)


async def test_a_context_that_cannot_be_read_is_told_to_both(tmp_path: Path) -> None:
    engine = Engine(set())
    with pytest.raises(InputError, match="nosuch"):
        await Transfer(engine, "context", FolderTree(tmp_path / "nosuch"), Wanted()).run()
    assert b"nosuch" in engine.error


def test_modes_are_named_as_in_go() -> None:
    assert files.GO_DIRECTORY == 0x80000000 and files.GO_SYMLINK == 0x08000000 and files.GO_STICKY == 0x00100000


def test_a_file_of_the_root_is_found_without_a_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, ".dockerignore", "src/a")
    (tmp_path / ".dockerignore").chmod(0o640)
    walked = listed(tmp_path, (".dockerignore", "./.dockerignore"))
    monkeypatch.setattr(files, "walk", lambda *_, **__: pytest.fail("the folder was walked"))
    assert listed(tmp_path, (".dockerignore",)) == walked
    assert listed(tmp_path, (".dockerignore", ".absent")) == walked
    assert listed(tmp_path, (".absent",)) == []


@pytest.mark.parametrize("name", ["folder", "link", "linked", "a*", "[a]", ".", ""])
def test_what_is_more_than_a_file_of_the_root_is_walked_for(tmp_path: Path, name: str) -> None:
    make(tmp_path, "folder/x", "a", "other")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "linked").hardlink_to(tmp_path / "other")
    assert FolderTree(tmp_path)._few(Wanted((name,))) is None
