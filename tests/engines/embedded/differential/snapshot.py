"""An image as facts to compare: what its configuration says, its history, and its file system after all layers."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONFIG = (
    "Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels", "Healthcheck", "OnBuild",
    "StopSignal", "StopTimeout", "Shell", "ArgsEscaped", "NetworkDisabled",
)  # fmt: skip
_TYPES = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.SYMTYPE: "symlink", tarfile.DIRTYPE: "directory",
    tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo",
}  # fmt: skip
_HASH = re.compile(r"(file|dir|multi):[0-9a-f]{64}")

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`tree` is path -> facts; `history` is (created_by without hashes, comment, author, has no layer)."""

    config: Facts
    history: list[tuple[str, str, str, bool]]
    author: str
    layers: int
    tree: dict[str, Facts]


def snapshot(document: Mapping[str, Any], layers: Sequence[bytes]) -> Snapshot:
    """Of a configuration file and the uncompressed tars of its layers, lowest first."""
    own = document.get("config") or {}
    history = [
        (
            _HASH.sub(r"\1:", line.get("created_by") or ""),
            line.get("comment") or "",
            line.get("author") or "",
            bool(line.get("empty_layer")),
        )
        for line in document.get("history") or []
    ]
    config = {name: own[name] for name in CONFIG if own.get(name) not in (None, "", [], {}, False)}
    return Snapshot(config, history, document.get("author") or "", len(layers), flatten(layers))


def read_archive(archive: bytes) -> Snapshot:
    """Of what `docker save` wrote, with one image in it."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:

        def read(name: str) -> bytes:
            member = tar.getmember(name)
            while member.issym():
                member = tar.getmember(posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname)))
            data = tar.extractfile(member)
            assert data is not None
            return data.read()

        manifest = json.loads(read("manifest.json"))[0]
        return snapshot(json.loads(read(manifest["Config"])), [read(name) for name in manifest["Layers"]])


def flatten(layers: Sequence[bytes]) -> dict[str, Facts]:
    """The file system, by path. Names of one file have the same `names`; what else has several names
    (a link, a FIFO) counts once each, as in the comparison of buildah's suite."""
    tree: dict[str, Facts] = {}
    for number, layer in enumerate(layers):
        with tarfile.open(fileobj=io.BytesIO(layer), encoding="utf-8", errors="surrogateescape") as tar:
            members = [(_clean(member.name), member) for member in tar]
            for path, _ in members:
                _white_out(tree, path)
            for path, member in members:
                if path and not posixpath.basename(path).startswith(".wh."):
                    _put(tree, path, member, tar, number)
    names: dict[int, list[str]] = {}
    for path, facts in tree.items():
        names.setdefault(id(facts), []).append(path)
    files = {path: sorted(names[id(facts)]) for path, facts in tree.items() if facts["type"] == "file"}
    return {path: {**tree[path], "names": files.get(path, [path])} for path in sorted(tree)}


def _clean(name: str) -> str:
    return posixpath.normpath("/" + name).lstrip("/")


def _white_out(tree: dict[str, Facts], path: str) -> None:
    folder, name = posixpath.split(path)
    if name == ".wh..wh..opq":
        _drop(tree, folder, itself=False)
    elif name.startswith(".wh.") and not name.startswith(".wh..wh."):
        _drop(tree, posixpath.join(folder, name[4:]))


def _drop(tree: dict[str, Facts], path: str, *, itself: bool = True) -> None:
    for below in [known for known in tree if known.startswith(f"{path}/")]:
        del tree[below]
    if itself:
        tree.pop(path, None)


def _put(tree: dict[str, Facts], path: str, member: tarfile.TarInfo, tar: tarfile.TarFile, number: int) -> None:
    known = tree.get(path)
    if known is not None and not (member.isdir() and known["type"] == "directory"):
        _drop(tree, path)
    if member.islnk():
        tree[path] = tree.get(_clean(member.linkname), {"type": "a hard link to nothing"})
        return
    facts: Facts = {
        "type": _TYPES.get(member.type, repr(member.type)), "mode": oct(member.mode & 0o7777), "uid": member.uid,
        "gid": member.gid, "mtime": int(member.mtime), "layer": number,
    }  # fmt: skip
    if member.issym():
        facts["link"] = member.linkname
        del facts["mode"]
    if member.isreg():
        data = tar.extractfile(member)
        assert data is not None
        facts |= {"size": member.size, "digest": hashlib.sha256(data.read()).hexdigest()}
    if member.isdev() and not member.isfifo():
        facts["device"] = [member.devmajor, member.devminor]
    prefix = "SCHILY.xattr."
    xattrs = {name.removeprefix(prefix): it for name, it in member.pax_headers.items() if name.startswith(prefix)}
    tree[path] = facts | ({"xattrs": xattrs} if xattrs else {})


def differences(theirs: Snapshot, ours: Snapshot, since: float) -> list[str]:
    """What is not the same, a line each. Times count where Docker keeps them: not where it set them after `since`."""
    found = [
        f"config {name}: Docker {theirs.config.get(name)!r}, embedded {ours.config.get(name)!r}"
        for name in CONFIG
        if theirs.config.get(name) != ours.config.get(name)
    ]
    for name, one, other in (("author", theirs.author, ours.author), ("layers", theirs.layers, ours.layers)):
        if one != other:
            found.append(f"{name}: Docker {one!r}, embedded {other!r}")
    if theirs.history != ours.history:
        found += [
            f"history: Docker {one!r}, embedded {other!r}"
            for one, other in zip(theirs.history, ours.history, strict=False)
            if one != other
        ] or [f"history: Docker has {len(theirs.history)} lines, embedded {len(ours.history)}"]
    for path in sorted(theirs.tree.keys() | ours.tree.keys()):
        found += _differences(path, theirs.tree.get(path), ours.tree.get(path), since)
    return found


def _differences(path: str, theirs: Facts | None, ours: Facts | None, since: float) -> list[str]:
    if theirs is None or ours is None:
        return [f"/{path!r}: only {'Docker' if ours is None else 'embedded'} has it: {theirs or ours}"]
    keys = (theirs.keys() | ours.keys()) - {"layer"}
    if theirs.get("mtime", 0) >= int(since) - 1:
        keys -= {"mtime"}
    return [
        f"/{path!r} {key}: Docker {theirs.get(key)!r}, embedded {ours.get(key)!r}"
        for key in sorted(keys)
        if theirs.get(key) != ours.get(key)
    ]
