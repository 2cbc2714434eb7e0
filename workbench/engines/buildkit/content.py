"""Blobs of OCI layouts on this machine, read and written by the engine: a local build cache, an image as a context.

containerd's content service, as far as BuildKit's caller of it goes (session/content), over `blobs/` of a folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.filesync import plain_ascii
from workbench.engines.buildkit.messages import messages
from workbench.errors import InputError, WorkbenchError

_CONTENT = "/containerd.services.content.v1.Content/"
_STORE = "buildkit-attachable-store-id"
_DIGEST = re.compile(r"(sha256|sha512):([0-9a-f]{64,128})")
_PIECE = 1 << 20
_WRITE, _COMMIT = 1, 2
"""Actions of a Write; 0 asks how far it is."""


class Layout:
    """The blobs of one folder. Methods block, and may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def blob(self, digest: str) -> Path:
        """Where a blob is, or would be. Raises GRPCError for what is no digest."""
        found = _DIGEST.fullmatch(digest)
        if found is None:
            raise GRPCError(Status.INVALID_ARGUMENT, "that is no digest")
        return self.folder / "blobs" / found[1] / found[2]

    def size(self, digest: str) -> int | None:
        """Bytes of a blob; None where there is none."""
        try:
            return self.blob(digest).stat().st_size
        except FileNotFoundError:
            return None

    def find(self, tag: str) -> str | None:
        """The digest that index.json has under a tag, or its only one where the tag is empty."""
        try:
            manifests = json.loads((self.folder / "index.json").read_bytes()).get("manifests", [])
        except (FileNotFoundError, ValueError):
            return None
        if not tag and len(manifests) == 1:
            return str(manifests[0]["digest"])
        wanted = tag or "latest"
        for manifest in manifests:
            if manifest.get("annotations", {}).get("org.opencontainers.image.ref.name") == wanted:
                return str(manifest["digest"])
        return None

    def put(self, descriptor: Mapping[str, Any], tag: str) -> None:
        """Names a manifest in index.json."""
        name = "org.opencontainers.image.ref.name"
        index: dict[str, Any] = {"schemaVersion": 2, "manifests": []}
        with contextlib.suppress(FileNotFoundError, ValueError):
            index = json.loads((self.folder / "index.json").read_bytes())
        others = [it for it in index.get("manifests", []) if it.get("annotations", {}).get(name) != tag]
        annotations = {**descriptor.get("annotations", {}), name: tag}
        index["manifests"] = [*others, {**descriptor, "annotations": annotations}]
        self._write("index.json", json.dumps(index).encode())
        self._write("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    def _write(self, name: str, data: bytes) -> None:
        temporary = self.folder / f".{name}.{secrets.token_hex(4)}"
        temporary.write_bytes(data)
        temporary.replace(self.folder / name)


class Content:
    """The service: layouts by the IDs that the engine asks for."""

    def __init__(self, layouts: Mapping[str, Layout]) -> None:
        self.problem: WorkbenchError | None = None
        self._layouts = layouts

    def handlers(self) -> dict[str, Handler]:
        pb = messages()
        one, out, both = Cardinality.UNARY_UNARY, Cardinality.UNARY_STREAM, Cardinality.STREAM_STREAM
        return {
            f"{_CONTENT}Info": Handler(self._info, one, pb.ContentInfoRequest, pb.ContentInfoResponse),
            f"{_CONTENT}Read": Handler(self._read, out, pb.ReadContentRequest, pb.ReadContentResponse),
            f"{_CONTENT}Write": Handler(self._write, both, pb.WriteContentRequest, pb.WriteContentResponse),
        }

    def _layout(self, stream: Any) -> Layout:
        name = str(stream.metadata.get(_STORE, ""))
        if name not in self._layouts:
            raise GRPCError(Status.NOT_FOUND, f"unknown store {plain_ascii(name)}")
        return self._layouts[name]

    async def _info(self, stream: Any) -> None:
        request = await stream.recv_message()
        size = await asyncio.to_thread(self._layout(stream).size, request.digest)
        if size is None:
            raise GRPCError(Status.NOT_FOUND, f"{plain_ascii(request.digest)}: not found")
        pb = messages()
        await stream.send_message(pb.ContentInfoResponse(info=pb.ContentInfo(digest=request.digest, size=size)))

    async def _read(self, stream: Any) -> None:
        request = await stream.recv_message()
        try:
            file = await asyncio.to_thread(self._layout(stream).blob(request.digest).open, "rb")
        except FileNotFoundError as error:
            raise GRPCError(Status.NOT_FOUND, f"{plain_ascii(request.digest)}: not found") from error
        with file:
            file.seek(offset := request.offset)
            left = request.size or os.fstat(file.fileno()).st_size - offset
            while left > 0 and (piece := await asyncio.to_thread(file.read, min(_PIECE, left))):
                await stream.send_message(messages().ReadContentResponse(offset=offset, data=piece))
                offset, left = offset + len(piece), left - len(piece)

    async def _write(self, stream: Any) -> None:
        layout = self._layout(stream)
        request = await stream.recv_message()
        if request is None:
            return
        expected, total = request.expected, request.total
        if expected and await asyncio.to_thread(layout.size, expected) is not None:
            raise GRPCError(Status.ALREADY_EXISTS, f"{plain_ascii(expected)}: already exists")
        try:
            blob = await asyncio.to_thread(_Blob, layout)
        except OSError as error:
            raise self._failed(layout, error) from error
        try:
            while request is not None:
                expected, total = request.expected or expected, request.total or total
                if request.action in (_WRITE, _COMMIT) and request.data:
                    await asyncio.to_thread(blob.write, request.data)
                if request.action == _COMMIT:
                    await asyncio.to_thread(blob.commit, expected)
                await stream.send_message(
                    messages().WriteContentResponse(
                        action=request.action, offset=blob.size, total=total, digest=blob.digest
                    )
                )
                if request.action == _COMMIT:
                    return
                request = await stream.recv_message()
        except OSError as error:
            raise self._failed(layout, error) from error
        finally:
            await asyncio.to_thread(blob.close)

    def _failed(self, layout: Layout, error: OSError) -> GRPCError:
        self.problem = InputError(f"{layout.folder}: {error.strerror}", hint="The cache goes there (--cache-to).")
        return GRPCError(Status.ABORTED, plain_ascii(str(self.problem)))


class _Blob:
    """A blob that is written: there when it is whole and has the digest that was promised."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        (layout.folder / "ingest").mkdir(parents=True, exist_ok=True)
        self._path = layout.folder / "ingest" / secrets.token_hex(8)
        self._file = self._path.open("xb")
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def commit(self, expected: str) -> None:
        if expected and expected != self.digest:
            raise GRPCError(Status.FAILED_PRECONDITION, f"unexpected commit digest {self.digest}")
        self._file.close()
        place = self._layout.blob(self.digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(place)

    def close(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
