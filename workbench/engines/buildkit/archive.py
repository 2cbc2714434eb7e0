"""A `docker save` archive as an OCI archive: the same image, its config and layers as blobs under their digests."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import IO, Any, Protocol

from workbench.errors import ImageError

_OCI = "application/vnd.oci.image"
_REFERENCE = "org.opencontainers.image.ref.name"
_BLOCK = 1 << 20


class Out(Protocol):
    """Something to write to."""

    def write(self, data: bytes) -> Any: ...


def docker_to_oci(source: IO[bytes], out: Out) -> None:
    """Copies; `source` must be seekable. One that is an OCI layout already (Docker 25 and later) stays as it is.

    Raises ImageError for what is no `docker save` archive.
    """
    try:
        with tarfile.open(fileobj=source, mode="r:") as archive:
            names = archive.getnames()
            if "oci-layout" not in names:
                _convert(archive, out)
                return
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise ImageError(f"the engine's archive of the image cannot be read: {error}") from error
    source.seek(0)
    while block := source.read(_BLOCK):
        out.write(block)


def _convert(archive: tarfile.TarFile, out: Out) -> None:
    target = tarfile.open(fileobj=_Sink(out), mode="w|", format=tarfile.GNU_FORMAT)  # noqa: SIM115
    known: dict[str, int] = {}
    manifests: list[dict[str, Any]] = []
    for image in json.loads(_read(archive, "manifest.json")):
        config = _blob(archive, image["Config"], target, known)
        layers = [_blob(archive, layer, target, known) for layer in image["Layers"]]
        manifest = {
            "schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json",
            "config": {"mediaType": f"{_OCI}.config.v1+json", **config},
            "layers": [{"mediaType": f"{_OCI}.layer.v1.tar", **layer} for layer in layers],
        }  # fmt: skip
        described = _add(target, known, json.dumps(manifest).encode())
        for tag in image.get("RepoTags") or [""]:
            notes = (
                {"annotations": {_REFERENCE: tag.rpartition(":")[2], "io.containerd.image.name": tag}} if tag else {}
            )
            manifests.append({"mediaType": manifest["mediaType"], **described, **notes})
    _member(target, "index.json", json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())
    _member(target, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    target.close()


class _Sink(io.RawIOBase):
    def __init__(self, out: Out) -> None:
        self._out = out

    def write(self, data: Any) -> int:
        self._out.write(bytes(data))
        return len(data)


def _find(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    """Docker 20.10 saves a layer twice as a link where two images share it."""
    info = archive.getmember(name)
    while info.issym() or info.islnk():
        info = archive.getmember(_led(info))
    return info


def _led(info: tarfile.TarInfo) -> str:
    import posixpath

    return posixpath.normpath(posixpath.join(posixpath.dirname(info.name) if info.issym() else "", info.linkname))


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(_find(archive, name))
    assert file is not None
    return file.read()


def _blob(archive: tarfile.TarFile, name: str, target: tarfile.TarFile, known: dict[str, int]) -> dict[str, Any]:
    info = _find(archive, name)
    file = archive.extractfile(info)
    assert file is not None
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    file.seek(0)
    hexadecimal = digest.hexdigest()
    if hexadecimal not in known:
        known[hexadecimal] = info.size
        made = tarfile.TarInfo(f"blobs/sha256/{hexadecimal}")
        made.size = info.size
        target.addfile(made, file)
    return {"digest": f"sha256:{hexadecimal}", "size": info.size}


def _add(target: tarfile.TarFile, known: dict[str, int], data: bytes) -> dict[str, Any]:
    hexadecimal = hashlib.sha256(data).hexdigest()
    if hexadecimal not in known:
        known[hexadecimal] = len(data)
        _member(target, f"blobs/sha256/{hexadecimal}", data)
    return {"digest": f"sha256:{hexadecimal}", "size": len(data)}


def _member(target: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    target.addfile(info, io.BytesIO(data))
