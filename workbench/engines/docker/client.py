"""The docker SDK's APIClient over our own sockets, each of which can be shut down from another thread.

Importing this module imports the docker SDK: do it inside functions. The uses of the SDK that are not public
(`_url`, `_get`, `_post`, `_result`, `_set_auth_headers`, `_version`) stand in this module alone.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import docker.credentials.errors
import docker.errors
import requests
import requests.adapters
import urllib3
import urllib3.exceptions
from docker import APIClient

from workbench.engines.address import Address
from workbench.engines.dial import Dialer, went_away
from workbench.engines.hanging import silent
from workbench.engines.identity import no_engine, refuses, spoken_version
from workbench.errors import EngineLost, EngineUnavailable, ImageNotFound

CONNECT_TIMEOUT = 10.0
"""Seconds to connect; `check` uses less."""
PATIENCE = 60.0
"""Seconds to answer, where nobody set others."""


class _Sockets:
    """Every open socket of one client."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._aborted = False

    def dial(self, timeout: float) -> socket.socket:
        sock = self._dialer.dial(timeout)
        with self._lock:
            self._open = {it for it in self._open if it.fileno() >= 0}
            self._open.add(sock)
            aborted = self._aborted
        if aborted:
            _shut(sock)
        return sock

    def abort(self, how: int, keep: frozenset[socket.socket]) -> None:
        with self._lock:
            self._aborted = True
            sockets = self._open - keep
        for sock in sockets:
            _shut(sock, how)

    def open(self) -> frozenset[socket.socket]:
        with self._lock:
            return frozenset(self._open)


def _shut(sock: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """Ends reads and writes that block on it. Of a TLS socket the TCP connection, without a farewell."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, how)


class _Connection(urllib3.connection.HTTPConnection):
    sockets: _Sockets
    dial_timeout: float

    def connect(self) -> None:
        sock = self.sockets.dial(self.dial_timeout)
        sock.settimeout(None)
        self.sock = sock


class _Pool(urllib3.HTTPConnectionPool):
    def __init__(self, sockets: _Sockets, timeout: float) -> None:
        super().__init__("docker", maxsize=4)
        self._sockets = sockets
        self._dial_timeout = timeout

    def _new_conn(self) -> _Connection:
        connection = _Connection("docker", timeout=self._dial_timeout)
        connection.sockets = self._sockets
        connection.dial_timeout = self._dial_timeout
        return connection


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends every request through one pool, whatever its host, and never through a proxy."""

    def __init__(self, pool: _Pool) -> None:
        super().__init__()
        self._pool = pool

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> str:
        return str(request.path_url)

    def close(self) -> None:
        self._pool.close()
        super().close()


class Client(APIClient):
    """An APIClient for one address, its API version negotiated. Raises EngineUnavailable where nothing answers.

    `timeout` is seconds for connecting and for the first answer (without one ten, or `patience` where that is less),
    `patience` for every later one.
    """

    def __init__(self, address: Address, *, timeout: float | None = None, patience: float = PATIENCE) -> None:
        timeout = min(CONNECT_TIMEOUT, patience) if timeout is None else timeout
        self._dialer = Dialer(address)
        self._sockets = _Sockets(self._dialer)
        self._adapter = _Adapter(_Pool(self._sockets, timeout))
        self.address = address
        self.credentials_problem = ""
        self.is_podman = False
        """Whether Podman answers, which speaks as Docker does, with another builder behind it."""
        self._spoken = ""
        self.system = ""
        """The engine's operating system: `linux`, `windows`."""
        try:
            super().__init__(base_url="tcp://docker:80", version="auto", timeout=int(timeout) or 1)
        except docker.errors.DockerException as error:
            told = _not_there(address, error, self._dialer)
            self._dialer.close()
            raise told from error
        self._version = self._spoken
        self.patience = patience
        self.timeout = math.ceil(patience)

    def version(self, api_version: bool = True) -> Any:
        found = super().version(api_version)
        self._spoken = spoken_version(self.address, found)
        names = [part.get("Name") for part in found.get("Components") or () if isinstance(part, dict)]
        self.is_podman = any("podman" in str(name).lower() for name in names)
        self.system = str(found.get("Os") or "")
        return found

    @property
    def _sdk(self) -> Any:
        """The methods of the SDK's client that it keeps to itself."""
        return self

    def get_adapter(self, url: str | bytes) -> Any:
        return self._adapter

    def request(self, *args: Any, **kwargs: Any) -> Any:
        self.trust_env = False  # no proxy, no ~/.netrc, for a name that is none
        return super().request(*args, **kwargs)

    def open_sockets(self) -> frozenset[socket.socket]:
        """The connections there are now."""
        return self._sockets.open()

    def hang_up(self, keep: frozenset[socket.socket] = frozenset()) -> None:
        """Closes our direction of every connection but `keep`, from any thread: sending fails at once, the engine
        cancels what it does for us, and what it still says about that can be read."""
        self._sockets.abort(socket.SHUT_WR, keep)

    def abort(self, keep: frozenset[socket.socket] = frozenset()) -> None:
        """Shuts every connection but `keep` down, from any thread: what blocks on one ends at once."""
        self._sockets.abort(socket.SHUT_RDWR, keep)

    def close(self) -> None:
        self.abort()
        super().close()
        self._adapter.close()
        self._dialer.close()

    def post_build(self, params: Mapping[str, Any], body: Iterable[bytes] | None, *, encoding: str = "") -> Any:
        """`POST /build`, the body chunked as it comes; the response, unread. Raises docker.errors.APIError.

        The SDK's own `build` knows neither several tags nor ulimits, security options or memory of today's API.
        """
        headers = {"Content-Type": "application/x-tar"}
        if encoding:
            headers["Content-Encoding"] = encoding
        self._add_credentials(headers)
        response = self._sdk._post(
            self._sdk._url("/build"), data=body, params=params, headers=headers, stream=True,
            timeout=(CONNECT_TIMEOUT, None),
        )  # fmt: skip
        self._sdk._raise_for_status(response)
        return response

    def _add_credentials(self, headers: dict[str, str]) -> None:
        """Those of the docker CLI's configuration, from its credential stores too. The build goes on without them, as
        the docker CLI's does; `credentials_problem` then says why."""
        try:
            with warnings.catch_warnings():  # the SDK prints what it also raises
                warnings.simplefilter("ignore")
                self._sdk._set_auth_headers(headers)
        except (docker.errors.DockerException, docker.credentials.errors.StoreError, OSError) as error:
            self.credentials_problem = str(error)

    def is_running(self, container: str) -> bool:
        """Whether it runs now; False too where that cannot be known."""
        try:
            with losing(self.address):
                state = self._sdk.inspect_container(container).get("State") or {}
        except (docker.errors.APIError, EngineLost):
            return False
        return bool(state.get("Running"))

    def facts(self, reference: str) -> dict[str, Any]:
        """`docker image inspect`. Raises ImageNotFound."""
        with _no_such(reference):
            found: dict[str, Any] = self._sdk.inspect_image(reference)
            return found

    def size_of(self, image: str) -> int | None:
        """Bytes of an image with all below it; None where they cannot be known."""
        try:
            with losing(self.address):
                return int(self._sdk.inspect_image(image).get("Size") or 0)
        except (docker.errors.APIError, EngineLost):
            return None

    def rows(self, reference: str) -> list[dict[str, Any]]:
        """`docker history`, newest first. Raises ImageNotFound."""
        with _no_such(reference):
            found: list[dict[str, Any]] = self._sdk.history(reference)
            return found

    def prune_unused(self, *, dangling: bool) -> dict[str, Any]:
        """`docker image prune`, of all unused images where not `dangling`."""
        found: dict[str, Any] = self._sdk.prune_images(filters={"dangling": dangling})
        return found

    def prune_build_cache(self) -> int:
        """`docker builder prune`; the bytes that it freed."""
        found: dict[str, Any] = self._sdk.prune_builds()
        return int(found.get("SpaceReclaimed") or 0)

    def proxy_arguments(self) -> dict[str, str]:
        """Build arguments for the proxies of the docker CLI's configuration (`proxies` in config.json)."""
        return dict(self._sdk._proxy_configs.get_environment())

    def get_json(self, path: str, **params: Any) -> Any:
        """`GET path` of the versioned API, decoded."""
        return self._sdk._result(self._sdk._get(self._sdk._url(path), params=params), True)

    def get_stream(self, path: str, **params: Any) -> Any:
        """`GET path`; the response, unread, without a limit of time."""
        response = self._sdk._get(self._sdk._url(path), params=params, stream=True, timeout=(CONNECT_TIMEOUT, None))
        self._sdk._raise_for_status(response)
        return response

    def post_stream(self, path: str, body: Iterable[bytes] | None = None, **params: Any) -> Any:
        """`POST path`; the response, unread, without a limit of time."""
        response = self._sdk._post(
            self._sdk._url(path), data=body, params=params, stream=True, timeout=(CONNECT_TIMEOUT, None),
            headers={"Content-Type": "application/x-tar"},
        )  # fmt: skip
        self._sdk._raise_for_status(response)
        return response


@contextlib.contextmanager
def _no_such(reference: str) -> Iterator[None]:
    try:
        if not reference.strip("/"):
            raise ImageNotFound(f"no such image: {reference!r}")
        yield
    except docker.errors.NotFound as error:
        raise ImageNotFound(f"no such image: {reference}") from error


def _not_there(address: Address, error: BaseException, dialer: Dialer) -> EngineUnavailable:
    if isinstance(error, docker.errors.InvalidVersion):
        return EngineUnavailable(
            f"the Docker Engine at {address.host} is too old: {error}", hint="Update it, or use --engine embedded."
        )
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, EngineUnavailable):
            return cause
        if isinstance(cause, docker.errors.APIError) and cause.response is not None:
            return _refused(address, cause.response, api_message(cause))
        if isinstance(cause, ValueError):  # what should be JSON
            return no_engine(address, "its answer is no JSON")
        if isinstance(cause, requests.Timeout):
            return EngineUnavailable(
                f"the Docker Engine at {address.host} does not answer",
                hint="It may be busy or stuck: see its log, or use --engine embedded.",
            )
        cause = cause.__cause__ or cause.__context__
    said = dialer.reason()
    return EngineUnavailable(
        f"no Docker Engine answers at {address.host} ({address.origin}){f': {said}' if said else ''}",
        hint="Check that the address is that of a Docker Engine"
        + (" and that ssh logs in without asking." if address.scheme == "ssh" else "."),
    )


def _refused(address: Address, response: requests.Response, message: str) -> EngineUnavailable:
    kind = str(response.headers.get("Content-Type", "")).partition(";")[0]
    if kind == "application/json":
        return refuses(address, response.status_code, message, json=True)
    said = f"{response.reason}: {message[:120]}" if kind == "text/plain" else str(response.reason)
    return refuses(address, response.status_code, said, json=False)


def timed_out(error: BaseException) -> bool:
    """Whether a time that ran out is the reason of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, requests.Timeout | TimeoutError | urllib3.exceptions.TimeoutError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


LOST = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""What the SDK raises when a connection breaks; it does not wrap what urllib3 and the socket raise while reading."""


@contextlib.contextmanager
def losing(address: Address) -> Iterator[None]:
    """Turns a connection that breaks into EngineLost."""
    try:
        yield
    except EngineUnavailable as error:
        raise EngineLost(f"the Docker Engine at {address.host} went away: {error}", hint=error.hint) from error
    except docker.errors.APIError:  # an answer, although requests makes it an OSError
        raise
    except LOST as error:
        raise (silent if timed_out(error) else went_away)(address) from error


def api_message(error: docker.errors.APIError) -> str:
    """The engine's own words; `is_wordless` where it has none."""
    if said := str(error.explanation or "").strip():
        return said
    status = f"{error.response.status_code} {error.response.reason}" if error.response is not None else "an error"
    return f"the engine answered {status}, and did not say why"


def is_wordless(error: docker.errors.APIError) -> bool:
    """As Podman is where it cannot unpack the context."""
    return not str(error.explanation or "").strip()
