"""What all steps of a build use: the store, scratch space, events, and how a folder becomes a source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.events import ContainerEvent, StepLog, Stream
from workbench.build.request import BuildRequest
from workbench.context.digest import DigestCache
from workbench.context.ignore import IgnoreRules
from workbench.context.scan import Scan, scan
from workbench.dataclass import dataclass
from workbench.engines.embedded.cache import Hit, StepCache
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.contexts import NamedContexts
from workbench.engines.embedded.layer_files import LayerFiles
from workbench.engines.embedded.plan import Plan
from workbench.engines.embedded.state import ImageState
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.trail import Trail
from workbench.engines.worker import Cancel, Emit
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.engines.embedded.run import Runner


class NotForeseen(Exception):
    """In a forecast: what would have to be fetched or done first."""


@dataclass(slots=True)
class Tools:
    """What all steps of a build use."""

    request: BuildRequest
    plan: Plan
    store: Store
    scratch: Path
    emit: Emit
    cancel: Cancel
    cache: StepCache
    trail: Trail
    files: LayerFiles
    runner: Callable[[], Runner]
    """Made when it is first asked for."""
    scan: Scan | None
    context: ContextTree | None
    digests: DigestCache
    contexts: NamedContexts = field(init=False)
    foresees: bool = False
    """Nothing is done and nothing fetched: steps are only looked up in the cache."""
    elsewhere: Callable[[ImageState, str, int], Hit | None] = lambda state, created_by, step: None
    """What the next step of an image left in an image of `--cache-from`, by its line of history."""
    tails: dict[int, str] = field(default_factory=dict)
    """The end of each running step's output."""

    def __post_init__(self) -> None:
        self.contexts = NamedContexts(
            self.plan.contexts, self.new_folder, self.folder_tree, self.cancel, self.plan.agents
        )

    def new_folder(self, what: str) -> Path:
        """An empty folder that goes when the build ends, for what is fetched. Raises NotForeseen in a forecast."""
        if self.foresees:
            raise NotForeseen
        import tempfile

        folder = Path(tempfile.mkdtemp(prefix=f"{what}-", dir=self.scratch))
        folder.chmod(0o755)
        return folder

    def folder_tree(self, folder: Path, rules: IgnoreRules | None = None) -> ContextTree:
        """A folder of this machine as a source of COPY. Raises InputError, Cancelled."""
        return ContextTree(read_folder(folder, rules or IgnoreRules(), self.cancel), self.digests, self.cancel.check)

    def log(self, step: int) -> Callable[[str, Stream], None]:
        """Hands output on as events, and keeps its end for the hints."""
        self.tails[step] = ""

        def write(text: str, stream: Stream) -> None:
            self.tails[step] = (self.tails[step] + text)[-4000:]
            self.emit(StepLog(step=step, text=text, stream=stream))

        return write

    @contextmanager
    def container(self, step: int) -> Iterator[str]:
        """An intermediate container that is made and removed, whatever happens in between."""
        name = os.urandom(32).hex()
        self.emit(ContainerEvent(step=step, action="created", container=name))
        try:
            yield name
        finally:
            self.emit(ContainerEvent(step=step, action="removed", container=name))


def read_folder(folder: Path, rules: IgnoreRules, cancel: Cancel) -> Scan:
    """What a folder has to copy from, as the classic builder would be sent it. Raises InputError for what cannot be
    read, Cancelled."""
    found = scan(folder, rules.as_classic(), cancel=lambda: cancel.asked)
    cancel.check()
    for entry in found.errors:
        raise InputError(
            f"cannot read {entry.path} of the build context: {entry.error}",
            hint="Make it readable, or leave it out by a line in .dockerignore.",
        )
    return found
