"""What is built: a context, an ignore file, a Dockerfile and build arguments, as values that can be cut down."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

BASE = "differential-base"
"""The image that a case means by this name: `base.archive`."""
TIME = 978307200
"""2001-01-01, the time of whatever has no time of its own."""


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of a tar in the context. `kind` is tarfile's type, `link` the target of a link, or the
    numbers of a device, `1:3`."""

    name: str
    kind: str = "0"
    data: str = ""
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    mtime: int = TIME
    link: str = ""
    xattrs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A path of the context: `kind` is file, directory, symlink, hardlink, fifo or tar.

    `data` is a file's content, a link's target, or how a tar is packed (gz, xz, bz2, or not; a
    number behind it is how many bytes are missing at its end).
    """

    path: str
    kind: str = "file"
    data: str = ""
    mode: int = 0
    """0 is the usual one of its kind."""
    mtime: int = TIME
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """`steps` are the instructions of the Dockerfile, without their line ends."""

    steps: tuple[str, ...]
    nodes: tuple[Node, ...] = ()
    ignore: tuple[str, ...] = ()
    build_args: tuple[tuple[str, str], ...] = ()

    def write(self, folder: Path, base: str = BASE) -> None:
        """Makes the context in an empty folder, with `base` in the place of BASE; a name that cannot be is left out."""
        for node in self.nodes:
            _make(folder, node)
        (folder / "Dockerfile").write_bytes(encode("".join(f"{step}\n" for step in self.steps).replace(BASE, base)))
        if self.ignore:
            (folder / ".dockerignore").write_bytes(encode("".join(f"{line}\n" for line in self.ignore)))
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (TIME, TIME), follow_symlinks=False)
        for node in self.nodes:
            if os.path.lexists(folder / node.path):
                os.utime(folder / node.path, (node.mtime, node.mtime), follow_symlinks=False)


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _make(folder: Path, node: Node) -> None:
    path = folder / node.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        match node.kind:
            case "file":
                path.write_bytes(encode(node.data))
            case "tar":
                path.write_bytes(pack(node))
            case "directory":
                path.mkdir()
            case "symlink":
                path.symlink_to(node.data)
            case "hardlink":
                os.link(folder / node.data, path, follow_symlinks=False)
            case "fifo":
                os.mkfifo(path)
    except OSError:  # names that exclude each other
        return
    if node.mode and node.kind != "symlink":
        path.chmod(node.mode)


def pack(node: Node) -> bytes:
    """The bytes of a tar in the context."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for member in node.members:
            info = tarfile.TarInfo(member.name)
            info.type, info.linkname = member.kind.encode(), "" if member.kind == "3" else member.link
            info.mode, (info.uid, info.gid), info.mtime = member.mode, member.owner, member.mtime
            if member.kind == "3":
                info.devmajor, info.devminor = map(int, member.link.split(":"))
            info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in member.xattrs}
            data = encode(member.data) if member.kind == "0" else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    data = out.getvalue()
    how, _, cut = node.data.partition(" ")
    match how:
        case "gz":
            data = gzip.compress(data, mtime=0)
        case "xz":
            data = lzma.compress(data)
        case "bz2":
            data = bz2.compress(data)
    return data[: len(data) - int(cut)] if cut else data
