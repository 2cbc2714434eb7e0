"""The header of one member of a context archive, byte for byte as the docker CLI writes it.

That is Go's archive/tar asked for PAX: plain ustar where everything fits, with the long name split at a slash; else a
PAX extended header before it. Times are whole seconds, owner and group are 0 and have no names.
"""

from __future__ import annotations

from collections.abc import Mapping

BLOCK = 512
END = bytes(2 * BLOCK)
"""Two empty blocks end an archive; Go adds nothing to fill a record of 10 KiB."""

FILE, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"

_NAME_SIZE = 100
_PREFIX_SIZE = 155
_OCTAL_12 = 8**11
_MAGIC = b"ustar\x0000"
_OWNERLESS = b"0000000\0" * 2


def member_header(
    name: bytes,
    kind: bytes,
    *,
    mode: int,
    mtime: int,
    size: int = 0,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
    xattrs: Mapping[str, bytes] | None = None,
) -> bytes:
    """One or more blocks. `name` of a directory ends in a slash; `mtime` is in seconds and may be negative."""
    records: dict[bytes, bytes] = {}
    prefix, short = b"", name
    if len(name) > _NAME_SIZE or not name.isascii():
        if split := _split(name):
            prefix, short = split
        else:
            records[b"path"] = name
    if len(link) > _NAME_SIZE or not link.isascii():
        records[b"linkpath"] = link
    if not 0 <= mtime < _OCTAL_12:
        records[b"mtime"] = b"%d" % mtime
    if size >= _OCTAL_12:
        records[b"size"] = b"%d" % size
    for key, value in (xattrs or {}).items():
        records[b"SCHILY.xattr." + key.encode()] = value
    if not records:
        return _block(short, kind, mode, size, mtime, link, device, prefix)
    if prefix:
        # A PAX header never splits the name: the record has the whole of it.
        records[b"path"], prefix, short = name, b"", name
    block = _block(
        _cut(_ascii(short)),
        kind,
        mode,
        size if size < _OCTAL_12 else 0,
        mtime if 0 <= mtime < _OCTAL_12 else 0,
        _cut(_ascii(link)),
        device,
        b"",
    )
    return _extended(name, records) + block


def padding(size: int) -> bytes:
    """What follows `size` bytes of content, up to the next block."""
    return bytes(-size % BLOCK)


def _block(
    name: bytes,
    kind: bytes,
    mode: int,
    size: int,
    mtime: int,
    link: bytes,
    device: tuple[int, int] | None,
    prefix: bytes,
) -> bytes:
    """One ustar block. Without a `device` its two fields stay empty, as in the block of an extended header."""
    head = b"%s%07o\0%s%011o\0%011o\0" % (name.ljust(_NAME_SIZE, b"\0"), mode, _OWNERLESS, size, mtime)
    numbers = b"%07o\0%07o\0" % device if device is not None else bytes(16)
    tail = b"%s%s%s%s%s%s" % (kind, link.ljust(100, b"\0"), _MAGIC, bytes(64), numbers, prefix)
    checksum = sum(head) + sum(tail) + 8 * 0x20
    return (b"%s%06o\0 %s" % (head, checksum, tail)).ljust(BLOCK, b"\0")


def _extended(name: bytes, records: Mapping[bytes, bytes]) -> bytes:
    content = b"".join(_record(key, records[key]) for key in sorted(records))
    directory, slash, base = name.rpartition(b"/")
    header_name = _ascii(directory + slash + b"PaxHeaders.0" + (b"/" + base if base else b""))[:_NAME_SIZE].rstrip(b"/")
    return _block(header_name, b"x", 0, len(content), 0, b"", None, b"") + content + padding(len(content))


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value\\n`, where the length counts its own digits."""
    length = len(key) + len(value) + 3
    while length != (whole := len(key) + len(value) + 3 + len(str(length))):
        length = whole
    return b"%d %s=%s\n" % (length, key, value)


def _ascii(text: bytes) -> bytes:
    return text if text.isascii() else bytes(byte for byte in text if byte < 0x80)


def _cut(text: bytes) -> bytes:
    """The part that fits; without a slash at its end, which would make some readers see a directory."""
    if len(text) > _NAME_SIZE and text[_NAME_SIZE - 1 : _NAME_SIZE] == b"/":
        return text[:_NAME_SIZE].rstrip(b"/")
    return text[:_NAME_SIZE]


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """(prefix, name) of a ustar header for a name that is too long, None where no slash allows it."""
    length = len(name)
    if length <= _NAME_SIZE or not name.isascii():
        return None
    if length > _PREFIX_SIZE + 1:
        length = _PREFIX_SIZE + 1
    elif name.endswith(b"/"):
        length -= 1
    at = name.rfind(b"/", 0, length)
    rest = len(name) - at - 1
    if at <= 0 or not 0 < rest <= _NAME_SIZE or at > _PREFIX_SIZE:
        return None
    return name[:at], name[at + 1 :]
