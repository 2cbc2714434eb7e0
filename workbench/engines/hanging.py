"""What is told of an engine that keeps its connections and answers none: the time that it has is the user's."""

from __future__ import annotations

from workbench.engines.address import Address
from workbench.errors import EngineLost

_MOST = 15.0
"""Seconds between two questions, at most: over ssh each is a login."""


def pause(patience: float) -> float:
    """Seconds between two questions to an engine that may take `patience` for an answer."""
    return min(_MOST, patience)


def silent(address: Address, patience: float | None = None) -> EngineLost:
    """The engine has not answered for so many seconds, or for as long as it had."""
    told = "does not answer" if patience is None else f"has not answered for {patience:g} s"
    return EngineLost(
        f"the {address.kind} at {address.host} {told}",
        hint="It hangs, or the network does: see its log. How long to wait is engine_timeout"
        " (WORKBENCH_ENGINE_TIMEOUT).",
    )
