"""The embedded engine: builds in this process, without a daemon, into a store of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import __version__
from workbench.build.engine import OPTIONS, Build, Capabilities, EngineInfo, refuse_unsupported
from workbench.build.request import BuildRequest
from workbench.engines.embedded.cache_bound import CacheBound, trim_now_and_then
from workbench.engines.embedded.images import EmbeddedImages
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.store import Store
from workbench.engines.worker import Cancel, Emit, ThreadBuild
from workbench.errors import EngineUnavailable, StoreError, WorkbenchError

if TYPE_CHECKING:
    from workbench.build.forecast import Forecast
    from workbench.context.scan import Scan
    from workbench.dockerfile import Instruction

FEATURES = frozenset(
    {"heredoc", "run-mount", "run-security", "copy-chmod", "copy-link", "copy-exclude", "copy-parents", "add-checksum",
     "add-git", "parallel-stages"}
)  # fmt: skip
_NO_SETTINGS = Registries()
_BOUND = CacheBound()


def preload() -> None:
    """Imports what a first build with a COPY would import."""
    import workbench.engines.embedded.copy_landing
    import workbench.engines.embedded.executor
    import workbench.engines.ssh_agents  # noqa: F401


class EmbeddedEngine:
    """Implements `build.engine.Engine` on the store at `root`, which is made at the first use."""

    name = "embedded"

    def __init__(self, root: Path, registries: Registries = _NO_SETTINGS, bound: CacheBound = _BOUND) -> None:
        self._root = root
        self._registries = registries
        self._bound = bound
        self._store = Store(root)
        self._lock = threading.Lock()
        self._opened = False
        self._builds: list[ThreadBuild] = []

    @cached_property
    def images(self) -> EmbeddedImages:
        return EmbeddedImages(self._store, self._registries)

    def capabilities(self) -> Capabilities:
        return Capabilities(OPTIONS[self.name], FEATURES)

    async def check(self) -> EngineInfo:
        """Raises EngineUnavailable where the store cannot be opened. Without a sandbox it is usable, with a
        warning: only RUN needs one."""
        return await asyncio.to_thread(self._check)

    def _check(self) -> EngineInfo:
        from workbench.engines.embedded.bwrap import ability

        try:
            self._open()
        except StoreError as error:
            raise EngineUnavailable(str(error), hint=error.hint) from error
        able = ability()
        warnings = []
        if able.mode is None:
            warnings.append(f"RUN does not work here: {able.reason}. {able.hint}")
        elif able.mode == "chroot":
            from workbench.engines.embedded.chroot import WARNING

            warnings.append(WARNING)
        elif able.mode == "user":
            warnings.append("without root, a RUN cannot give files to another user: its chown answers success only")
        return EngineInfo(self.name, __version__, str(self._root), (str(able),), tuple(warnings))

    def build(self, request: BuildRequest) -> Build:
        def work(emit: Emit, cancel: Cancel) -> None:
            build.scan = self._build(request, emit, cancel)

        build = ThreadBuild(work, name="embedded build")
        for before in self._builds:
            before.scan = None
        self._builds = [*self._builds[-8:], build]
        return build

    def _build(self, request: BuildRequest, emit: Emit, cancel: Cancel) -> Scan | None:
        """Returns the context that it was made from."""
        from workbench.engines.embedded.executor import Executor
        from workbench.engines.embedded.plan import make_plan
        from workbench.engines.ssh_agents import open_agents

        refuse_unsupported(request, self.name)
        plan = make_plan(request, self._triggers)
        self._open()
        with open_agents(request.ssh) as agents:
            plan = replace(plan, agents=agents)
            executor = Executor(request, plan, self._store, self._digests, self._files, emit, cancel, self._registries)
            scan = executor.run()
        with suppress(StoreError):  # what cannot be cleared away now can be later
            trim_now_and_then(self._store, self._bound)
        return scan

    def _triggers(self, name: str) -> tuple[Instruction, ...]:
        """The ONBUILD triggers of an image of the store; none for one that is not here, or cannot be read."""
        from workbench.dockerfile import parse_trigger

        try:
            config = self._store.image(name).config.get("config") or {}
            return tuple(it for text in config.get("OnBuild") or () for it in parse_trigger(text))
        except WorkbenchError:
            return ()

    async def forecast(self, request: BuildRequest) -> Forecast | None:
        cancel = Cancel()
        try:
            return await asyncio.to_thread(self._foresee, request, cancel)
        finally:
            cancel.ask()

    def _foresee(self, request: BuildRequest, cancel: Cancel) -> Forecast | None:
        from workbench.engines.embedded.executor import Executor
        from workbench.engines.embedded.foresee import Foresight
        from workbench.engines.embedded.plan import make_plan

        if request.remote is not None:
            return None
        plan = make_plan(request, self._triggers)
        self._open()
        build = Executor(
            request, plan, self._store, self._digests, self._files, lambda event: None, cancel, self._registries
        )
        return Foresight(build).look()

    @cached_property
    def _digests(self):  # type: ignore[no-untyped-def]
        from workbench.context.digest import DigestCache

        return DigestCache(self._store.private / "digests")

    @cached_property
    def _files(self):  # type: ignore[no-untyped-def]
        from workbench.engines.embedded.layer_files import LayerFiles

        return LayerFiles(self._store)

    def _open(self) -> None:
        with self._lock:
            if not self._opened:
                self._store.open()
                self._opened = True

    async def close(self) -> None:
        """Cancels what runs, and waits until nothing of it is left."""
        for build in self._builds:
            await build.aclose()
        self._builds = []
