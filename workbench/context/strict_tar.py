"""Headers of a stranger's tar, read by `tarfile` without being led astray: a fault is an error, never an endless loop.

For `tarfile.open(tarinfo=StrictTarInfo)`; catch `DAMAGED`. A negative size would send the reader back to where it was
(CVE-2025-8194), a header of a terabyte would be read into memory at once, headers for headers would exhaust the stack.
"""

from __future__ import annotations

import tarfile

DAMAGED = (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError)
"""What `tarfile` raises for a tar that is none, or is damaged."""
HEADER_MAX = 1 << 24
"""Bytes of an extended header or of a long name: names of 4,096 and attributes of 65,536 bytes have room in it."""
SIZE_MAX = 1 << 56
"""Bytes of a file: further than this no file system seeks."""
_FOR_THE_NEXT = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


class StrictTarInfo(tarfile.TarInfo):
    """`tarfile` takes a damaged header in mid-archive for the end; here it is an error."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> StrictTarInfo:
        try:
            found = super().frombuf(buf, encoding, errors)
        except (tarfile.EmptyHeaderError, tarfile.EOFHeaderError, tarfile.TruncatedHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"damaged header ({error})") from error
        if found.type in _FOR_THE_NEXT and found.size > HEADER_MAX:
            raise tarfile.ReadError(f"an extended header of {found.size} bytes")
        return found

    def _block(self, count: int) -> int:
        """Where `tarfile` rounds each size up to whole blocks."""
        if not 0 <= count <= SIZE_MAX:
            raise tarfile.ReadError(f"a size of {count} bytes")
        return int(super()._block(count))  # type: ignore[misc]
