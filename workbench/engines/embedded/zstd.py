"""zstd through the system's `zstd` command, for the Pythons that have no module for it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import suppress
from typing import IO, BinaryIO, cast

from workbench.errors import InputError

_PIECE = 1 << 16


def command() -> str:
    """The path of `zstd`, or "" where there is none."""
    return shutil.which("zstd") or ""


def decompressed(source: BinaryIO, name: str) -> Decompressed:
    """The plain bytes of a zstd stream; `name` is for errors. Close it. Raises OSError where `zstd` cannot start."""
    return Decompressed(source, name)


class Decompressed:
    """A stream that `zstd` writes while a thread gives it what it reads."""

    def __init__(self, source: BinaryIO, name: str) -> None:
        self._source = source
        self._name = name
        self._problem: Exception | None = None
        self._process = subprocess.Popen(
            [command(), "-dcq", "--no-progress"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._out = cast(IO[bytes], self._process.stdout)
        self._feeder = threading.Thread(target=self._feed, name="zstd", daemon=True)
        self._feeder.start()

    def _feed(self) -> None:
        pipe = cast(IO[bytes], self._process.stdin)
        try:
            with pipe:
                while data := self._source.read(_PIECE):
                    pipe.write(data)
        except BrokenPipeError:  # zstd has ended: what it says of the data is told by its exit code
            return
        except Exception as error:
            self._problem = error

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer only at the end. Raises InputError where the data is damaged."""
        data = self._out.read(size)
        if not data and size:
            self._feeder.join()
            if self._problem is not None:
                raise self._problem
            if self._process.wait():
                raise InputError(f"{self._name}: damaged zstd")
        return data

    def close(self) -> None:
        """Ends zstd, whether all was read or not."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._out.close()
        self._process.wait()
        self._feeder.join()
