"""A whole folder of the context in a layer: the same bytes path by path as with every path in memory, and lean."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from builds import Builder

from workbench.context.digest import SETTLED_NS, DigestCache
from workbench.context.ignore import IgnoreRules
from workbench.context.scan import scan
from workbench.engines.embedded import graft
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.copy import Source, Transfer
from workbench.engines.embedded.graft import Graft
from workbench.engines.embedded.layer_tar import TarEntry, file_header, header
from workbench.engines.embedded.taken import take

MEGABYTES_OF_100_000 = 200


def fill(context: Path) -> None:
    """Every kind of path that a context may have."""
    (context / "d/sub/deep").mkdir(parents=True)
    (context / "d/empty").mkdir()
    (context / "d/a").write_text("a")
    (context / "d/a.txt").write_text("after the folder")
    (context / "d/sub/b").write_bytes(b"b" * 512)
    (context / "d/sub/big").write_bytes(b"0123456789" * 20_000)
    (context / "d/sub/none").touch()
    (context / "d/sub/deep" / ("n" * 120)).write_text("long")
    (context / "d/é").write_text("not ASCII")
    (context / "d/\udcff").write_text("not UTF-8")
    (context / "d/run").write_text("#!")
    (context / "d/run").chmod(0o6755)
    (context / "d/sub").chmod(0o1777)
    (context / "d/l").symlink_to("/no/where")
    os.link(context / "d/a", context / "d/sub/hard")
    os.mkfifo(context / "d/pipe")
    os.utime(context / "d/sub/b", (10_413_792_000, 10_413_792_000))
    (context / "gone/kept").mkdir(parents=True)
    (context / "gone/kept/f").write_text("f")
    (context / "gone/g").write_text("g")
    (context / ".dockerignore").write_text("gone\n!gone/kept\nd/ignored\nDockerfile\n")
    (context / "d/ignored").write_text("not sent")


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on nothing is grafted."""
    return lambda: monkeypatch.setattr(Graft, "fits", lambda self, view, check: False)


@pytest.fixture
def grafts(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each folder could be grafted."""
    found: list[bool] = []
    real = Graft.fits

    def fits(self: Graft, view: object, check: Callable[[], None]) -> bool:
        found.append(real(self, view, check))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(Graft, "fits", fits)
    return found


@pytest.mark.parametrize("remembered", [0, 5_000])
@pytest.mark.parametrize(
    "copy",
    ["COPY . /", "COPY . /x/y/", "COPY d /x", "COPY --chown=5:6 . /x/", "COPY --chmod=4751 d /x/", "ADD . /x",
     "COPY --link d /x", "WORKDIR /w\nCOPY d ."],
)  # fmt: skip
async def test_the_same_bytes(
    scratch_build: Builder, in_memory: Callable[[], None], grafts: list[bool], copy: str, remembered: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(graft, "_REMEMBERED", remembered)
    fill(scratch_build.context)
    text = f"FROM scratch AS a\n{copy}\nFROM scratch\nCOPY --from=a / /\n"
    grafted = await scratch_build(text, no_cache=True)
    assert grafts == [True]
    in_memory()
    assert (await scratch_build(text, no_cache=True)).diff_ids() == grafted.diff_ids()


async def test_a_file_where_the_image_has_a_folder(
    scratch_build: Builder, in_memory: Callable[[], None], grafts: list[bool]
) -> None:
    scratch_build.put({"a/x/f": "f", "b/x": "x", "c/x/g": "g", "e/y": "y"})
    text = "FROM scratch\nCOPY a /\nCOPY b /\nCOPY c /\nCOPY e /x/\n"
    built = await scratch_build(text, no_cache=True)
    assert grafts == [True, False, True, True]
    assert set(built.layer(1)) == {"x"}
    in_memory()
    assert (await scratch_build(text, no_cache=True)).diff_ids() == built.diff_ids()


async def test_a_file_that_shrinks_on_the_way_is_told(scratch_build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch_build.put({"d/f": "before"})
    real = Graft.write

    def write(self: Graft, writer: object) -> None:
        (scratch_build.context / "d/f").write_text("now")
        real(self, writer)  # type: ignore[arg-type]

    monkeypatch.setattr(Graft, "write", write)
    built = await scratch_build("FROM scratch\nCOPY d /d\n")
    assert built.end.outcome == "failed"
    assert "d/f: the file became shorter" in built.end.error


async def test_a_file_that_changes_on_the_way_is_not_in_the_cache(
    scratch_build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch_build.put({"d/f": "before"})
    text = "FROM scratch\nCOPY d /d\n"
    real = Graft.write

    def write(self: Graft, writer: object) -> None:
        facts = os.stat(scratch_build.context / "d/f")
        (scratch_build.context / "d/f").write_text("after!")
        os.utime(scratch_build.context / "d/f", ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
        real(self, writer)  # type: ignore[arg-type]
        (scratch_build.context / "d/f").write_text("before")

    monkeypatch.setattr(Graft, "write", write)
    assert (await scratch_build(text)).end.outcome == "succeeded"
    monkeypatch.setattr(Graft, "write", real)
    built = await scratch_build(text)
    assert built.cached[-1] is False


def old(context: Path) -> None:
    """Every file is older than one that may still be in motion, as those that nobody writes are."""
    wait_until = max(path.lstat().st_ctime_ns for path in context.rglob("*")) + SETTLED_NS
    while time.time_ns() <= wait_until:
        time.sleep(0.01)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose content a graft read."""
    found: list[str] = []
    real = graft._Writing._read

    def read(self: graft._Writing, at: int, seen: tuple[int, int, int]) -> bytes:
        found.append(self._tree.scan.columns.paths[at])
        return real(self, at, seen)

    monkeypatch.setattr(graft._Writing, "_read", read)
    return found


@pytest.mark.parametrize("remembered", [0, 5_000])
@pytest.mark.parametrize("copy", ["COPY . /x", "COPY --chown=5:6 d /x/", "COPY --chmod=4751 d /x/", "COPY --link . /x"])
async def test_only_what_changed_is_read_again(
    scratch_build: Builder, reads: list[str], in_memory: Callable[[], None], copy: str, remembered: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(graft, "_REMEMBERED", remembered)
    fill(scratch_build.context)
    text = f"FROM scratch AS a\n{copy}\nFROM scratch\nCOPY --from=a / /\n"
    scratch_build.put({"Dockerfile": text})
    old(scratch_build.context)
    await scratch_build(text)
    scratch_build.put({"d/sub/b": "changed", "d/another": "new"})
    (scratch_build.context / "d/a.txt").unlink()
    (scratch_build.context / "d/run").chmod(0o755)
    reads.clear()
    built = await scratch_build(text)
    assert not built.cached[1]
    assert {"d/sub/b", "d/another"} <= set(reads)
    assert not {"d/sub/none", "gone/kept/f"} & set(reads)
    in_memory()
    assert (await scratch_build(text, no_cache=True)).diff_ids() == built.diff_ids()


async def test_what_may_still_be_in_motion_is_read_again(scratch_build: Builder, reads: list[str]) -> None:
    text = "FROM scratch\nCOPY d /d\n"
    scratch_build.put({"d/old": "old"})
    old(scratch_build.context)
    (await scratch_build(text, {"d/young": "young", "d/f": "1"})).diff_ids()
    reads.clear()
    await scratch_build(text, {"d/f": "2"})
    assert reads == ["d/f", "d/young"]


@pytest.mark.parametrize("harm", [Path.unlink, lambda tar: os.truncate(tar, 700)], ids=["removed", "cut off"])
async def test_without_the_layer_before_all_is_read(
    scratch_build: Builder, reads: list[str], harm: Callable[[Path], None]
) -> None:
    text = "FROM scratch\nCOPY d /d\n"
    scratch_build.put({"d/a": "a", "d/b": "b", "d/c": "c"})
    old(scratch_build.context)
    built = await scratch_build(text)
    harm(scratch_build.store.blob_path(built.diff_ids()[0]))
    reads.clear()
    built = await scratch_build(text, {"d/b": "changed"})
    assert reads == ["d/a", "d/b", "d/c"]
    assert set(built.layer()) == {"d", "d/a", "d/b", "d/c"}


async def test_no_cache_reads_all(scratch_build: Builder, reads: list[str]) -> None:
    scratch_build.put({"d/a": "a", "d/b": "b"})
    old(scratch_build.context)
    await scratch_build("FROM scratch\nCOPY d /d\n")
    reads.clear()
    await scratch_build("FROM scratch\nCOPY d /d\n", no_cache=True)
    assert reads == ["d/a", "d/b"]


async def test_what_was_not_as_it_was_seen_is_read_again(
    scratch_build: Builder, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layer has what was there for a moment, under the signs of what is there again."""
    scratch_build.put({"d/f": "before", "d/g": "g"})
    old(scratch_build.context)
    real = Graft.write
    place = scratch_build.context / "d/f"

    def write(self: Graft, writer: object) -> None:
        place.rename(place.with_name("aside"))
        place.write_text("after!")
        real(self, writer)  # type: ignore[arg-type]
        place.with_name("aside").rename(place)

    monkeypatch.setattr(Graft, "write", write)
    await scratch_build("FROM scratch\nCOPY d /d\n")
    monkeypatch.setattr(Graft, "write", real)
    reads.clear()
    built = await scratch_build("FROM scratch\nCOPY d /d\n", {"d/g": "changed"})
    assert reads == ["d/f", "d/g"]
    assert built.end.outcome == "succeeded"


def test_what_is_taken_is_one_list_in_json(tmp_path: Path) -> None:
    fill(tmp_path)
    tree = ContextTree(scan(tmp_path, IgnoreRules()), DigestCache(None))
    found = tree.lookup("d")
    assert found is not None
    taken = take(Transfer("COPY", [Source(tree, "d", "d", found)], "/", "/", (0, 0)), lambda: None)
    rows: list[list[object]] = [["source", "d", True, False, False]]
    plain: dict[str, list[list[object]]] = {}
    links: dict[object, str] = {}
    inputs: list[tuple[object, ...]] = []
    for path, item in tree.walk("d"):
        relative, entry = path.removeprefix("d/"), item.entry
        facts = [entry.kind, entry.mode, item.digest() if entry.kind == "file" else entry.link]
        inputs.append((path, *facts))
        folder, slash, name = relative.rpartition("/")
        if entry.kind == "file" and item.inode == (path,):
            plain.setdefault(folder + slash, []).append([name, *facts])
            continue
        rows.append([relative, *facts])
        if entry.kind == "file" and links.setdefault(item.inode, relative) != relative:
            rows[-1].append({"link": links[item.inode]})
    rows += map(list, plain.items())
    assert taken.digest == hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    assert sorted(inputs) == sorted(taken.inputs)


@pytest.mark.parametrize("path", ["f", "d/" + "n" * 98, "d/" + "n" * 99, "é", "\udcff", "d/" * 60 + "f"])
@pytest.mark.parametrize(
    ("mode", "uid", "size", "mtime"),
    [(0o644, 0, 0, 0), (0o7777, 0o7777777, 0o77777777777, 0o77777777777), (0, 0o10000000, 5, 5),
     (1, 1, 0o100000000000, 5), (0o644, 0, 0, 0o100000000000), (0o644, 0, 0, -1)],
)  # fmt: skip
def test_headers_of_files(path: str, mode: int, uid: int, size: int, mtime: int) -> None:
    assert file_header(path, mode, uid, 7, size, mtime) == header(TarEntry(path, "file", mode, uid, 7, mtime, size))


@pytest.mark.slow
def test_the_memory_of_100_000_files(tmp_path: Path) -> None:
    """The first time and after one file changed, as a command."""
    context = tmp_path / "context"
    make_100_000(context)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    assert peak_megabytes(context, tmp_path / "store") < MEGABYTES_OF_100_000
    (context / "d7" / "f291").write_text("changed")
    assert peak_megabytes(context, tmp_path / "store") < MEGABYTES_OF_100_000


@pytest.mark.slow
def test_the_memory_of_two_times_100_000_files(tmp_path: Path) -> None:
    """The second COPY looks into the layer of the first."""
    context = tmp_path / "context"
    make_100_000(context / "a")
    make_100_000(context / "b")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY a /a\nCOPY b /b\n")
    assert peak_megabytes(context, tmp_path / "store") < MEGABYTES_OF_100_000


def make_100_000(folder: Path) -> None:
    for name in range(100):
        (folder / f"d{name}").mkdir(parents=True)
        for file in range(1000):
            (folder / f"d{name}" / f"f{file}").write_bytes(b"%0200d" % (name * 1000 + file))


def peak_megabytes(context: Path, store: Path) -> float:
    """The most memory of `workbench build` as a command of its own."""
    command = [sys.executable, "-m", "workbench", "build", "--engine", "embedded", "-q", "--root", store, context]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1024


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
