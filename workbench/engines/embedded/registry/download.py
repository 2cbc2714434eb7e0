"""A blob as a file: every byte counted and hashed, a cut connection taken up again where it broke."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, BinaryIO

from workbench.dataclass import dataclass
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.registry.access import Access, NotReached
from workbench.engines.embedded.registry.manifests import Blob
from workbench.engines.embedded.registry.retry import ATTEMPTS, delay, pause
from workbench.engines.embedded.registry.transport import Answer, Broken
from workbench.errors import ImageError

_CHUNK = 1 << 18
_MOST_CUTS = 100


def download(access: Access, blob: Blob, path: Path, progress: Callable[[int], None] = lambda new: None) -> None:
    """Writes the blob to a new file; `progress` is told the bytes that came (a negative number where some were for
    nothing). Raises ImageError where the registry gives something else, NotReached, StoreError, Cancelled."""
    with disk_errors(path), path.open("wb") as file:
        _Download(access, blob, file, progress).run()


@dataclass(slots=True)
class _Download:
    access: Access
    blob: Blob
    file: BinaryIO
    progress: Callable[[int], None]
    _done: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)
    _resumed: bool = False

    def run(self) -> None:
        self._fill()
        if self._wrong() and self._resumed:  # two halves of what was not one: once more, whole
            self._restart()
            self._fill()
        if self._wrong():
            raise ImageError(
                f"{self.access.shown} answered with something else than the blob {self.blob.digest}: "
                f"it has the digest sha256:{self._hash.hexdigest()}",
                hint="The registry, or what stands between, is damaged or lies. Nothing was stored.",
            )

    def _wrong(self) -> bool:
        return f"sha256:{self._hash.hexdigest()}" != self.blob.digest

    def _fill(self) -> None:
        attempt = 0
        for _ in range(_MOST_CUTS):
            before = self._done
            try:
                self._once()
                return
            except Broken as error:
                attempt = 1 if self._done > before else attempt + 1
                if attempt >= ATTEMPTS:
                    raise self._cut(str(error)) from error
            pause(delay(attempt) / 4, self.access.cancel)
        raise self._cut("the connection was cut again and again")

    def _cut(self, reason: str) -> NotReached:
        where = f"{self._done} of {self.blob.size} bytes of {self.blob.digest}"
        return NotReached(f"{self.access.shown} broke off after {where}: {reason}", hint="Try again later.")

    def _once(self) -> None:
        if self._done == self.blob.size and self._done:
            return
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        with self.access.request(
            "GET", f"blobs/{self.blob.digest}", headers=headers, expect=(200, 206, 416), what=f"blob {self.blob.digest}"
        ) as answer:
            if self._done:
                self._resumed = True
                if not self._goes_on(answer):
                    self._restart()
                    if answer.status != 200:
                        raise Broken("it does not take up where it broke off")
            while data := answer.read(_CHUNK):
                self._take(data)
        if self._done < self.blob.size:
            raise Broken("the connection was cut")

    def _goes_on(self, answer: Answer) -> bool:
        found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
        return answer.status == 206 and found is not None and int(found[1]) == self._done

    def _take(self, data: bytes) -> None:
        self.access.cancel.check()
        if self._done + len(data) > self.blob.size:
            raise ImageError(
                f"{self.access.shown} answered with more than the {self.blob.size} bytes of {self.blob.digest}",
                hint="The registry, or what stands between, is damaged or lies. Nothing was stored.",
            )
        self.file.write(data)
        self._hash.update(data)
        self._done += len(data)
        self.progress(len(data))

    def _restart(self) -> None:
        self.progress(-self._done)
        self.file.seek(0)
        self.file.truncate()
        self._done = 0
        self._hash = hashlib.sha256()
