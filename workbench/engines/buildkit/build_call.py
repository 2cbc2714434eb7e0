"""`POST /build?version=2`: BuildKit through the door of the classic builder, for an engine that lacks `/grpc`.

With a session (`/session`, `remote=client-session`) files, secrets and agents go as ever. Without one the context goes
as a tar. The status comes as messages of BuildKit's in base64 within the JSON stream (`moby.buildkit.trace`).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import tempfile
import threading
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from workbench.build.request import BuildRequest
from workbench.context.archive import write_context
from workbench.context.ignore import IgnoreRules, load_rules
from workbench.context.scan import scan
from workbench.engines.buildkit.exporters import Exports
from workbench.engines.buildkit.files import Wanted
from workbench.engines.buildkit.filesync import Sent
from workbench.engines.buildkit.http import Refused, call, json_lines
from workbench.engines.buildkit.messages import messages
from workbench.engines.buildkit.solver import Solved, SolveFailed
from workbench.engines.dial import Dialer
from workbench.engines.source import Source
from workbench.engines.threads import in_thread
from workbench.errors import EngineError, Unsupported

_IN_MEMORY = 16 << 20
_BLOCK = 256 * 1024
_ONLY_GRPC = {
    "--no-cache-filter": "no_cache_filter",
    "--cache-to": "cache_to",
    "--build-context": "build_contexts",
    "--attest": "attests",
    "--allow": "allow",
    "--annotation": "annotations",
}
_ONLY_SESSION = {"--secret": "secrets", "--ssh": "ssh", "--output": "output"}


def refuse_without_grpc(request: BuildRequest, *, session: bool) -> None:
    """Raises Unsupported for an option that cannot be said in `POST /build`, or needs a session."""
    for flag, name in {**_ONLY_GRPC, **({} if session else _ONLY_SESSION)}.items():
        if getattr(request, name):
            what = "/grpc" if flag in _ONLY_GRPC else "/session"
            raise Unsupported(flag, engine="buildkit", hint=f"What is between here and the engine lets no {what} pass.")


def build_query(
    request: BuildRequest, attributes: Mapping[str, str], exports: Exports, *, session: str | None
) -> dict[str, str]:
    """The query (Docker Engine API 1.41). `attributes` are those of the frontend, which say the same."""
    arguments = {
        name.removeprefix("build-arg:"): value for name, value in attributes.items() if name.startswith("build-arg:")
    }
    structured: dict[str, Any] = {
        "buildargs": arguments, "labels": dict(request.labels), "cachefrom": list(request.cache_from),
        "ulimits": [_ulimit(text) for text in request.ulimits],
        "outputs": [{"Type": kind, "Attrs": dict(attrs)} for kind, attrs in exports.exporters if kind != "moby"],
    }  # fmt: skip
    plain = {
        "dockerfile": attributes["filename"], "target": attributes.get("target", ""), "platform": request.platform,
        "networkmode": request.network, "shmsize": str(request.shm_size or ""), "cgroupparent": request.cgroup_parent,
        "nocache": "1" if request.no_cache else "", "pull": "1" if request.pull else "",
    }  # fmt: skip
    query = {"version": "2", "rm": "1", **{name: value for name, value in plain.items() if value}}
    query |= {name: json.dumps(value) for name, value in structured.items() if value}
    if session is not None:
        query |= {"remote": "client-session", "session": session}
    return query


def _ulimit(text: str) -> dict[str, Any]:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


class BuildCall:
    """Implements Solver. `body` is the context's tar where there is no session."""

    def __init__(
        self, dialer: Dialer, request: BuildRequest, query: Mapping[str, str], body: Iterable[bytes] | None
    ) -> None:
        self._dialer = dialer
        self._id = os.urandom(16).hex()
        pairs = [("buildid", self._id), *query.items()]
        pairs += [("t", tag) for tag in request.tags] + [("extrahosts", entry) for entry in request.add_hosts]
        self._target = f"/v1.41/build?{urllib.parse.urlencode(pairs)}"
        self._body = body
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()

    async def solve(self) -> Solved:
        try:
            return await in_thread(self._run)
        except asyncio.CancelledError:
            with contextlib.suppress(EngineError):
                await in_thread(self._cancel)
            raise
        except Refused as error:
            raise SolveFailed(error.message) from error
        except EngineError as error:
            raise ConnectionError(str(error)) from error

    async def status(self) -> AsyncIterator[Any]:
        while (response := await self._queue.get()) is not None:
            yield response

    def _run(self) -> dict[str, str]:
        found: dict[str, str] = {}
        try:
            headers = {"Content-Type": "application/x-tar"}
            with call(self._dialer, "POST", self._target, body=self._body or b"", headers=headers) as response:
                for line in json_lines(response):
                    found |= self._read(line)
            return found
        finally:
            self._ended.set()
            self._put(None)

    def _read(self, line: dict[str, Any]) -> dict[str, str]:
        if "errorDetail" in line or "error" in line:
            detail = line.get("errorDetail") or {}
            raise SolveFailed(str(detail.get("message") or line.get("error")))
        aux = line.get("aux")
        if line.get("id") == "moby.buildkit.trace" and isinstance(aux, str):
            self._put(messages().StatusResponse.FromString(base64.b64decode(aux)))
        elif isinstance(aux, dict) and "ID" in aux:
            return {"containerimage.digest": str(aux["ID"])}
        return {}

    def _put(self, response: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens
            self._loop.call_soon_threadsafe(self._queue.put_nowait, response)

    def _cancel(self) -> None:
        with call(self._dialer, "POST", f"/v1.41/build/cancel?id={self._id}"):
            self._ended.wait(0.5)


def context_tar(request: BuildRequest, source: Source, stop: Callable[[], bool]) -> tuple[Iterator[bytes], Sent]:
    """The context's tar in blocks, and what is in it. Blocks. Raises InputError, scan.Cancelled."""
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - ends with the blocks
    with contextlib.ExitStack() as stack:
        context = request.context or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="workbench-")))
        rules = load_rules(context, request.dockerfile) if request.context else IgnoreRules()
        found = scan(context, rules, cancel=stop, list_ignored=False)
        extra = (source.name, source.text) if source.replaces else None
        stats = write_context(found, cast(BinaryIO, file), cancel=stop, dockerfile=extra)
    file.seek(0)
    sent = Sent("context", Wanted(), stats.files, stats.bytes, stats.files, stats.bytes)
    return _blocks(file), sent


def _blocks(file: Any) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block
