"""Registry credentials for the engine: user and secret, tokens fetched here, and the proof that a kept one is ours.

As buildx does it (moby/buildkit, session/auth/authprovider). With a token the engine never sees the password.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import time
from pathlib import Path
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.credentials import Credentials
from workbench.engines.buildkit.messages import messages
from workbench.errors import WorkbenchError

_AUTH = "/moby.filesync.v1.Auth/"


class Auth:
    """The service, over the docker CLI's credentials."""

    def __init__(self, credentials: Credentials) -> None:
        self.problem: WorkbenchError | None = None
        self._credentials = credentials

    def handlers(self) -> dict[str, Handler]:
        pb = messages()
        calls = {
            "Credentials": self._give, "FetchToken": self._fetch, "GetTokenAuthority": self._authority,
            "VerifyTokenAuthority": self._verify,
        }  # fmt: skip
        return {
            f"{_AUTH}{name}": Handler(
                call, Cardinality.UNARY_UNARY, getattr(pb, f"{name}Request"), getattr(pb, f"{name}Response")
            )
            for name, call in calls.items()
        }

    async def _give(self, stream: Any) -> None:
        request = await stream.recv_message()
        user, secret = await self._credentials.get(request.Host)
        await stream.send_message(messages().CredentialsResponse(Username=user, Secret=secret))

    async def _fetch(self, stream: Any) -> None:
        from workbench.engines.buildkit.tokens import TokenRefused, fetch_token  # most builds need none

        request = await stream.recv_message()
        if given := await self._credentials.registry_token(request.Host):
            await stream.send_message(messages().FetchTokenResponse(Token=given, ExpiresIn=60))
            return
        pair = await self._credentials.get(request.Host)
        try:
            token = await asyncio.to_thread(
                fetch_token, request.Realm, request.Service, tuple(request.Scopes), pair, time.time()
            )
        except TokenRefused as error:
            raise GRPCError(Status.UNAUTHENTICATED, str(error)) from error
        await stream.send_message(
            messages().FetchTokenResponse(Token=token.text, ExpiresIn=token.seconds, IssuedAt=token.issued)
        )

    async def _authority(self, stream: Any) -> None:
        from workbench.engines.buildkit import ed25519

        request = await stream.recv_message()
        seed = await self._key(request.Host, request.Salt)
        await stream.send_message(messages().GetTokenAuthorityResponse(PublicKey=ed25519.public_key(seed)))

    async def _verify(self, stream: Any) -> None:
        """The signature comes before what it signs (nacl/sign)."""
        from workbench.engines.buildkit import ed25519

        request = await stream.recv_message()
        seed = await self._key(request.Host, request.Salt)
        signed = ed25519.sign(seed, request.Payload) + request.Payload
        await stream.send_message(messages().VerifyTokenAuthorityResponse(Signed=signed))

    async def _key(self, host: str, salt: bytes) -> bytes:
        """Another key for whoever has credentials and whoever has none, so that neither uses the other's token."""
        _, secret = await self._credentials.get(host)
        mac = hmac.new(salt, digestmod=hashlib.sha256)
        if secret:
            mac.update(await asyncio.to_thread(token_seed, self._credentials.folder, host))
        return mac.digest()


def token_seed(folder: Path, host: str) -> bytes:
    """This user's random bytes for a registry, in the file that the docker CLI keeps them in. Blocks."""
    file = folder / ".token_seed"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a folder that cannot be written: a seed for this build alone
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = stack.enter_context((folder / ".token_seed.lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            seeds = json.loads(file.read_bytes())
            known = base64.b64decode(seeds[host]["Seed"])
        except (OSError, ValueError, KeyError, TypeError):
            seeds, known = _object(file), b""
        if known:
            return known
        seed = os.urandom(16)
        seeds[host] = {"Seed": base64.b64encode(seed).decode()}
        with contextlib.suppress(OSError):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(json.dumps(seeds, indent=2).encode())
        return seed


def _object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
