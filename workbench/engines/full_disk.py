"""An engine whose disk is full: what was meant to be written says so, and this says whose disk it is and what to do.

A Docker Engine has neither a status nor a code for it. What crosses its API is the text that Linux's ENOSPC has in Go
(syscall/zerrors_linux_*.go), within a message of whatever part wanted to write.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

from workbench.build.events import BuildEvent, BuildFinished, StepLog
from workbench.engines.address import Address
from workbench.engines.dial import ask
from workbench.engines.worker import Emit
from workbench.errors import EngineUnavailable

_ENOSPC = "no space left on device"
_ENOSPC_OF_C = "No space left on device"
"""What a command in a step says: its words are those of strerror(3)."""
_PATIENCE = 2.0
"""Seconds in which a full engine has to say where its disk is."""
_FREE = (
    "`workbench prune` frees what unnamed images take, with --all every unused one, with --cache the build cache;"
    " `workbench df` says what takes how much."
)


class FullDisk:
    """Passes a build's events on, and adds to the last one where a full disk is why the build failed. Blocks."""

    def __init__(self, emit: Emit, address: Address) -> None:
        self._emit = emit
        self._address = address
        self._suspects: set[int] = set()  # steps whose log speaks of a full disk: whose it is, it does not say

    def __call__(self, event: BuildEvent) -> None:
        if isinstance(event, StepLog):
            if _ENOSPC_OF_C in event.text:
                self._suspects.add(event.step)
        elif isinstance(event, BuildFinished) and event.outcome == "failed" and not event.lost:
            event = self._explained(event)
        self._emit(event)

    def _explained(self, end: BuildFinished) -> BuildFinished:
        if is_full(end.error or ""):
            return replace(end, error=full_message(end.error or "", self._address), hint=full_hint(self._address))
        if end.step in self._suspects:
            said = f"The log speaks of a full disk. If it is the engine's, {_place(self._address)}: {_FREE}"
            return replace(end, hint=said)
        return end


def is_full(message: str) -> bool:
    """Whether an engine says in that message that there was no space to write to."""
    return _ENOSPC in message


def full_message(message: str, address: Address) -> str:
    """The engine's words, and before them what they mean."""
    return f"the disk of the {address.kind} at {address.host} is full: {message}"


def full_hint(address: Address) -> str:
    """Where that disk is, as far as the engine says, and what to do. Blocks, for two seconds at most."""
    place = _place(address)
    return f"{place[0].upper()}{place[1:]}. {_FREE}"


def wordless_hint(address: Address) -> str:
    """What to do about an engine that fails and does not say why. Blocks, for two seconds at most."""
    return f"See its log. A full disk is one reason for it, and {_place(address)}: {_FREE}"


def _place(address: Address) -> str:
    root = _data_root(address)
    where = f"its data are in {root}" if root else "its data are where its log says"
    return where if address.local else f"{where} on that machine"


def _data_root(address: Address) -> str:
    """`DockerRootDir` of the engine; empty where it does not tell."""
    if address.standalone:
        return ""
    with contextlib.suppress(EngineUnavailable, OSError, ValueError, AttributeError):
        _, body = ask(address, "/info", _PATIENCE, _PATIENCE)
        return str(json.loads(body).get("DockerRootDir") or "")
    return ""
