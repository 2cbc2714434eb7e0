"""Calls of the image operations: one client, made at the first, and the engine's answers as the workbench's errors."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from workbench.engines.address import Address
from workbench.engines.docker.stream import read_objects
from workbench.engines.full_disk import full_hint, full_message, is_full
from workbench.engines.threads import in_thread
from workbench.engines.worker import Cancel
from workbench.errors import EngineLost, ImageError, ImageInUse, ImageNotFound, UsageError, WorkbenchError

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client

T = TypeVar("T")


class Looks(Protocol):
    """What describes an image: a `Client`, or where that is not connected anyway a `BareClient`."""

    def facts(self, reference: str) -> dict[str, Any]: ...

    def rows(self, reference: str) -> list[dict[str, Any]]: ...


class Calls:
    """Runs functions of a client on threads. A client that lost its engine is replaced at the next call."""

    def __init__(self, address: Callable[[], Address], patience: float) -> None:
        self.address = address
        self._patience = patience
        self._lock = threading.Lock()
        self._client: Client | None = None

    async def run(self, work: Callable[[Client], T]) -> T:
        """Raises EngineUnavailable, EngineLost, ImageNotFound (404), ImageInUse (409), UsageError (400), ImageError."""
        return await in_thread(self._work, work)

    async def look(self, work: Callable[[Looks], T]) -> T:
        """`run` for what only describes images."""
        return await in_thread(self._look, work)

    async def run_apart(self, work: Callable[[Client, Cancel], T]) -> T:
        """`run` for what takes long, on a connection of its own: cancelling closes it, and the engine gives up too."""
        cancel = Cancel()

        def alone() -> T:
            from workbench.engines.docker.client import Client

            with (
                contextlib.closing(Client(self.address(), patience=self._patience)) as client,
                api_errors(client.address),
            ):
                forget = cancel.on_ask(client.abort)
                try:
                    return work(client, cancel)
                finally:
                    forget()

        try:
            return await in_thread(alone)
        finally:
            cancel.ask()

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _look(self, work: Callable[[Looks], T]) -> T:
        address = self.address()
        if self._client is None and address.local:  # a connection of ssh or TLS is worth keeping
            from workbench.engines.docker.bare import BareClient, Odd

            with contextlib.suppress(Odd):
                return work(BareClient(address, self._patience))
        return self._work(work)

    def _work(self, work: Callable[[Client], T]) -> T:
        client = self._connected()
        try:
            with api_errors(client.address):
                return work(client)
        except EngineLost:
            self.close()
            raise

    def _connected(self) -> Client:
        from workbench.engines.docker.client import Client

        with self._lock:
            if self._client is None:
                self._client = Client(self.address(), patience=self._patience)
            return self._client


@contextlib.contextmanager
def api_errors(address: Address) -> Iterator[None]:
    """The engine's refusals by their status code, a broken connection as EngineLost."""
    from docker.errors import APIError, DockerException

    from workbench.engines.docker.client import api_message, losing

    try:
        with losing(address):
            yield
    except APIError as error:
        message = api_message(error)
        if is_full(message):
            raise ImageError(full_message(message, address), hint=full_hint(address)) from error
        kinds: dict[int | None, type[WorkbenchError]] = {400: UsageError, 404: ImageNotFound, 409: ImageInUse}
        raise kinds.get(error.status_code, ImageError)(message) from error
    except ImageError as error:  # the last object of a long answer
        if not is_full(str(error)):
            raise
        raise ImageError(full_message(str(error), address), hint=full_hint(address)) from error
    except DockerException as error:  # a credential store, an API that is too old for the call
        raise ImageError(str(error)) from error


def read_progress(response: Any) -> Iterator[dict[str, Any]]:
    """The objects of a long answer. Raises ImageError for the one that says that it failed."""
    for message in read_objects(response):
        if "error" in message or "errorDetail" in message:
            detail = message.get("errorDetail")
            said = detail.get("message") if isinstance(detail, dict) else None
            raise ImageError(str(said or message.get("error") or "the engine gave up without a reason").strip())
        yield message
