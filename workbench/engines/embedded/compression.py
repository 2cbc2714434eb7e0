"""A compressed archive as its plain bytes, told by its first bytes and never by its name."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from workbench.errors import InputError

CHUNK = 1 << 20

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def compression(head: bytes) -> str:
    """`gzip`, `bzip2`, `xz`, `zstd`, or `""` for anything else, from the first six bytes."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


@contextmanager
def plain(source: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The decompressed bytes of a stream that can peek or seek; `name` is for the errors.

    Raises InputError where the data is damaged, or is zstd and nothing here reads that.
    """
    start = source.tell()
    kind = compression(source.read(6))
    source.seek(start)
    opened = source
    try:
        if kind:
            opened = _opener(kind, name)(source)
        yield opened
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise InputError(f"{name}: damaged {kind or 'archive'}: {error}") from error
    except OSError as error:
        if kind == "bzip2" and error.errno is None:  # bz2 says "Invalid data stream" so
            raise InputError(f"{name}: damaged bzip2: {error}") from error
        raise
    finally:
        if opened is not source:
            opened.close()  # of these only the reader: the file under it is the caller's


def _opener(kind: str, name: str) -> Callable[[BinaryIO], BinaryIO]:
    if kind == "gzip":
        return lambda source: cast(BinaryIO, gzip.GzipFile(fileobj=source, mode="rb"))
    if kind == "bzip2":
        return lambda source: cast(BinaryIO, bz2.BZ2File(source))
    if kind == "xz":
        return lambda source: cast(BinaryIO, lzma.LZMAFile(source))
    for module in ("compression.zstd", "zstandard", "pyzstd"):
        try:
            zstd = importlib.import_module(module)
        except ImportError:
            continue
        return lambda source: cast(BinaryIO, zstd.open(source, "rb"))
    from workbench.engines.embedded.zstd import command, decompressed

    if command():
        return lambda source: cast(BinaryIO, decompressed(source, name))
    raise InputError(
        f"{name}: compressed with zstd, which neither this Python nor a command here can read",
        hint="Install Debian's zstd, or `pip install zstandard`.",
    )


def chunks(source: IO[bytes]) -> Iterator[bytes]:
    """The rest of a stream, in pieces of at most a mebibyte."""
    while data := source.read(CHUNK):
        yield data


def decompress(source: BinaryIO, target: Path, name: str, check: Callable[[], None] = lambda: None) -> None:
    """Writes the plain bytes of `source` to a new file. Raises InputError as `plain` does, OSError, and what `check`
    raises, which is called at each piece."""
    with plain(source, name) as data, target.open("wb") as out:
        for piece in chunks(data):
            check()
            out.write(piece)


def open_plain_file(path: Path) -> io.BufferedReader:
    """A file to be given to `plain`. Raises InputError where it cannot be read, is no file or is empty."""
    try:
        source = path.open("rb")
        empty = not source.peek(1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if empty:
        source.close()
        raise InputError(f"{path}: the archive is empty (0 bytes)")
    return source
