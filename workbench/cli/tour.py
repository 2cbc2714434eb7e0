"""The first-run tour, outside the screen: whether it is offered, and the copies of `genesis` that it is taken on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from workbench.cli import output
from workbench.config import config_file, state_dir
from workbench.errors import UsageError

_OFFERED = "tour-offered"


def first_start() -> bool:
    """Whether the workbench never ran here: no configuration, no state. Says so once: the state has it from then on.

    A state folder that cannot be written makes no first start, or the tour would be offered each time.
    """
    state = state_dir()
    if config_file().exists() or state.exists():
        return False
    try:
        state.mkdir(parents=True)
        (state / _OFFERED).touch()
    except OSError:
        return False
    return True


class TourCopies:
    """Copies of the sample in temporary folders, which go when the block ends."""

    def __init__(self) -> None:
        self._folders: list[Path] = []

    def __enter__(self) -> TourCopies:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def make(self) -> Path:
        """Another one. Says nothing, as the screen may be there. Raises InputError where there is no busybox."""
        folder = Path(tempfile.mkdtemp(prefix="workbench-tour-"))
        self._folders.append(folder)
        _copy_to(folder / "genesis", lambda told: None)
        return folder / "genesis"


def chosen_copy(folder: Path) -> Path:
    """The copy in a folder that a person named, which is not there yet, or empty; it stays. Raises UsageError,
    StoreError, InputError where there is no busybox."""
    folder = folder.expanduser().absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty", hint="The tour wants a folder of its own: name one to be made.")
    _copy_to(folder, output.talk)
    output.talk(f"copied the sample genesis to {folder}")
    return folder


def _copy_to(folder: Path, say: Callable[[str], None]) -> None:
    from workbench.cli.demo import copy, make
    from workbench.cli.samples import sample

    copy(sample("genesis"), folder)
    make(folder, say)
