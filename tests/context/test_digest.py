"""Digests: right, remembered, and never remembered wrongly."""

from __future__ import annotations

import hashlib
import os
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.context import digest as digest_module
from workbench.context.digest import DigestCache
from workbench.context.ignore import IgnoreRules
from workbench.context.opening import Opener
from workbench.context.scan import Entry, scan
from workbench.errors import InputError, StoreError


def entry_of(root: Path, path: str) -> Entry:
    entry = scan(root, IgnoreRules()).get(path)
    assert entry is not None
    return entry


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock runs ahead: every file was written long ago."""
    now = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr(digest_module.time, "time_ns", lambda: now)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read."""
    paths: list[str] = []
    real = DigestCache._read

    def reading(self: DigestCache, files: Opener, path: str, check: Callable[[], None]) -> object:
        paths.append(path)
        return real(self, files, path, check)

    monkeypatch.setattr(DigestCache, "_read", reading)
    return paths


def test_files_and_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    os.symlink("\udcff", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    cache = DigestCache(None)
    assert cache.digest(tmp_path, entry_of(tmp_path, "file")) == sha256(b"content")
    assert cache.digest(tmp_path, entry_of(tmp_path, "link")) == sha256(b"\xff")
    with pytest.raises(ValueError, match="fifo"):
        cache.digest(tmp_path, entry_of(tmp_path, "fifo"))


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, settled: None, reads: list[str]) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    cache = DigestCache(None)
    for _ in range(3):
        assert cache.digest(tmp_path, entry_of(tmp_path, "file")) == sha256(b"one")
    assert reads == ["file"]
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.digest(tmp_path, entry_of(tmp_path, "file")) == sha256(b"two")


def test_a_file_in_motion_is_not_remembered(tmp_path: Path, reads: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"just written")
    cache = DigestCache(None)
    for _ in range(2):
        cache.digest(tmp_path, entry_of(tmp_path, "file"))
    assert reads == ["file", "file"]


def test_an_old_entry_does_not_name_new_content(tmp_path: Path, settled: None) -> None:
    (tmp_path / "file").write_bytes(b"one")
    old = entry_of(tmp_path, "file")
    (tmp_path / "file").write_bytes(b"two!")
    cache = DigestCache(None)
    assert cache.digest(tmp_path, old) == sha256(b"two!")
    assert cache.digest(tmp_path, entry_of(tmp_path, "file")) == sha256(b"two!")


def test_saved_and_read_again(tmp_path: Path, settled: None, reads: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"one")
    entry = entry_of(tmp_path, "file")
    place = tmp_path / "state/digests"
    cache = DigestCache(place)
    cache.digest(tmp_path, entry)
    cache.save()
    assert DigestCache(place).digest(tmp_path, entry) == sha256(b"one")
    assert reads == ["file"]
    assert [file.name for file in place.parent.iterdir()] == ["digests"]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 1}', "workbench digests 2\n", "workbench digests 2\nx", "\xff"]
)
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_bytes(b"one")
    place = tmp_path / "digests"
    place.write_text(content, encoding="latin-1")
    assert DigestCache(place).digest(tmp_path, entry_of(tmp_path, "file")) == sha256(b"one")


def test_a_folder_that_cannot_be_written(tmp_path: Path, settled: None) -> None:
    (tmp_path / "file").write_bytes(b"one")
    cache = DigestCache(tmp_path / "file/digests")
    cache.digest(tmp_path, entry_of(tmp_path, "file"))
    with pytest.raises(StoreError, match="digests"):
        cache.save()


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    entry = entry_of(tmp_path, "file")
    (tmp_path / "file").unlink()
    with pytest.raises(InputError, match="cannot read file of the build context"):
        DigestCache(None).digest(tmp_path, entry)
    os.mkfifo(tmp_path / "file")
    with pytest.raises(InputError, match="no file any more"):
        DigestCache(None).digest(tmp_path, entry)


def test_what_is_saved_is_in_memory_once(tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "digests")
    known = cache._load()
    known |= {b"%040d" % number: b"%032d" % number for number in range(20_000)}
    cache._changed = True
    tracemalloc.start()
    cache.save()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * (tmp_path / "digests").stat().st_size


def test_many_threads(tmp_path: Path, settled: None) -> None:
    for number in range(50):
        (tmp_path / str(number)).write_text(str(number))
    entries = list(scan(tmp_path, IgnoreRules()).entries)
    cache = DigestCache(tmp_path / "digests")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda entry: cache.digest(tmp_path, entry), entries * 4))
        list(pool.map(lambda _: cache.save(), range(8)))
    assert found == [sha256(entry.path.encode()) for entry in entries] * 4
