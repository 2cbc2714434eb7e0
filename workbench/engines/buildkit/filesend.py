"""FileSend: the engine sends results back, a folder file by file, or an archive as one stream of bytes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.filesync import plain_ascii
from workbench.engines.buildkit.messages import messages
from workbench.engines.buildkit.outputs import STDOUT, Output
from workbench.engines.buildkit.receive import Receiving
from workbench.errors import InputError, WorkbenchError

_BATCH = 1 << 20


class Raw:
    """A message as its bytes: what it means depends on which output the call is for."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    @classmethod
    def FromString(cls, data: bytes) -> Raw:
        return cls(bytes(data))

    def SerializeToString(self) -> bytes:
        return self.data


class FileSend:
    """The service. Outputs are told apart by their number, where the engine knows more than one."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.problem: WorkbenchError | None = None
        self._outputs = outputs

    def handlers(self) -> dict[str, Handler]:
        call = Handler(self._take, Cardinality.STREAM_STREAM, Raw, Raw)
        return {"/moby.filesync.v1.FileSend/DiffCopy": call}

    async def _take(self, stream: Any) -> None:
        output = self._find(str(stream.metadata.get("buildkit-attachable-exporter-id", "")))
        try:
            if output.is_file:
                await _take_file(stream, output.dest)
            else:
                await Receiving(stream, Path(output.dest)).run()
        except WorkbenchError as error:
            self.problem = error
            raise GRPCError(Status.ABORTED, plain_ascii(str(error))) from error

    def _find(self, number: str) -> Output:
        """Without a number it is the only one that wants bytes."""
        wanting = [output for output in self._outputs if output.dest]
        if number.isdecimal() and int(number) < len(self._outputs) and self._outputs[int(number)].dest:
            return self._outputs[int(number)]
        if len(wanting) != 1:
            raise GRPCError(Status.NOT_FOUND, f"there is no output {plain_ascii(number) or 0}")
        return wanting[0]


async def _take_file(stream: Any, dest: str) -> None:
    file = await asyncio.to_thread(FileOutput, dest)
    try:
        waiting = bytearray()
        async for message in stream:
            waiting += messages().BytesMessage.FromString(message.data).data
            if len(waiting) >= _BATCH:
                await asyncio.to_thread(file.write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(file.write, bytes(waiting))
        await asyncio.to_thread(file.commit)
    finally:
        file.close()


class FileOutput:
    """A file that is whole or absent, or stdout. Blocks. Raises InputError."""

    def __init__(self, dest: str) -> None:
        self._dest = dest
        self._temporary = f"{dest}.{secrets.token_hex(4)}.part"
        try:
            self._file: BinaryIO = sys.stdout.buffer if dest == STDOUT else Path(self._temporary).open("xb")  # noqa: SIM115
        except OSError as error:
            raise self._failed(error) from error

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    def commit(self) -> None:
        try:
            self._file.flush()
            if self._dest != STDOUT:
                self._file.close()
                Path(self._temporary).replace(self._dest)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Drops what was not committed."""
        if self._dest != STDOUT:
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)  # noqa: PTH108 - gone already where all went well

    def _failed(self, error: OSError) -> InputError:
        return InputError(f"--output {self._dest}: {error.strerror}")
