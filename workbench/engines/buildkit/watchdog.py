"""Finds an engine that hangs in the middle of a build: a step may be silent for hours, the engine itself may not."""

from __future__ import annotations

import asyncio

from grpclib.exceptions import GRPCError

from workbench.engines.address import Address
from workbench.engines.buildkit.control import Control
from workbench.engines.buildkit.transport import LOSSES, Connector
from workbench.engines.hanging import pause, silent
from workbench.errors import EngineError, EngineLost


async def wait_for_silence(address: Address, patience: float) -> EngineLost:
    """Asks the engine who it is, each time on a connection of its own, until no answer comes within `patience` seconds.

    An engine that goes away outright, or refuses, is no matter of this: the build itself sees that.
    """
    while True:
        await asyncio.sleep(pause(patience))
        connector = Connector(address, timeout=2 * patience)  # the time below is the one that counts
        try:
            async with asyncio.timeout(patience):
                await _ask(connector)
        except TimeoutError:
            return silent(address, patience)
        except (*LOSSES, EngineError, GRPCError, OSError):
            continue
        finally:
            connector.close()


async def _ask(connector: Connector) -> None:
    if not connector.address.standalone:
        await connector.engine_version()
        return
    control = Control(connector)
    try:
        await control.version()
    finally:
        control.close()
