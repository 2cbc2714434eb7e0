"""Layer tars: read back by `tarfile` and by our own index, the same bytes for the same entries."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from builds import make_tar
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines.embedded.layer_index import LayerIndex
from workbench.engines.embedded.layer_tar import LayerWriter, TarEntry, header
from workbench.engines.embedded.upper import write_upper
from workbench.engines.embedded.view import ImageView
from workbench.errors import InputError

part = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120).filter(
    lambda text: text not in (".", "..") and not text.startswith(".wh.")
)
path = st.lists(part, min_size=1, max_size=4).map("/".join).filter(lambda text: len(text.encode()) < 900)
entry = st.builds(
    TarEntry,
    path=path,
    kind=st.just("file"),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**31),
    gid=st.integers(0, 2**31),
    mtime=st.integers(0, 2**34),
    size=st.integers(0, 3),
    xattrs=st.dictionaries(st.just("security.capability"), st.binary(max_size=20)),
)


@given(entry)
def test_tarfile_and_the_index_read_what_was_written(written: TarEntry) -> None:
    out = io.BytesIO()
    writer = LayerWriter(out)
    writer.add(written, b"x" * written.size)
    writer.finish()
    assert len(out.getvalue()) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(out.getvalue()), encoding="utf-8", errors="surrogateescape") as tar:
        (found,) = tar
        facts = (found.name, found.mode, found.uid, found.gid, int(found.mtime), found.size)
    assert facts == (written.path, written.mode, written.uid, written.gid, written.mtime, written.size)


def test_the_index_reads_what_was_written(tmp_path: Path) -> None:
    tar = tmp_path / "layer.tar"
    entries = [
        TarEntry("d", "directory", 0o700, 1, 2, 3),
        TarEntry("d/" + "long" * 60, "file", 0o644, 2**22, 5, 2**34, 2, xattrs={"security.capability": b"\0=\n\xff"}),
        TarEntry("d/link", "symlink", 0o777, link="x" * 200),
        TarEntry("d/hard", "hardlink", 0o644, link="d/" + "long" * 60),
        TarEntry("\udcff\u00e9", "char", 0o600, major=1, minor=3),
    ]
    with tar.open("wb") as out:
        writer = LayerWriter(out)
        for one in entries:
            writer.add(one, b"hi")
        writer.finish()
    index = LayerIndex.read(tar)
    assert {name: found[0] for name, found in index.entries.items()} == {one.path: one for one in entries}
    assert {name: found[1] for name, found in index.entries.items()} == {e.path: at for e, at in writer.entries}
    found = ImageView((index,)).lookup("d/hard")
    assert found is not None
    assert (found.entry.kind, found.read()) == ("file", b"hi")


def test_a_device_number_and_a_time_before_1970_have_their_place() -> None:
    with tarfile.open(fileobj=io.BytesIO(header(TarEntry("n", "block", major=8, minor=17, mtime=-5)))) as tar:
        (info,) = tar
        assert (info.devmajor, info.devminor, int(info.mtime)) == (8, 17, -5)


def test_a_file_that_became_shorter_is_an_error() -> None:
    with pytest.raises(InputError, match="shorter"):
        LayerWriter(io.BytesIO()).copy(TarEntry("f", "file", size=5), io.BytesIO(b"123"))


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_layers_of_other_writers(tmp_path: Path, format: int) -> None:
    tar = tmp_path / "layer.tar"
    long = "a" * 90 + "/" + "b" * 60
    tar.write_bytes(make_tar(("./" + long, {"data": b"one"}), ("x/", {"type": tarfile.DIRTYPE}), format=format))
    index = LayerIndex.read(tar)
    assert sorted(index.entries) == [long, "x"]
    assert ImageView((index,)).read_text(long) == "one"


def test_an_upper_folder_becomes_a_layer(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    (upper / "d").mkdir(parents=True)
    (upper / "d/b").write_text("two")
    os.link(upper / "d/b", upper / "d/c")
    (upper / "a").symlink_to("d/b")
    (upper / "d/closed").write_text("shut")
    (upper / "d/closed").chmod(0)
    for path in (upper / "d/b", upper / "d/closed", upper / "d"):
        os.utime(path, (7, 7))
    out = io.BytesIO()
    writer = LayerWriter(out)
    write_upper(upper, writer, lambda path, kind, facts: (1, 2))
    entries = {one.path: one for one, _ in writer.entries}
    assert list(entries) == ["a", "d", "d/b", "d/c", "d/closed"]
    assert (entries["d/c"].kind, entries["d/c"].link) == ("hardlink", "d/b")
    assert (entries["d/b"].mtime, entries["d/b"].uid, entries["d/b"].gid) == (7, 1, 2)
    assert (upper / "d/closed").stat().st_mode & 0o777 == 0
    assert writer.content == len("two") + len("shut")
    again = io.BytesIO()
    write_upper(upper, LayerWriter(again), lambda path, kind, facts: (1, 2))
    assert again.getvalue() == out.getvalue()
