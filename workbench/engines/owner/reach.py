"""Reaching the owner of a context: connecting to the one that is there, else starting one and connecting to that."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from workbench.dataclass import dataclass
from workbench.engines.owner.place import Place, place_of
from workbench.errors import EngineUnavailable

WITHIN = 10.0
"""Seconds that an owner has to start."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How the owner of `context` is reached; `program` and its arguments start one, which says `ready` on stdout and
    goes on by itself."""

    context: Path
    program: Sequence[str]

    @property
    def place(self) -> Place:
        return place_of(self.context)

    def prepare(self) -> None:
        """Starts an owner where there is none, ahead of its use. What keeps it from starting is told by `connect`.
        Blocks."""
        with suppress(EngineUnavailable):
            self.connect().close()

    def there(self) -> socket.socket | None:
        """A socket to the owner that is there. Blocks."""
        try:
            return self.place.connect()
        except OSError:
            return None

    def connect(self) -> socket.socket:
        """A socket to the owner. Blocks. Raises EngineUnavailable where it cannot be started."""
        end = time.monotonic() + WITHIN
        why: Exception | None = None
        while time.monotonic() < end:
            try:
                return self.place.connect()
            except PermissionError as error:
                raise EngineUnavailable(str(error)) from error
            except OSError as error:
                why = error
            self._start()
        raise EngineUnavailable("the process that owns the builds does not answer", hint=self._hint()) from why

    def _start(self) -> None:
        place = self.place
        try:
            place.make()
            log = os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EngineUnavailable(f"{place.folder}: {error.strerror}") from error
        try:
            process = subprocess.Popen(
                [*self.program, str(self.context)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                cwd="/", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise EngineUnavailable(f"{self.program[0]}: {error.strerror}") from error
        finally:
            os.close(log)
        with process:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], WITHIN)[0] or process.stdout.read(5) != b"ready":
                raise EngineUnavailable("the process that owns the builds did not start", hint=self._hint())

    def _hint(self) -> str:
        return f"What it said is in {self.place.log}."


def reach_for(context: Path, module: str, engine: str) -> Reach:
    """`module.main` is the owner's program; it is told the name of the engine that will be asked for first. The folder
    that a person stands in, a build context, is nowhere that its Python looks for modules."""
    root = str(Path(__file__).resolve().parents[3])
    code = f"import sys; sys.path.append({root!r}); from {module} import main; main()"
    return Reach(context, (sys.executable, "-P", "-c", code, engine))
