"""Every error that a person may meet, drawn once; what is not in this tree is a bug.

    WorkbenchError                 exit code   when
    ├── UsageError                 2           the command line, an option, a configuration value
    ├── InputError                 2           the context, a Dockerfile, an archive is not what it should be
    │   └── DockerfileError        2           the text does not parse: file, line and column
    ├── Unsupported                2           this engine cannot honour an option or an instruction
    ├── ImageError                 1           an image operation was refused
    │   ├── ImageNotFound          1
    │   └── ImageInUse             1
    ├── StoreError                 1           the disk: full, read-only, or a damaged store
    ├── BuildFailed                1           a headless build ended in `failed`
    └── EngineError                3
        ├── EngineUnavailable      3           not there; the hint says what to do
        └── EngineLost             3           was there, and went away

An error's `message` says what happened and where, its `hint` what to do. Neither carries markup nor secrets.
"""

from __future__ import annotations

from collections.abc import Sequence


class WorkbenchError(Exception):
    """The root. `exit_code` is what the headless command ends with."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(WorkbenchError):
    """An unknown option, a value out of range, options that exclude each other."""

    exit_code = 2


class InputError(WorkbenchError):
    """A context, Dockerfile or archive that cannot be used as it is."""

    exit_code = 2


class DockerfileError(InputError):
    """A Dockerfile that does not parse. `line` and `column` count from 1; `path` may be empty for bare text."""

    def __init__(self, line: int, column: int, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.column = column
        self.path = path

    def __str__(self) -> str:
        return f"{self.path or 'Dockerfile'}:{self.line}:{self.column}: {self.message}"


class Unsupported(WorkbenchError):
    """An option or instruction that the chosen engine cannot honour, and the engines that can."""

    exit_code = 2

    def __init__(self, what: str, *, engine: str, engines: Sequence[str] = (), hint: str = "") -> None:
        who = f"; engines that have it: {', '.join(engines)}" if engines else "; no engine here has it"
        super().__init__(f"the {engine} engine cannot honour {what}{who}", hint=hint)
        self.what = what
        self.engine = engine
        self.engines = tuple(engines)


class ImageError(WorkbenchError):
    """An image operation that was refused."""


class ImageNotFound(ImageError):
    """No image answers to that name or ID."""


class ImageInUse(ImageError):
    """A container or another image stands on it."""


class StoreError(WorkbenchError):
    """The store's disk is full, read-only, or not a store."""


class BuildFailed(WorkbenchError):
    """A headless build ended in `failed`."""


class EngineError(WorkbenchError):
    """The engine itself is the trouble."""

    exit_code = 3


class EngineUnavailable(EngineError):
    """The engine does not answer here; `hint` says what to do about it."""


class EngineLost(EngineError):
    """The engine answered before and went away."""
