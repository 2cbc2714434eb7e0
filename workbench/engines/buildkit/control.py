"""BuildKit's Control service: Solve, Status, what BuildKit it is, and what its cache holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from grpclib.client import StreamStreamMethod, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.messages import messages
from workbench.engines.buildkit.transport import Connector, ControlChannel

_CONTROL = "/moby.buildkit.v1.Control/"
_GATEWAY = "org.mobyproject.buildkit.worker.moby.host-gateway-ip"


class Control:
    """One connection to the service, dialled at the first call. Every method may raise GRPCError, one of
    `transport.LOSSES`, and EngineUnavailable at the first."""

    def __init__(self, connector: Connector) -> None:
        pb = messages()
        self._channel = channel = ControlChannel(connector)
        self._solve = UnaryUnaryMethod(channel, f"{_CONTROL}Solve", pb.SolveRequest, pb.SolveResponse)
        self._status = UnaryStreamMethod(channel, f"{_CONTROL}Status", pb.StatusRequest, pb.StatusResponse)
        self._info = UnaryUnaryMethod(channel, f"{_CONTROL}Info", pb.InfoRequest, pb.InfoResponse)
        self._workers = UnaryUnaryMethod(
            channel, f"{_CONTROL}ListWorkers", pb.ListWorkersRequest, pb.ListWorkersResponse
        )

        self._session = StreamStreamMethod(channel, f"{_CONTROL}Session", pb.BytesMessage, pb.BytesMessage)
        self._usage = UnaryUnaryMethod(channel, f"{_CONTROL}DiskUsage", pb.DiskUsageRequest, pb.DiskUsageResponse)
        self._prune = UnaryStreamMethod(channel, f"{_CONTROL}Prune", pb.PruneRequest, pb.UsageRecord)

    async def connect(self) -> None:
        """Dials now: where that fails, nothing of the build has begun. Raises EngineUnavailable, NotOffered."""
        await self._channel.__connect__()

    async def version(self) -> str:
        """BuildKit's own version; empty before 0.11 (Docker 23 and older), which does not tell."""
        try:
            return str((await self._info(messages().InfoRequest())).buildkitVersion.version)
        except GRPCError as error:
            if error.status is not Status.UNIMPLEMENTED:
                raise
        await self._workers(messages().ListWorkersRequest())  # it must speak, whoever it is
        return ""

    async def gateway(self) -> str:
        """The address at which a step reaches the engine's machine (`host-gateway`); empty where it does not tell."""
        workers = (await self._workers(messages().ListWorkersRequest())).record
        return next((worker.Labels[_GATEWAY] for worker in workers if _GATEWAY in worker.Labels), "")

    async def solve(self, request: Any) -> dict[str, str]:
        """Builds; the exporter's answer. Cancelling it cancels the build on the engine."""
        return dict((await self._solve(request)).ExporterResponse)

    async def status(self, ref: str) -> AsyncIterator[Any]:
        """Each StatusResponse of the build with that reference, until it ends."""
        async with self._status.open() as stream:
            await stream.send_message(messages().StatusRequest(Ref=ref), end=True)
            async for response in stream:
                yield response

    def session(self, headers: Sequence[tuple[str, str]]) -> Any:
        """The call within which a buildkitd calls us: bytes both ways. Headers announce what there is."""
        return self._session.open(metadata=[(name.lower(), value) for name, value in headers])

    async def disk_usage(self) -> list[Any]:
        """Each UsageRecord of the cache."""
        return list((await self._usage(messages().DiskUsageRequest())).record)

    async def prune(self, *, all: bool = False, filters: Sequence[str] = ()) -> AsyncIterator[Any]:
        """Drops what no build uses; each UsageRecord that went."""
        async with self._prune.open() as stream:
            await stream.send_message(messages().PruneRequest(all=all, filter=filters), end=True)
            async for record in stream:
                yield record

    def close(self) -> None:
        self._channel.close()
