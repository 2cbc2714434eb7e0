"""One build by BuildKit, from the request to its last event.

Blocks; `ThreadBuild` runs it on a thread, with an event loop of its own: the screen's loop has no part in scanning a
context of 100,000 files, nor in the engine's calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.engine import refuse_unsupported
from workbench.build.events import BuildEvent, BuildFinished, BuildStarted, ContextSent
from workbench.build.request import BuildRequest
from workbench.build.secrets import read_secrets
from workbench.context.ignore import IGNORE_FILE
from workbench.engines.address import Address
from workbench.engines.buildkit.credentials import Credentials
from workbench.engines.buildkit.files import FolderTree, MemoryTree, Tree
from workbench.engines.buildkit.options import (
    Solve,
    is_folder,
    read_proxies,
    read_solve,
    refuse_for,
)  # fmt: skip
from workbench.engines.buildkit.plan import Plan, make_plan
from workbench.engines.buildkit.vertices import Vertices
from workbench.engines.source import Source, read_source
from workbench.engines.worker import Cancel, Cancelled, Emit
from workbench.errors import EngineLost, InputError, Unsupported

if TYPE_CHECKING:
    from workbench.engines.buildkit.control import Control
    from workbench.engines.buildkit.filesync import Sent
    from workbench.engines.buildkit.session import Session
    from workbench.engines.buildkit.transport import Connector

_FAREWELL = 0.7
"""Seconds in which the engine may end what was cancelled."""
_REST = 5.0
"""Seconds in which a build that is done may still tell its status."""


class BuildKitBuild:
    """`work` of a ThreadBuild for one request."""

    def __init__(self, request: BuildRequest, address: Address) -> None:
        self._request = request
        self._address = address

    def __call__(self, emit: Emit, cancel: Cancel) -> None:
        request = self._request
        refuse_unsupported(request, "buildkit")
        if request.remote:
            raise Unsupported("a context that the engine fetches itself", engine="buildkit", engines=["docker"])
        source = read_source(request)
        plan = make_plan(source.dockerfile, request.target, request.build_args)
        filename = Path(request.dockerfile).name if not source.replaces else "Dockerfile"
        credentials = Credentials()
        solve = read_solve(
            request, filename=filename, target=plan.target,
            proxies=read_proxies(credentials.config(), self._address.host),
        )  # fmt: skip
        secrets = read_secrets(request.secrets)
        run = _Run(request, plan, solve, emit, cancel)
        trees = read_trees(request, source, filename)
        asyncio.run(run.run(self._address, trees, secrets, credentials))


def read_trees(request: BuildRequest, source: Source, filename: str) -> dict[str, Tree]:
    """What the engine may ask for by name. The Dockerfile comes as it was read, whatever becomes of the file."""
    files = {filename: source.text}
    if request.context is not None:
        path = request.context / request.dockerfile
        with contextlib.suppress(OSError):
            files[filename + IGNORE_FILE] = path.with_name(path.name + IGNORE_FILE).read_bytes()
    trees: dict[str, Tree] = {
        "dockerfile": MemoryTree(files),
        "context": FolderTree(request.context) if request.context is not None else MemoryTree({}),
    }
    for name, place in request.build_contexts.items():
        if is_folder(place):
            if not Path(place).is_dir():
                raise InputError(f"--build-context {name}={place}: no such directory")
            trees[name] = FolderTree(Path(place).absolute())
    return trees


class _Run:
    """A build that has a plan and everything that the engine may ask for."""

    def __init__(self, request: BuildRequest, plan: Plan, solve: Solve, emit: Emit, cancel: Cancel) -> None:
        self._request = request
        self._plan = plan
        self._solve = solve
        self._emit = emit
        self._cancel = cancel
        self._vertices = Vertices(plan)
        self._began = time.monotonic()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="buildkit events")
        self._sent: list[Sent] = []
        self._told_context = False

    async def run(
        self, address: Address, trees: dict[str, Tree], secrets: dict[str, bytes], credentials: Credentials
    ) -> None:
        """Emits everything, the last event included; before the first it raises."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        def ask() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the build with it
                loop.call_soon_threadsafe(task.cancel)

        forget = self._cancel.on_ask(ask)
        from workbench.engines.buildkit.control import Control
        from workbench.engines.buildkit.session import Session, shared_key
        from workbench.engines.buildkit.transport import LOSSES, Connector

        connector = Connector(address)
        control = Control(connector)
        session = Session(
            trees, key=shared_key(self._request.context), secrets=secrets, credentials=credentials,
            on_sent=self._sent.append,
        )  # fmt: skip
        try:
            finished = await self._with_session(connector, control, session)
        except asyncio.CancelledError as error:
            raise Cancelled from error
        except LOSSES as error:
            finished = self._lost(connector.lost(error))
        finally:
            forget()
            control.close()
            connector.close()
            self._writer.shutdown(wait=not self._cancel.asked)
        self._emit(finished)

    async def _with_session(self, connector: Connector, control: Control, session: Session) -> BuildFinished:
        refuse_for(self._request, await control.version())
        served = await session.open(connector)
        await self._tell([BuildStarted(build=uuid.uuid4().hex[:12], engine="buildkit", steps=self._plan.steps)])
        try:
            return await self._build(control, session)
        finally:
            served.close()

    async def _build(self, control: Control, session: Session) -> BuildFinished:
        from grpclib.const import Status
        from grpclib.exceptions import GRPCError

        ref = uuid.uuid4().hex
        solving = asyncio.create_task(control.solve(self._solve.message(ref=ref, session=session.id)))
        following = asyncio.create_task(self._follow(control, ref))
        try:
            result = await solving
        except asyncio.CancelledError:
            solving.cancel()  # the engine ends what runs, and then the status
            await asyncio.wait([solving, following], timeout=_FAREWELL)
            raise
        except GRPCError as error:
            await asyncio.wait([following], timeout=_REST)
            if error.status in (Status.UNAVAILABLE, Status.CANCELLED) and session.problem is None:
                raise ConnectionError(error.message) from error
            return self._failed(str(error.message or error.status.name), session)
        else:
            await asyncio.wait([following], timeout=_REST)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await self._tell([*self._context_sent(last=True), *self._vertices.finish()])
        image = result.get("containerimage.digest") or result.get("containerimage.config.digest", "")
        return BuildFinished(outcome="succeeded", image=image, tags=self._request.tags, seconds=self._seconds())

    async def _follow(self, control: Control, ref: str) -> None:
        async for response in control.status(ref):
            events = [*self._vertices.take(response)]
            await self._tell([*self._context_sent(), *events])

    async def _tell(self, events: Iterable[BuildEvent]) -> None:
        """A reader that is slow holds this up, and not the calls of the engine, which wants answers meanwhile."""
        batch = list(events)
        if batch:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._emit_all, batch)

    def _emit_all(self, batch: list[BuildEvent]) -> None:
        for event in batch:
            self._emit(event)

    def _context_sent(self, *, last: bool = False) -> list[BuildEvent]:
        """Once: when the engine has the files of the context, or the Dockerfile where no step wants any."""
        if self._told_context or not (last or any(map(self._is_last, self._sent))):
            return []
        self._told_context = True
        return [
            ContextSent(
                bytes=sum(it.bytes for it in self._sent), files=sum(it.files for it in self._sent),
                total_bytes=sum(it.total_bytes for it in self._sent),
            )
        ]  # fmt: skip

    def _is_last(self, sent: Sent) -> bool:
        """Of the context the engine first asks for the ignore file alone."""
        if not self._plan.uses_context:
            return sent.tree == "dockerfile"
        return sent.tree == "context" and sent.wanted.follow != (IGNORE_FILE,)

    def _failed(self, message: str, session: Session) -> BuildFinished:
        failure = self._vertices.failure
        if session.problem is not None:
            return BuildFinished(
                outcome="failed", error=str(session.problem), hint=session.problem.hint, seconds=self._seconds(),
                step=failure.step if failure else None, line=self._line(failure.step if failure else None),
            )  # fmt: skip
        if failure is None:
            return BuildFinished(outcome="failed", error=message, seconds=self._seconds())
        return BuildFinished(
            outcome="failed", error=failure.error, hint=self._hint(failure.step), step=failure.step,
            line=self._line(failure.step), seconds=self._seconds(),
        )  # fmt: skip

    def _lost(self, error: EngineLost) -> BuildFinished:
        step = self._vertices.step
        return BuildFinished(
            outcome="failed", error=str(error), hint=error.hint, step=step, line=self._line(step), lost=True,
            seconds=self._seconds(),
        )  # fmt: skip

    def _hint(self, step: int | None) -> str:
        return {
            "RUN": "The log of the step says why." if step in self._vertices.logged else "",
            "COPY": "Paths are relative to the build context; `workbench context` shows what is sent.",
            "ADD": "Paths are relative to the build context; `workbench context` shows what is sent.",
            "FROM": "The base image is neither on the engine nor to be had from its registry: check the name, or load "
            "it.",
        }.get(self._plan.keyword(step) if step else "", "")

    def _line(self, step: int | None) -> int | None:
        return self._plan.steps[step - 1].line if step else None

    def _seconds(self) -> float:
        return time.monotonic() - self._began
