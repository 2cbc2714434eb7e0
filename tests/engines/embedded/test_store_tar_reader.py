"""The fast reader of tars sees what `tarfile` sees, in every format, and refuses what is damaged."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_tools import header, make_tar

from workbench.engines.embedded.tar_reader import read_tar
from workbench.errors import InputError

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
_FACTS = ("name", "type", "mode", "uid", "gid", "size", "mtime", "linkname", "devmajor", "devminor")
_NAME = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=150)


def seen(tar: bytes, *, seekable: bool = False) -> list[tuple[object, ...]]:
    found = []
    for entry, data in read_tar(io.BytesIO(tar), "x.tar", seekable=seekable):
        content = b""
        while data is not None and (piece := data(1000)):
            content += piece
        found.append((*(getattr(entry, fact) for fact in _FACTS), dict(entry.pax_headers), content))
    return found


def expected(tar: bytes) -> list[tuple[object, ...]]:
    found = []
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as entries:
        for entry in entries:
            source = entries.extractfile(entry) if entry.isreg() else None
            content = source.read() if source else b""
            found.append((*(getattr(entry, fact) for fact in _FACTS), dict(entry.pax_headers), content))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            _NAME, st.sampled_from([b"0", b"0", b"1", b"2", b"3", b"5", b"6"]), st.integers(0, 0o7777),
            st.integers(0, 2**40), st.integers(-(2**20), 2**36), st.integers(0, 2000), _NAME,
        ),
        max_size=8,
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)  # fmt: skip
def test_as_tarfile_reads_it(entries: list[tuple[str, bytes, int, int, int, int, str]], fmt: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as tar:
        for name, kind, mode, uid, mtime, size, link in entries:
            info = header(name, kind, mode, link if kind in b"12" else "", uid=uid, gid=uid // 2, mtime=mtime)
            info.size = size if kind == b"0" else 0
            if kind == b"3":
                info.devmajor, info.devminor = 1, 3
            tar.addfile(info, io.BytesIO(b"z" * size))
    data = out.getvalue()
    assert seen(data) == expected(data) == seen(data, seekable=True)


@pytest.mark.parametrize("fmt", FORMATS)
def test_long_names_and_prefixes(fmt: int) -> None:
    names = ["a" * 99, "b" * 90 + "/" + "c" * 90, "d/" * 40 + "e"]
    tar = make_tar(*((name, name.encode()) for name in names), fmt=fmt)
    assert seen(tar) == expected(tar) and [row[0] for row in seen(tar)] == names


def test_attributes_times_and_global_headers() -> None:
    entry = header("a", tarfile.REGTYPE, pax_headers={"mtime": "12.5", "SCHILY.xattr.user.x": "v\udcff", "comment": ""})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "all"}) as tar:
        tar.addfile(entry)
    found = seen(out.getvalue())
    assert found == expected(out.getvalue()) and found[0][6] == 12.5


def test_from_a_sparse_file_on(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    (tmp_path / "first").write_bytes(b"first")
    (tmp_path / ("later" * 30)).write_bytes(b"later")
    for kind in ("gnu", "posix"):
        subprocess.run(
            ["tar", "-cSf", tmp_path / "x.tar", f"--format={kind}", "-C", tmp_path, "first", "holes", "later" * 30],
            check=True,
        )
        tar = (tmp_path / "x.tar").read_bytes()
        assert [row[-1] for row in seen(tar)] == [row[-1] for row in expected(tar)]
        assert [row[0] for row in seen(tar)] == ["first", "holes", "later" * 30]


def test_without_the_two_empty_blocks() -> None:
    tar = make_tar(("a", b"a"), ("b", b"b" * 600))
    assert len(seen(tar[: 512 * 5])) == 2


@pytest.mark.parametrize("seekable", [False, True])
@pytest.mark.parametrize("end", [100, 512 + 3, 512 + 700, 1536 + 10, 1536 + 512])
def test_wherever_it_is_cut(end: int, seekable: bool) -> None:
    tar = make_tar(("a", b"a" * 1000), ("b", b"b"))
    with pytest.raises(InputError, match=r"x\.tar: not a tar archive, or a damaged one"):
        for _ in read_tar(io.BytesIO(tar[:end]), "x.tar", seekable=seekable):
            pass


@pytest.mark.parametrize("at", [0, 100, 124, 148, 156, 1536])
def test_a_changed_header(at: int) -> None:
    tar = bytearray(make_tar(("a", b"a" * 1000), ("b", b"b")))
    tar[at] ^= 1
    with pytest.raises(InputError):
        seen(bytes(tar))


@pytest.mark.parametrize("record", [b"5 a=b\n", b"x a=b\n", b"99 a=b\n", b"-7 a=b\n", b"6 abcd\n", b"12 size=-1\n"])
def test_a_damaged_pax_header(record: bytes) -> None:
    extended = header("x", tarfile.XHDTYPE)
    extended.size = len(record)
    tar = extended.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + make_tar(("a", b"a"))
    with pytest.raises(InputError):
        seen(tar)
