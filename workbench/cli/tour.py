"""The first-run tour, outside the screen: whether it is offered, the copies of `genesis` that it is taken on, and what
goes with them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from workbench.build.images import ImageStore
from workbench.cli import output
from workbench.config import Config, config_file, state_dir
from workbench.errors import UsageError, WorkbenchError

_OFFERED = "tour-offered"
_STATE = "XDG_STATE_HOME"


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


@contextmanager
def state_in(folder: Path) -> Iterator[None]:
    """A block whose state is kept there: builds, logs, digests. The process that builds inherits it."""
    before = os.environ.get(_STATE)
    os.environ[_STATE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_STATE]
        else:
            os.environ[_STATE] = before


def images_of(context: Path) -> set[str]:
    """The IDs of what was built of it, as far as this state knows."""
    from workbench.build.history import History

    return {record.image for record in History().list(context) if record.image}


def forget_images(identifiers: Collection[str], config: Config, engine: str) -> None:
    """Deletes what the tour built on that engine, out of its trash too. An image that has another name as well, or that
    another build made too, stays; of what the engine does not delete it is said that it is left."""
    from workbench.build.history import History
    from workbench.cli.engine import with_images
    from workbench.cli.trash import trash_of
    from workbench.tui.guide import TAG

    ours = set(identifiers) - {record.image for record in History().all()}
    name = f"{TAG}:latest"

    async def work(images: ImageStore) -> int:
        trash = trash_of(images, config)
        await trash.empty([held for held in await trash.held() if held.name == name])
        for image in await images.list():
            if image.id in ours and not set(image.tags) - {name}:
                await images.remove([image.id])
        return 0

    try:
        with_images(replace(config, engine=engine), work, quiet=True)
    except WorkbenchError as error:
        output.talk(f"images of the tour are left, as {TAG} or without a name: {error}")


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
