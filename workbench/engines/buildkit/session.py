"""What the engine may ask of us while it builds: files, secrets, registry credentials, and whether we are well.

gRPC handlers that are served on a connection we dialled (`/session`).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.credentials import Credentials
from workbench.engines.buildkit.files import Tree, Wanted
from workbench.engines.buildkit.filesync import Sent, Transfer
from workbench.engines.buildkit.messages import messages
from workbench.engines.buildkit.transport import LOSSES, Connector, Served, serve
from workbench.errors import WorkbenchError

_SERVING = 1
_FILES = "/moby.filesync.v1.FileSync/DiffCopy"
_AUTH = "/moby.filesync.v1.Auth"
_CREDENTIALS = f"{_AUTH}/Credentials"
_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
_AGENT = "/moby.sshforward.v1.SSH/CheckAgent"
_TOKENS = tuple(f"{_AUTH}/{name}" for name in ("FetchToken", "GetTokenAuthority", "VerifyTokenAuthority"))
_HEALTH = "/grpc.health.v1.Health/Check"


class Session:
    """One build's session. `on_sent` is told each finished transfer.

    Args:
        key: must be the same for every build of a context: the engine keeps its copy of the files under it.
    """

    def __init__(
        self,
        trees: Mapping[str, Tree],
        *,
        key: str,
        secrets: Mapping[str, bytes],
        credentials: Credentials,
        on_sent: Callable[[Sent], None],
    ) -> None:
        self.id = uuid.uuid4().hex
        self.problem: WorkbenchError | None = None
        """What went wrong here, in our words; the engine has only part of it."""
        self._trees = trees
        self._key = key
        self._secrets = secrets
        self._credentials = credentials
        self._on_sent = on_sent

    async def open(self, connector: Connector) -> Served:
        """Dials, announces what there is, and serves it until closed."""
        handlers = self.handlers()
        headers = [
            ("X-Docker-Expose-Session-Uuid", self.id),
            ("X-Docker-Expose-Session-Name", "workbench"),
            ("X-Docker-Expose-Session-Sharedkey", self._key),
            *(("X-Docker-Expose-Session-Grpc-Method", name) for name in handlers if name not in (*_TOKENS, _AGENT)),
        ]
        return await serve(connector, "/session", handlers, headers)

    def handlers(self) -> dict[str, Handler]:
        pb = messages()
        one, both = Cardinality.UNARY_UNARY, Cardinality.STREAM_STREAM
        handlers = {
            _HEALTH: Handler(self._health, one, pb.HealthCheckRequest, pb.HealthCheckResponse),
            _FILES: Handler(self._files, both, pb.Packet, pb.Packet),
            _CREDENTIALS: Handler(self._credential, one, pb.CredentialsRequest, pb.CredentialsResponse),
            _SECRET: Handler(self._secret, one, pb.GetSecretRequest, pb.GetSecretResponse),
        }
        # What is not there is answered for all the same: grpclib's own answer to it is none that Go understands.
        handlers |= {name: Handler(self._unknown, one, pb.Anything, pb.Anything) for name in (*_TOKENS, _AGENT)}
        return handlers

    async def _health(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(messages().HealthCheckResponse(status=_SERVING))

    async def _files(self, stream: Any) -> None:
        name, wanted = read_wanted(stream.metadata)
        tree = self._trees.get(name)
        if tree is None:
            raise GRPCError(Status.NOT_FOUND, f"no access allowed to dir {name!r}")
        try:
            self._on_sent(await Transfer(stream, name, tree, wanted).run())
        except WorkbenchError as error:
            self.problem = error
            raise GRPCError(Status.ABORTED, _ascii(str(error))) from error
        except LOSSES as error:  # the engine wants no more of it; whoever reads the status learns why
            raise GRPCError(Status.UNAVAILABLE, "the connection broke") from error

    async def _credential(self, stream: Any) -> None:
        request = await stream.recv_message()
        user, secret = await self._credentials.get(request.Host)
        await stream.send_message(messages().CredentialsResponse(Username=user, Secret=secret))

    async def _unknown(self, stream: Any) -> None:
        await stream.recv_message()
        raise GRPCError(Status.UNIMPLEMENTED, "the workbench has no such service")

    async def _secret(self, stream: Any) -> None:
        request = await stream.recv_message()
        if request.ID not in self._secrets:
            raise GRPCError(Status.NOT_FOUND, f"secret {_ascii(request.ID)} not found")
        await stream.send_message(messages().GetSecretResponse(data=self._secrets[request.ID]))


def read_wanted(metadata: Any) -> tuple[str, Wanted]:
    """The tree's name and what is wanted of it, from the call's metadata (BuildKit, session/filesync)."""

    def values(key: str) -> tuple[str, ...]:
        found = [str(value) for value in metadata.getall(key, [])]
        encoded = metadata.get(f"{key}-encoded") == "1"
        return tuple(unquote_plus(value) if encoded else value for value in found)

    name = next(iter(values("dir-name")), "context")
    return name, Wanted((*values("followpaths"), *values("include-patterns")), values("exclude-patterns"))


def shared_key(context: Path | None) -> str:
    """The same for every build of this folder on this machine, and of no other."""
    return hashlib.sha256(f"{_machine()}:{context or uuid.uuid4()}".encode("utf-8", "surrogateescape")).hexdigest()


def _machine() -> str:
    """This machine and this installation: another one's folder of the same name is another context."""
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return f"{uuid.getnode():x}"


def _ascii(text: str) -> str:
    """gRPC carries a message percent-encoded, but 20.10 shows it as it comes."""
    return text.encode("ascii", "replace").decode()
