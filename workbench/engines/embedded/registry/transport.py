"""HTTP requests over connections that are kept: redirects followed, cancelled at any time, nothing retried.

The standard library's http.client speaks; what it lacks is here: a pool, a limit for connecting, an end from outside.
"""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType

from workbench import __version__
from workbench.engines.embedded.registry.dial import (
    Address,
    Unreachable,
    address_of,
    connect,
    proxy_headers,
    proxy_of,
    reason_of,
)
from workbench.engines.worker import Cancel

PATIENCE = 30.0
_REDIRECTS = 8
_SMALL = 1 << 16
_MOVED = (301, 302, 303, 307, 308)
Body = Callable[[], Iterable[bytes]]


class Broken(Exception):
    """The connection ended in the middle of an answer."""


class _Connection(http.client.HTTPConnection):
    """Over a socket that is there already."""

    def __init__(self, sock: socket.socket, address: Address, proxy: str) -> None:
        super().__init__(address.host, address.port)
        self.sock = self.raw = sock
        self.address = address
        self.proxy = proxy
        self.auto_open = 0
        self.used = False


class Answer:
    """A response. Read it to its end and its connection is used again; close it in any case."""

    def __init__(self, transport: Transport, connection: _Connection, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.url = ""
        self._transport = transport
        self._connection = connection
        self._response = response

    def read(self, size: int) -> bytes:
        """At most `size` bytes, b"" at the end. Raises Broken where the connection ends before the answer does."""
        try:
            data = self._response.read(size)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._transport.cancel.check()
            raise Broken(reason_of(error)) from error
        if not data and self._response.length:
            self._transport.cancel.check()
            raise Broken("the connection was cut")
        return data

    def read_all(self, limit: int) -> bytes:
        """The rest; `limit` bytes and one more where it is longer."""
        parts: list[bytes] = []
        room = limit + 1
        while room > 0 and (data := self.read(room)):
            parts.append(data)
            room -= len(data)
        return b"".join(parts)

    def close(self) -> None:
        self._transport.done(self._connection, self._response)

    def __enter__(self) -> Answer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Transport:
    """Connections of one pull or push, from any number of threads. `close` when it is over."""

    def __init__(self, cancel: Cancel, *, verify: Callable[[Address], bool] = lambda address: True) -> None:
        self.cancel = cancel
        self._verify = verify
        self._lock = threading.Lock()
        self._idle: dict[Address, list[_Connection]] = {}
        self._live: set[_Connection] = set()
        self._forget = cancel.on_ask(self._abort)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None, *,
        patience: float = PATIENCE,
    ) -> Answer:  # fmt: skip
        """One request; redirects are followed, without `Authorization` to another host. Raises Unreachable, Broken,
        Cancelled."""
        headers = {"User-Agent": f"workbench/{__version__}", **headers}
        for _ in range(_REDIRECTS):
            answer = self._once(method, url, headers, body, patience)
            target = answer.headers.get("Location", "")
            if answer.status not in _MOVED or not target or (body is not None and answer.status not in (307, 308)):
                answer.url = url
                return answer
            answer.close()
            before, url = url, urllib.parse.urljoin(url, target)
            headers = self._moved(before, url, headers)
        raise Broken("it answers with redirects without end")

    def _moved(self, before: str, after: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        try:
            old, new = address_of(before), address_of(after)
        except ValueError as error:
            raise Broken("it answers with a redirect to no http(s) URL") from error
        if old.scheme == "https" and new.scheme != "https":
            raise Broken("it answers with a redirect from https to http")
        if old == new:
            return headers
        return {name: value for name, value in headers.items() if name.lower() != "authorization"}

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, patience: float
    ) -> Answer:  # fmt: skip
        try:
            address = address_of(url)
        except ValueError as error:
            raise Broken("it names an address that is no http(s) URL") from error
        while True:
            connection = self._take(address, patience)
            again = connection.used
            try:
                return self._ask(connection, method, url, headers, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._drop(connection)
                self.cancel.check()
                if again and isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
                    continue  # a kept connection that the other side had closed
                raise Broken(reason_of(error)) from error
            except BaseException:
                self._drop(connection)
                raise

    def _ask(
        self, connection: _Connection, method: str, url: str, headers: Mapping[str, str], body: Body | None
    ) -> Answer:
        parts = urllib.parse.urlsplit(url)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        sent = dict(headers)
        if connection.proxy and connection.address.scheme == "http":
            target = urllib.parse.urlunsplit(parts._replace(fragment=""))
            sent |= dict(line.split(": ", 1) for line in proxy_headers(connection.proxy))
        sent["Host"] = connection.address.netloc
        data: Iterable[bytes] | None = None if body is None else body()
        if body is None and method in ("POST", "PUT", "PATCH"):
            sent.setdefault("Content-Length", "0")
        with suppress(BrokenPipeError):  # an answer before all was sent: a refusal, to be read
            connection.request(method, target, body=data, headers=sent)
        connection.used = True
        return Answer(self, connection, connection.getresponse())

    # -- the pool ------------------------------------------------------------------------------------------------

    def _take(self, address: Address, patience: float) -> _Connection:
        self.cancel.check()
        with self._lock:
            idle = self._idle.get(address)
            connection = idle.pop() if idle else None
        if connection is None:
            sock = connect(address, self.cancel, verify=self._verify(address), patience=patience)
            connection = _Connection(sock, address, proxy_of(address))
            with self._lock:
                self._live.add(connection)
        connection.raw.settimeout(patience)
        self.cancel.check()
        return connection

    def done(self, connection: _Connection, response: http.client.HTTPResponse) -> None:
        """Takes a connection back, or ends it where its answer was not read to the end."""
        with suppress(OSError, http.client.HTTPException, ValueError):
            if response.length is not None and response.length <= _SMALL:
                response.read()
        whole = response.isclosed()
        response.close()
        if not whole or response.will_close or connection.sock is None:
            self._drop(connection)
            return
        with self._lock:
            self._idle.setdefault(connection.address, []).append(connection)

    def _drop(self, connection: _Connection) -> None:
        with self._lock:
            self._live.discard(connection)
        connection.close()

    def _abort(self) -> None:
        """Wakes every thread that waits for a socket; closing one under its reader would be a race."""
        with self._lock:
            live = list(self._live)
        for connection in live:
            with suppress(OSError):
                socket.socket.shutdown(connection.raw, socket.SHUT_RDWR)

    def close(self) -> None:
        self._forget()
        with self._lock:
            live, self._live, self._idle = list(self._live), set(), {}
        for connection in live:
            connection.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["PATIENCE", "Answer", "Body", "Broken", "Transport", "Unreachable"]
