"""The session: services that the engine may call on us while it builds, on a connection that we made.

Which services there are is announced at the start; each is a room of its own (files, secrets, credentials, agents).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.control import Control
from workbench.engines.buildkit.messages import messages
from workbench.engines.buildkit.transport import Connector, Served
from workbench.engines.buildkit.tunnel import tunnel
from workbench.errors import WorkbenchError

_SERVING = 1
_HEALTH = "/grpc.health.v1.Health/Check"
_KNOWN = (
    "/moby.filesync.v1.FileSend/DiffCopy",
    *(f"/moby.filesync.v1.Auth/{it}" for it in ("FetchToken", "GetTokenAuthority", "VerifyTokenAuthority")),
    *(f"/moby.sshforward.v1.SSH/{it}" for it in ("CheckAgent", "ForwardAgent")),
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    *(f"/containerd.services.content.v1.Content/{it}" for it in ("Info", "Read", "Write")),
)
"""What an engine may call though nobody announced it."""


class Service(Protocol):
    """A few handlers, and what went wrong in them."""

    problem: WorkbenchError | None
    """In our words; the engine has only part of it."""

    def handlers(self) -> dict[str, Handler]: ...


class Session:
    """One build's session.

    Args:
        key: must be the same for every build of a context: the engine keeps its copy of the files under it.
    """

    def __init__(self, services: Sequence[Service], *, key: str) -> None:
        self.id = os.urandom(16).hex()
        self._key = key
        self._services = services

    @property
    def problem(self) -> WorkbenchError | None:
        """The first thing that went wrong here."""
        return next((it.problem for it in self._services if it.problem is not None), None)

    async def open(self, connector: Connector, control: Control) -> Served:
        """Announces what there is, and serves it until closed: on a connection of its own, or with a buildkitd
        within a call of its Control service."""
        handlers = self.handlers()
        headers = [
            ("X-Docker-Expose-Session-Uuid", self.id),
            ("X-Docker-Expose-Session-Name", "workbench"),
            ("X-Docker-Expose-Session-Sharedkey", self._key),
            *(("X-Docker-Expose-Session-Grpc-Method", name) for name in self._announced()),
        ]
        served = Served(handlers)
        if connector.address.standalone:
            await tunnel(served, control.session, headers)
        else:
            await served.upgrade(connector, "/session", headers)
        return served

    def _announced(self) -> list[str]:
        return [_HEALTH, *(name for it in self._services for name in it.handlers())]

    def handlers(self) -> Mapping[str, Handler]:
        """By the name of the call. What is not there is answered for all the same: grpclib's own answer to it is
        none that Go understands."""
        pb, one, both = messages(), Cardinality.UNARY_UNARY, Cardinality.STREAM_STREAM
        found = {_HEALTH: Handler(_health, one, pb.HealthCheckRequest, pb.HealthCheckResponse)}
        for name in _KNOWN:
            streams = name.endswith(("DiffCopy", "ForwardAgent", "Read", "Write"))
            found[name] = Handler(_unknown, both if streams else one, pb.Anything, pb.Anything)
        for service in self._services:
            found |= service.handlers()
        return found


async def _health(stream: Any) -> None:
    await stream.recv_message()
    await stream.send_message(messages().HealthCheckResponse(status=_SERVING))


async def _unknown(stream: Any) -> None:
    await stream.recv_message()
    raise GRPCError(Status.UNIMPLEMENTED, "the workbench has no such service")


def shared_key(context: Path | None) -> str:
    """The same for every build of this folder on this machine, and of no other."""
    return hashlib.sha256(
        f"{_machine()}:{context or os.urandom(16).hex()}".encode("utf-8", "surrogateescape")
    ).hexdigest()


def _machine() -> str:
    """This machine and this installation: another one's folder of the same name is another context."""
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        import uuid

        return f"{uuid.getnode():x}"
