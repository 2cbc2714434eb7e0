"""What BuildKit's cache holds, and pruning it: `docker buildx du` and `docker buildx prune`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.build.build_cache import CacheRecord, CacheUsage
from workbench.engines.address import Address
from workbench.errors import EngineError

if TYPE_CHECKING:
    from workbench.engines.buildkit.control import Control

T = TypeVar("T")
_KEPT_BY_DEFAULT = ("internal", "frontend")
"""Kinds that go only where everything goes (moby/buildkit, cache/manager.go: prune)."""


async def read_usage(address: Address) -> CacheUsage:
    """Raises EngineUnavailable, EngineLost."""

    async def ask(control: Control) -> CacheUsage:
        return CacheUsage(tuple(map(_record, await control.disk_usage())))

    return await _with_control(address, ask)


async def prune_usage(address: Address, *, all: bool, dry_run: bool) -> CacheUsage:
    """What went; with `dry_run` what would go, and nothing does. Raises EngineUnavailable, EngineLost."""
    if dry_run:
        records = (await read_usage(address)).records
        return CacheUsage(tuple(it for it in records if it.reclaimable and (all or it.kind not in _KEPT_BY_DEFAULT)))

    async def ask(control: Control) -> CacheUsage:
        return CacheUsage(tuple([_record(it) async for it in control.prune(all=all)]))

    return await _with_control(address, ask)


async def _with_control(address: Address, ask: Callable[[Control], Awaitable[T]]) -> T:
    from grpclib.exceptions import GRPCError

    from workbench.engines.buildkit.control import Control
    from workbench.engines.buildkit.transport import LOSSES, Connector

    connector = Connector(address)
    control = Control(connector)
    try:
        return await ask(control)
    except LOSSES as error:
        raise connector.lost(error) from error
    except GRPCError as error:
        raise EngineError(f"the {address.kind} at {address.host}: {error.message or error.status.name}") from error
    finally:
        control.close()
        connector.close()


def _record(said: Any) -> CacheRecord:
    return CacheRecord(
        id=said.ID, kind=said.RecordType or "regular", size=max(0, said.Size), shared=said.Shared, in_use=said.InUse,
        description=said.Description, created=float(said.CreatedAt.seconds), last_used=float(said.LastUsedAt.seconds),
        uses=said.UsageCount,
    )  # fmt: skip
