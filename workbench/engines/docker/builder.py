"""One build by the classic builder, from the request to its last event. Blocks; `ThreadBuild` runs it on a thread."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.build.engine import refuse_unsupported
from workbench.build.events import BuildFinished, BuildStarted, BuildWarning, ContextSent
from workbench.build.request import BuildRequest
from workbench.engines.address import Address
from workbench.engines.docker.containers import Containers, Feed
from workbench.engines.docker.hints import source_hint
from workbench.engines.docker.options import build_params, refuse_here
from workbench.engines.docker.plan import Plan, make_plan
from workbench.engines.docker.podman import PodmanTranscript, left_running
from workbench.engines.docker.stream import read_objects
from workbench.engines.docker.transcript import Transcript
from workbench.engines.docker.upload import Upload
from workbench.engines.docker.watchdog import Watchdog
from workbench.engines.full_disk import FullDisk, wordless_hint
from workbench.engines.source import read_source
from workbench.engines.worker import Cancel, Cancelled, Emit
from workbench.errors import EngineError, EngineLost, Unsupported

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client

_FAREWELL = 0.5
"""Seconds in which the engine may say how it cancelled, before the connection is cut."""
_GONE = 0.3
"""Seconds after that in which it may have removed the container, before we do."""


class ClassicBuild:
    """`work` of a ThreadBuild for one request."""

    def __init__(self, request: BuildRequest, address: Address, patience: float = 60.0) -> None:
        self._request = request
        self._address = address
        self._patience = patience

    def __call__(self, emit: Emit, cancel: Cancel) -> None:
        request = self._request
        refuse_unsupported(request, "docker")
        emit = FullDisk(emit, self._address)
        source = None if request.remote else read_source(request)
        plan = (
            make_plan(source.dockerfile, request.target, request.labels)
            if source
            else Plan(target=request.target or "")
        )
        from workbench.engines.docker.client import Client

        client = Client(self._address, patience=self._patience)
        try:
            refuse_here(request, podman=client.is_podman, system=client.system)
        except Unsupported:
            client.close()
            raise
        upload = Upload(request, source, lambda: cancel.asked) if source else None
        params = build_params(
            request, dockerfile=source.name if source else request.dockerfile, target=plan.target,
            proxies=client.proxy_arguments(), podman=client.is_podman,
        )  # fmt: skip
        try:
            emit(BuildStarted(build=uuid.uuid4().hex[:12], engine="docker", steps=plan.steps))
            if upload is not None:
                upload.begin()  # which takes its time where there are many files
            cancel.check()
            _Run(client, plan, upload, emit, cancel, request).run(params)
        finally:
            if upload is not None:
                upload.leave()
            client.close()


class _Run:
    """A build that has a client, a plan and (where there is one) a context that is being packed."""

    def __init__(
        self, client: Client, plan: Plan, upload: Upload | None, emit: Emit, cancel: Cancel, request: BuildRequest
    ) -> None:
        self._client = client
        self._upload = upload
        self._emit = emit
        self._cancel = cancel
        self._plan = plan
        self._containers = Containers(emit)
        dialect = PodmanTranscript if client.is_podman else Transcript
        self._transcript = dialect(
            emit, plan, self._containers, tags=request.tags, rm=request.rm, running=client.is_running,
            size=client.size_of,
        )  # fmt: skip

    def run(self, params: dict[str, Any]) -> None:
        from docker.errors import APIError

        from workbench.engines.docker.client import api_message, is_wordless

        Feed(self._client, self._containers).start()
        watchdog = Watchdog(self._client, self._client.patience)
        watchdog.start()
        feed = self._client.open_sockets()
        cut = threading.Timer(_FAREWELL, self._client.abort, [feed])
        cut.daemon = True

        def hang_up() -> None:
            self._client.hang_up(feed)
            cut.start()

        forget = self._cancel.on_ask(hang_up)
        try:
            finished = self._converse(params)
        except APIError as error:
            finished = self._transcript.refused(api_message(error))
            if is_wordless(error):
                finished = replace(finished, hint=wordless_hint(self._client.address))
        except EngineLost as error:
            finished = self._transcript.lost(watchdog.verdict or error)
        finally:
            watchdog.end()
            forget()
            cut.cancel()
        if finished.outcome == "failed" and not finished.hint and self._upload is not None:
            hint = source_hint(self._plan.instruction(finished.step), self._upload.scan)
            finished = replace(finished, hint=hint)
        if self._cancel.asked and finished.outcome != "succeeded":
            self._sweep()
            if left := left_running(self._transcript):
                self._emit(BuildWarning(message=left, code="left-running"))
            self._containers.close()
            raise Cancelled
        self._containers.close()
        self._emit(finished)

    def _converse(self, params: dict[str, Any]) -> BuildFinished:
        from workbench.engines.docker.client import losing

        with losing(self._client.address):
            response = self._client.post_build(params, self._body() if self._upload is not None else None)
            if problem := self._client.credentials_problem:
                self._emit(BuildWarning(message=f"without registry credentials: {problem}", code="credentials"))
            for message in read_objects(response):
                if not (self._cancel.asked and "error" in message):  # that it was cancelled we know
                    self._transcript.take(message)
        finished = self._transcript.outcome()
        if finished is None:
            raise EngineLost(
                f"the Docker Engine at {self._client.address.host} ended the build without saying how",
                hint="See whether it still runs (docker info) and what its log says.",
            )
        return finished

    def _body(self) -> Iterator[bytes]:
        upload = self._upload
        assert upload is not None
        yield from upload
        stats = upload.stats
        assert stats is not None
        self._emit(ContextSent(bytes=upload.bytes, files=stats.files, total_bytes=stats.bytes))
        for path in stats.changed:
            self._emit(BuildWarning(message=f"{path} changed while it was being sent", code="context-changed"))

    def _sweep(self) -> None:
        """After cancelling: sees that the step's container is gone, and removes it where the engine has not."""
        identifier = self._transcript.current_container()
        if identifier is None:
            return
        if not (self._containers.fed and self._containers.wait(identifier, "removed", _GONE)):
            remove_container(self._client.address, identifier)
            self._containers.removed(identifier)
        self._containers.ended(identifier, committed=False, ran=False, exit_code=None)


def remove_container(address: Address, identifier: str) -> None:
    """Removes one container by its ID, running or not, if it is still there. An engine that went away has none."""
    from docker.errors import APIError

    from workbench.engines.docker.client import Client, losing

    with (
        contextlib.suppress(APIError, EngineError),
        losing(address),
        contextlib.closing(Client(address, timeout=1)) as it,
    ):
        it.timeout = 2
        it.remove_container(identifier, force=True, v=True)
