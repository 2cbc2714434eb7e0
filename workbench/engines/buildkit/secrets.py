"""Secrets for `RUN --mount=type=secret`: given when the engine asks for one by its ID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.filesync import plain_ascii
from workbench.engines.buildkit.messages import messages
from workbench.errors import WorkbenchError


class Secrets:
    """The service."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self.problem: WorkbenchError | None = None
        self._secrets = secrets

    def handlers(self) -> dict[str, Handler]:
        pb = messages()
        call = Handler(self._give, Cardinality.UNARY_UNARY, pb.GetSecretRequest, pb.GetSecretResponse)
        return {"/moby.buildkit.secrets.v1.Secrets/GetSecret": call}

    async def _give(self, stream: Any) -> None:
        request = await stream.recv_message()
        if request.ID not in self._secrets:
            raise GRPCError(Status.NOT_FOUND, f"secret {plain_ascii(request.ID)} not found")
        await stream.send_message(messages().GetSecretResponse(data=self._secrets[request.ID]))
