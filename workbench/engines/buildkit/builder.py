"""One build by BuildKit, from the request to its last event: what the engine may ask of us, and the way to reach it.

Blocks; `ThreadBuild` runs it on a thread, with an event loop of its own: the screen's loop has no part in scanning a
context of 100,000 files, nor in the engine's calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.engine import refuse_unsupported
from workbench.build.events import BuildFinished
from workbench.build.request import BuildRequest
from workbench.context.ignore import IGNORE_FILE
from workbench.dataclass import dataclass
from workbench.engines.address import Address
from workbench.engines.buildkit.credentials import Credentials
from workbench.engines.buildkit.files import FolderTree, MemoryTree, Tree
from workbench.engines.buildkit.plan import Plan, make_plan
from workbench.engines.full_disk import FullDisk
from workbench.engines.source import Source, read_source
from workbench.engines.worker import Cancel, Cancelled, Emit
from workbench.errors import EngineLost, InputError, Unsupported, WorkbenchError

if TYPE_CHECKING:
    from workbench.engines.buildkit.control import Control
    from workbench.engines.buildkit.exporters import Backend, Exports
    from workbench.engines.buildkit.options import Solve
    from workbench.engines.buildkit.outputs import Output
    from workbench.engines.buildkit.run import Run
    from workbench.engines.buildkit.session import Session
    from workbench.engines.buildkit.transport import Connector


_INSIST = 0.1
"""Seconds after which a wish to cancel is said again, as long as nobody has heard it."""


class BuildKitBuild:
    """`work` of a ThreadBuild for one request."""

    def __init__(self, request: BuildRequest, address: Address, patience: float = 60.0) -> None:
        self._request = request
        self._address = address
        self._patience = patience

    def __call__(self, emit: Emit, cancel: Cancel) -> None:
        began = time.monotonic()
        request = self._request
        emit = FullDisk(emit, self._address)
        refuse_unsupported(request, "buildkit")
        if request.remote:
            raise Unsupported("a context that the engine fetches itself", engine="buildkit", engines=["docker"])
        from workbench.engines.buildkit.run import Run
        from workbench.engines.ssh_agents import open_agents

        with open_agents(request.ssh) as agents:
            asked = prepare(request, self._address, agents)
            run = Run(request, asked.plan, emit, cancel, began)
            try:
                emit(asyncio.run(_Build(asked, run, cancel).run(self._address, self._patience)))
            finally:
                run.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read: everything that a build needs of this machine."""

    request: BuildRequest
    source: Source
    plan: Plan
    solve: Solve
    outputs: Sequence[Output]
    trees: Mapping[str, Tree]
    credentials: Credentials
    agents: Mapping[str, str]
    secrets: Mapping[str, bytes] = field(repr=False)

    def session(self, run: Run, exports: Exports) -> Session:
        """Serves all of it to the engine."""
        from workbench.engines.buildkit.auth import Auth
        from workbench.engines.buildkit.filesync import FileSync
        from workbench.engines.buildkit.secrets import Secrets
        from workbench.engines.buildkit.session import Service, Session, shared_key

        services: list[Service] = [FileSync(self.trees, run.sent.append), Auth(self.credentials), Secrets(self.secrets)]
        if self.agents:
            from workbench.engines.buildkit.agents import Agents

            services.append(Agents(self.agents))
        if any(output.dest for output in exports.sent):
            from workbench.engines.buildkit.filesend import FileSend

            services.append(FileSend(exports.sent))
        if layouts := {**self.solve.caches.layouts, **self.solve.layouts}:
            from workbench.engines.buildkit.content import Content

            services.append(Content(layouts))
        return Session(services, key=shared_key(self.request.context))


def prepare(request: BuildRequest, address: Address, agents: Mapping[str, str]) -> Asked:
    """Blocks. Raises InputError, DockerfileError, UsageError, Unsupported."""
    from workbench.build.secrets import read_secrets
    from workbench.engines.buildkit.options import read_proxies, read_solve
    from workbench.engines.buildkit.outputs import read_outputs

    source = read_source(request)
    plan = make_plan(source.dockerfile, request.target, request.build_args, request.platform)
    filename = Path(request.dockerfile).name if not source.replaces else "Dockerfile"
    credentials = Credentials()
    proxies = read_proxies(credentials.config(), address.host)
    solve = read_solve(request, filename=filename, target=plan.target, proxies=proxies)
    outputs = read_outputs(request.output)
    trees = read_trees(request, source, filename)
    secrets = read_secrets(request.secrets)
    return Asked(request, source, plan, solve, outputs, trees, credentials, agents, secrets)


def read_trees(request: BuildRequest, source: Source, filename: str) -> dict[str, Tree]:
    """What the engine may ask for by name. The Dockerfile comes as it was read, whatever becomes of the file."""
    from workbench.engines.buildkit.options import is_folder

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


class _Build:
    """Finds the way in, builds, and does with the image what the engine itself does not."""

    def __init__(self, asked: Asked, run: Run, cancel: Cancel) -> None:
        self._asked = asked
        self._run = run
        self._cancel = cancel

    async def run(self, address: Address, patience: float) -> BuildFinished:
        """The last event, the others told; before the first it raises."""
        from workbench.engines.buildkit.control import Control
        from workbench.engines.buildkit.offered import NotOffered
        from workbench.engines.buildkit.transport import DIAL_TIMEOUT, LOSSES, Connector
        from workbench.engines.buildkit.watchdog import wait_for_silence

        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        silence = asyncio.create_task(wait_for_silence(address, patience))

        def insist() -> None:
            """A library may swallow the first wish: `asyncio.wait_for` of Python 3.11 does, where both come at once."""
            if not task.done() and not self._run.ending:
                task.cancel()
                loop.call_later(_INSIST, insist)

        def ask() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the build with it
                loop.call_soon_threadsafe(insist)

        def end_it(found: asyncio.Task[EngineLost]) -> None:
            if not found.cancelled():
                insist()

        silence.add_done_callback(end_it)
        forget = self._cancel.on_ask(ask)
        connector = Connector(address, timeout=min(DIAL_TIMEOUT, patience))
        control = Control(connector)
        try:
            try:
                return await self._by_control(connector, control)
            except NotOffered as error:
                return await self._by_call(connector, control, error)
        except asyncio.CancelledError as error:
            if silence.done() and not self._cancel.asked:
                return self._run.lost(silence.result())
            raise Cancelled from error
        except LOSSES as error:
            return self._run.lost(connector.lost(error))
        finally:
            silence.cancel()
            forget()
            control.close()
            connector.close()

    async def _by_control(self, connector: Connector, control: Control) -> BuildFinished:
        from workbench.engines.buildkit.backend import look
        from workbench.engines.buildkit.options import refuse_for, with_gateway
        from workbench.engines.buildkit.solver import ControlSolver

        asked = self._asked
        backend = await look(connector, control, asked.request, asked.outputs)
        refuse_for(asked.request, backend.version)
        solve = await with_gateway(asked.solve, asked.request, control)
        exports = self._exports(backend)
        session = asked.session(self._run, exports)
        served = await session.open(connector, control)
        try:
            await self._run.start((*asked.solve.caches.warnings, *exports.warnings))
            message = solve.message(exports, ref=os.urandom(16).hex(), session=session.id)
            end = await self._run.follow(ControlSolver(control, message), session)
            return await self._after(end, connector, exports)
        finally:
            served.close()

    async def _by_call(self, connector: Connector, control: Control, error: WorkbenchError) -> BuildFinished:
        """Without `/grpc`: `POST /build`, with a session where the engine has that, else with a tar."""
        from workbench.engines.buildkit.backend import look_by_api
        from workbench.engines.buildkit.build_call import BuildCall, build_query, context_tar, refuse_without_grpc
        from workbench.engines.buildkit.offered import NotOffered
        from workbench.engines.buildkit.options import refuse_for

        asked, attributes = self._asked, dict(self._asked.solve.attributes)
        backend = await look_by_api(connector, error)
        refuse_for(asked.request, backend.version)
        refuse_without_grpc(asked.request, session=True)
        exports = self._exports(backend)
        session = asked.session(self._run, exports)
        said = ["this engine offers no /grpc: the build goes through POST /build"]
        body = None
        try:
            served = await session.open(connector, control)
        except NotOffered:
            refuse_without_grpc(asked.request, session=False)
            said = [f"{said[0]}, and without /session the whole context is sent each time"]
            body, sent = await asyncio.to_thread(context_tar, asked.request, asked.source, lambda: self._cancel.asked)
            self._run.sent.append(sent)
            attributes["filename"] = asked.source.name
            served = None
        try:
            await self._run.start((*said, *asked.solve.caches.warnings, *exports.warnings))
            query = build_query(asked.request, attributes, exports, session=session.id if served else None)
            call = BuildCall(connector.dialer, asked.request, query, body)
            end = await self._run.follow(call, session if served else None)
            return await self._after(end, connector, exports)
        finally:
            if served is not None:
                served.close()

    def _exports(self, backend: Backend) -> Exports:
        from workbench.engines.buildkit.cache import refuse_exports
        from workbench.engines.buildkit.exporters import plan_exports

        caches = self._asked.solve.caches
        if self._asked.solve.layouts and not (backend.standalone or backend.containerd):
            raise Unsupported(
                "--build-context oci-layout://", engine="buildkit", engines=["embedded"],
                hint="A Docker Engine reads a layout where images are in its containerd store; a buildkitd does, too.",
            )  # fmt: skip
        refuse_exports(caches, standalone=backend.standalone, containerd=backend.containerd)
        return plan_exports(self._asked.request, self._asked.outputs, backend)

    async def _after(
        self, end: Mapping[str, str] | BuildFinished, connector: Connector, exports: Exports
    ) -> BuildFinished:
        """Names the cache that was written, and makes of the image what the engine could not."""
        from workbench.engines.buildkit.solver import image_of

        if isinstance(end, BuildFinished):
            return end
        image = image_of(end)
        try:
            await asyncio.to_thread(self._asked.solve.caches.finish, end)
            if exports.save or exports.push:
                from workbench.engines.buildkit.images import push, save

                for output in exports.save:
                    await asyncio.to_thread(save, connector.dialer, image, self._asked.request.tags, output)
                if exports.push:
                    await push(connector.dialer, exports.push, self._asked.credentials)
        except WorkbenchError as error:
            return self._run.broken(error)
        return self._run.succeeded(image, exports.names)
