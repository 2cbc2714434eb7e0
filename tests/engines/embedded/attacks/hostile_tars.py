"""Tars that no tool writes: each tries to get out of its folder, or to take more than it brings."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

from attack_tools import Outside
from builds import make_tar

LINK, HARD, FOLDER = {"type": tarfile.SYMTYPE}, {"type": tarfile.LNKTYPE}, {"type": tarfile.DIRTYPE, "mode": 0o755}
X = {"data": b"x"}


def link(target: str) -> dict[str, Any]:
    return {"type": tarfile.SYMTYPE, "link": target}


def hard(target: str) -> dict[str, Any]:
    return {"type": tarfile.LNKTYPE, "link": target}


def header(name: bytes, *, kind: bytes = b"0", size: bytes = b"00000000000\0", link: bytes = b"") -> bytes:
    """One ustar header with these raw fields."""
    fields = [
        name.ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", size.ljust(12, b"\0"), b"00000000001\0",
        b" " * 8, kind, link.ljust(100, b"\0"), b"ustar\x0000", bytes(32), bytes(32), b"0000000\0", b"0000000\0",
    ]  # fmt: skip
    block = b"".join(fields).ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def binary(size: int) -> bytes:
    """A size in GNU's base 256."""
    raw = struct.pack(">q", size)
    return (b"\xff" if size < 0 else b"\0") * 4 + raw if size < 0 else b"\x80" + b"\0" * 3 + raw


def pax(record: bytes, then: bytes) -> bytes:
    """An extended header with this raw record before `then`."""
    return (
        header(b"pax", kind=b"x", size=b"%011o\0" % len(record))
        + record.ljust(-(-len(record) // 512) * 512, b"\0")
        + then
    )


END = bytes(1024)


def traversals(outside: Outside) -> Mapping[str, bytes]:
    """Ways to write `pwned` into the folder outside, or over `secret`, by names and links."""
    there, up = str(outside.path), outside.climb()
    cases: dict[str, list[tuple[str, Mapping[str, Any]]]] = {
        "CVE-2007-4131-dotdot": [(f"{up}/pwned", X)],
        "dotdot-in-the-middle": [("a", FOLDER), (f"a/b/../../{up}/pwned", X)],
        "CVE-2014-9356-absolute": [(f"{there}/pwned", X)],
        "double-slash": [(f"//{there}//pwned", X)],
        "CVE-2014-6407-link-then-through": [("l", link(there)), ("l/pwned", X)],
        "link-up-then-through": [("l", link(up)), ("l/pwned", X)],
        "link-then-over-it": [("l", link(f"{there}/secret")), ("l", X)],
        "CVE-2018-1002200-chain": [("a", FOLDER), ("a/l", link("../..")), ("a/l/m", link(up)), ("a/l/m/pwned", X)],
        "CVE-2021-32804-double-root": [("l", link("//" + there)), ("l/pwned", X)],
        "CVE-2021-37701-folder-becomes-link": [("d", FOLDER), ("d/f", X), ("d", link(there)), ("d/pwned", X)],
        "CVE-2021-37712-folder-again": [("d", FOLDER), ("d", link(there)), ("d", FOLDER), ("d/pwned", X)],
        "folder-over-link": [("l", link(f"{there}/folder")), ("l", {**FOLDER, "mode": 0o777}), ("l/pwned", X)],
        "hard-link-then-write": [("h", hard(f"{there}/secret")), ("h", X)],
        "hard-link-up": [("h", hard(f"{up}/secret"))],
        "hard-link-through-link": [("l", link(there)), ("h", hard("l/secret")), ("h", X)],
        "hard-link-to-a-link": [("l", link(f"{there}/secret")), ("h", hard("l")), ("h", X)],
        "CVE-2025-4517-long-link": [
            *((("d" * 200 + "/") * n + "d" * 200, FOLDER) for n in range(18)),
            ("e", link(("d" * 200 + "/") * 18 + "../" * 18 + up)), ("e/pwned", X),
        ],
        "whiteout-of-outside": [("a", FOLDER), (f"a/.wh.../{up}/secret", X)],
        "whiteout-up": [("a", FOLDER), ("a/.wh...", X), (".wh...", X), (".wh..", X), (".wh.", X)],
        "whiteout-through-link": [("l", link(there)), ("l/.wh.secret", X), ("l/.wh.folder", X)],
        "opaque-through-link": [("l", link(there)), ("l/.wh..wh..opq", X)],
        "opaque-of-a-link": [("l", link(there)), (".wh.l", X), ("l", FOLDER), ("l/.wh..wh..opq", X)],
        "attributes-through-link": [("l", link(f"{there}/secret")), ("l", {**FOLDER, "mode": 0o777, "uid": 7})],
        "attributes-of-the-root": [(".", {"type": tarfile.SYMTYPE, "link": there}), ("pwned", X)],
        "pax-path": [("x", {**X, "pax": {"path": f"{up}/pwned"}})],
        "pax-linkpath": [("l", {**LINK, "link": "x", "pax": {"linkpath": there}}), ("l/pwned", X)],
        "backslashes": [(up.replace("/", "\\") + "\\pwned", X)],
        "fifo-through-link": [("l", link(there)), ("l/pwned", {"type": tarfile.FIFOTYPE})],
        "overlay-redirect": [("d", {**FOLDER, "pax": {
            "SCHILY.xattr.user.overlay.redirect": there, "SCHILY.xattr.trusted.overlay.redirect": there}}),
            ("d/pwned", X)],
    }  # fmt: skip
    return {name: make_tar(*entries) for name, entries in cases.items()}


def bombs() -> Mapping[str, Callable[[], bytes]]:
    """Tars that claim more than they are, or would keep a reader busy for ever."""

    def sparse(size: int) -> bytes:
        info = tarfile.TarInfo("sparse")
        info.pax_headers = {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sparse",
            "GNU.sparse.realsize": str(size),
        }  # fmt: skip
        data = f"1\n{size}\n0\n".encode().ljust(512, b"\0")
        info.size = len(data)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(info, io.BytesIO(data))
        return out.getvalue()

    file = header(b"f")
    return {
        "size-of-2^40": lambda: header(b"f", size=binary(1 << 40)) + b"x" * 512 + END,
        "size-of-2^62": lambda: header(b"f", size=binary(1 << 62)) + END,
        "sparse-2^50": lambda: sparse(1 << 50),
        "CVE-2025-8194-negative-size": lambda: header(b"f") + header(b"g", size=binary(-512)) + END,
        "negative-far": lambda: header(b"f") + header(b"g", size=binary(-(1 << 40))) + END,
        "pax-size-negative": lambda: pax(b"12 size=-512\n", header(b"f") + END),
        "pax-size-2^62": lambda: pax(b"28 size=4611686018427387904\n", file + END),
        "pax-record-of-length-0": lambda: pax(b"0 path=x\n", file + END),
        "pax-record-of-negative-length": lambda: pax(b"-5 path=x\n", file + END),
        "pax-record-too-long": lambda: pax(b"99999999999 path=x\n", file + END),
        "pax-header-of-2^40": lambda: header(b"p", kind=b"x", size=binary(1 << 40)) + file + END,
        "long-name-of-2^40": lambda: header(b"p", kind=b"L", size=binary(1 << 40)) + file + END,
        "headers-for-headers": lambda: (header(b"p", kind=b"x", size=b"%011o\0" % 0) * 5000) + file + END,
        "owner-beyond-32-bits": lambda: make_tar(("f", {"uid": 1 << 40})),
        "time-beyond-all": lambda: make_tar(("f", {"mtime": 1 << 62})),
        "links-in-a-circle": lambda: make_tar(("a", link("b")), ("b", link("a")), ("a/f", X)),
        "hard-links-in-a-circle": lambda: make_tar(("a", hard("b")), ("b", hard("a"))),
        "a-name-of-64k": lambda: make_tar(("n" * 65536, X)),
        "a-path-of-5000-folders": lambda: make_tar(("d/" * 5000 + "f", X)),
        "a-link-of-64k": lambda: make_tar(("l", link("n" * 65536)), ("l/f", X)),
        "nul-in-the-name": lambda: make_tar(("f", {"pax": {"path": "a\0b"}})),
        "40-links-deep": lambda: make_tar(*((f"l{n}", link(f"l{n + 1}")) for n in range(300)), ("l0/f", X)),
    }  # fmt: skip
