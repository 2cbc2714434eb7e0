"""A blob into a registry: not at all where it is there, mounted from another repository, in one piece, or in chunks.

Source: OCI distribution-spec v1.1.0, "Pushing blobs".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.dataclass import dataclass
from workbench.engines.embedded.registry.access import Access, Limits, NotReached, Refused
from workbench.engines.embedded.registry.manifests import Blob
from workbench.engines.embedded.registry.retry import ATTEMPTS, TRANSIENT, delay, pause, too_long
from workbench.engines.embedded.registry.transport import Body
from workbench.errors import ImageError, ImageNotFound, StoreError

CHUNK = 64 << 20
"""Bytes that go in one request; what is bigger goes in chunks, so that a cut costs one chunk at most."""
_PIECE = 1 << 18
_ONCE = Limits(attempts=1, connections=1, patience=120.0)


def has_blob(access: Access, digest: str) -> bool:
    """Whether the repository has it."""
    with access.request("HEAD", f"blobs/{digest}", expect=(200, 404)) as answer:
        return answer.status == 200


def mount(access: Access, digest: str, repository: str) -> bool:
    """Whether the registry took the blob over from another of its repositories."""
    with access.request("POST", f"blobs/uploads/?mount={digest}&from={repository}", expect=(201, 202)) as answer:
        mounted = answer.status == 201
        location = access.at(answer, answer.headers.get("Location") or "")
    if not mounted and location:
        try:  # it opened an upload instead, which is not wanted now
            access.request("DELETE", location, expect=(204,), limits=_ONCE).close()
        except ImageError:
            return False
    return mounted


def upload(
    access: Access, blob: Blob, path: Path, progress: Callable[[int], None] = lambda new: None, *, chunk: int = CHUNK
) -> None:
    """Sends a file; `progress` is told the bytes that went (negative where some were for nothing). Raises NotReached,
    ImageError, StoreError, Cancelled."""
    _Upload(access, blob, path, progress, chunk).run()


@dataclass(slots=True)
class _Upload:
    access: Access
    blob: Blob
    path: Path
    progress: Callable[[int], None]
    chunk: int
    _location: str = ""
    _sent: int = 0
    """Bytes that the registry has of the open upload."""
    _told: int = 0

    def run(self) -> None:
        attempt = 0
        while True:
            before = self._sent
            try:
                self._go_on()
                return
            except (NotReached, Refused, ImageNotFound) as error:
                attempt = 1 if self._sent > before else attempt + 1
                if attempt >= ATTEMPTS or not _helps_again(error):
                    raise
                wait = error.wait if isinstance(error, Refused) else ""
                pause(delay(attempt, wait), self.access.cancel)
            self._ask_how_far()

    def _go_on(self) -> None:
        if not self._location:
            with self.access.request("POST", "blobs/uploads/", expect=(202,)) as answer:
                self._location = self.access.at(answer, answer.headers.get("Location") or "")
        while self.blob.size - self._sent > self.chunk:
            self._patch()
        mark = "&" if "?" in self._location else "?"
        with self.access.request(
            "PUT", f"{self._location}{mark}digest={self.blob.digest}", headers=self._headers(self.blob.size),
            body=self._body(self.blob.size), expect=(201,), limits=_ONCE, what=f"blob {self.blob.digest}",
        ):  # fmt: skip
            self._sent = self.blob.size

    def _patch(self) -> None:
        end = self._sent + self.chunk
        with self.access.request(
            "PATCH", self._location, headers=self._headers(end), body=self._body(end), expect=(202,), limits=_ONCE
        ) as answer:
            self._location = self.access.at(answer, answer.headers.get("Location") or self._location)
        self._sent = end

    def _headers(self, end: int) -> dict[str, str]:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(end - self._sent)}
        if end < self.blob.size or self._sent:
            headers["Content-Range"] = f"{self._sent}-{end - 1}"
        return headers

    def _body(self, end: int) -> Body:
        def pieces() -> Iterable[bytes]:
            start = self._sent
            self._tell(start)
            with self.path.open("rb") as file:
                file.seek(start)
                while start < end:
                    self.access.cancel.check()
                    data = file.read(min(_PIECE, end - start))
                    if not data:
                        raise StoreError(f"{self.path}: it became shorter while it was sent")
                    yield data
                    start += len(data)
                    self._tell(start)

        return pieces

    def _tell(self, there: int) -> None:
        self.progress(there - self._told)
        self._told = there

    def _ask_how_far(self) -> None:
        """After a failure: where the open upload stands, else a new one. (`0-0` is what registries say of nothing.)"""
        location, self._location, self._sent = self._location, "", 0
        if not location:
            return
        try:
            with self.access.request("GET", location, expect=(204,), limits=_ONCE) as answer:
                found = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("Range") or "")
                self._location = self.access.at(answer, answer.headers.get("Location") or location)
                self._sent = int(found[1]) + 1 if found and found[1] != "0" else 0
        except ImageError:
            self._location = ""
        if self._sent >= self.blob.size:  # whole, but not closed: no part is left to close it with
            self._location, self._sent = "", 0


def _helps_again(error: ImageError) -> bool:
    if isinstance(error, Refused):
        return (error.status in TRANSIENT and not too_long(error.wait)) or error.status == 416
    return True
