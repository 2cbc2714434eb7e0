"""A connection to a host within seconds or not at all: names are looked up, proxies gone through, TLS spoken.

Looking a name up cannot be given a limit, so that it happens on a thread that may be left behind.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request

from workbench.dataclass import dataclass
from workbench.engines.embedded.registry.settings import certificates
from workbench.engines.worker import Cancel
from workbench.errors import UsageError

CONNECT_SECONDS = 3.0


class Unreachable(Exception):
    """No connection; the words say why, for a person. `wrong_scheme`: something answered, but speaks otherwise."""

    def __init__(self, reason: str, *, hint: str = "", wrong_scheme: bool = False) -> None:
        super().__init__(reason)
        self.hint = hint
        self.wrong_scheme = wrong_scheme


@dataclass(frozen=True, slots=True)
class Address:
    """The host and port of a URL, and how they are spoken to."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == default_port(self.scheme) else f"{host}:{self.port}"


def default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def address_of(url: str) -> Address:
    """Raises ValueError for what is no http(s) URL."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    return Address(parts.scheme, parts.hostname, parts.port or default_port(parts.scheme))


def proxy_of(address: Address) -> str:
    """The proxy that the environment names for it (`HTTPS_PROXY`, `NO_PROXY`), or "". Loopback has none."""
    if address.host in ("localhost", "127.0.0.1", "::1"):
        return ""
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get(address.scheme, "")
    if not proxy or urllib.request.proxy_bypass_environment(f"{address.host}:{address.port}"):  # type: ignore[attr-defined]
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def connect(address: Address, cancel: Cancel, *, verify: bool, patience: float) -> socket.socket:
    """A socket that is ready for HTTP; reads and writes on it wait for `patience` seconds. Raises Unreachable."""
    proxy = proxy_of(address)
    sock = _through(proxy, address, cancel) if proxy else _tcp(address.host, address.port, cancel)
    try:
        if address.scheme == "https":
            sock = _secure(sock, address, verify)
        sock.settimeout(patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _tcp(host: str, port: int, cancel: Cancel) -> socket.socket:
    found: list[socket.socket | Exception] = []
    done = threading.Event()
    left = threading.Event()
    lock = threading.Lock()

    def work() -> None:
        one: socket.socket | Exception
        try:
            one = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
        except (OSError, UnicodeError) as error:
            one = error
        with lock:
            if left.is_set() and isinstance(one, socket.socket):
                one.close()
            found.append(one)
        done.set()

    threading.Thread(target=work, name="connect", daemon=True).start()
    forget = cancel.on_ask(done.set)
    done.wait(CONNECT_SECONDS)
    forget()
    with lock:
        left.set()
        result = found[0] if found else TimeoutError()
    if isinstance(result, socket.socket):
        if not cancel.asked:
            return result
        result.close()
    cancel.check()
    assert isinstance(result, Exception)
    raise Unreachable(reason_of(result)) from result


def _secure(sock: socket.socket, address: Address, verify: bool) -> ssl.SSLSocket:
    context = _context(address, verify)
    sock.settimeout(CONNECT_SECONDS)
    started = time.monotonic()
    try:
        return context.wrap_socket(sock, server_hostname=address.host)
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f"its certificate is not trusted: {error.verify_message}",
            hint=f"Put the certificate of its authority into /etc/docker/certs.d/{address.netloc}/ca.crt.",
        ) from error
    except (ssl.SSLError, ConnectionError) as error:
        raise Unreachable("it does not speak TLS", wrong_scheme=True) from error
    except TimeoutError as error:
        waited = f"no TLS within {time.monotonic() - started:.0f} seconds"
        raise Unreachable(waited, wrong_scheme=True) from error


def _context(address: Address, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    host = f"{address.host}:{address.port}"
    folders = certificates(host) + (certificates(address.host) if address.port == default_port("https") else [])
    for folder in folders:
        try:
            for authority in sorted(folder.glob("*.crt")):
                context.load_verify_locations(authority)
            for own in sorted(folder.glob("*.cert")):
                context.load_cert_chain(own, own.with_suffix(".key"))
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"{folder}: a certificate cannot be read: {error.strerror or error}") from error
    return context


def _through(proxy: str, address: Address, cancel: Cancel) -> socket.socket:
    """A tunnel for https; for http the proxy itself, which is given whole URLs."""
    try:
        way = address_of(proxy)
    except ValueError as error:
        raise UsageError(f"the proxy for {address.scheme} in the environment is not a URL") from error
    if way.scheme == "https":
        raise UsageError("the proxy in the environment is an https one, which this engine does not speak to")
    try:
        sock = _tcp(way.host, way.port, cancel)
    except Unreachable as error:
        raise Unreachable(f"its proxy {way.netloc} does not answer: {error}") from error
    if address.scheme == "http":
        return sock
    target = f"{address.host}:{address.port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *proxy_headers(proxy)]
    sock.settimeout(CONNECT_SECONDS)
    try:
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = http.client.HTTPResponse(sock, method="CONNECT")
        answer.begin()
    except (OSError, http.client.HTTPException) as error:
        sock.close()
        raise Unreachable(f"its proxy {way.netloc} does not answer: {reason_of(error)}") from error
    if answer.status != 200:
        sock.close()
        raise Unreachable(f"its proxy {way.netloc} answers {answer.status}")
    return sock


def proxy_headers(proxy: str) -> list[str]:
    """`Proxy-Authorization`, where the proxy's URL has a user."""
    parts = urllib.parse.urlsplit(proxy)
    if not parts.username:
        return []
    pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return [f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}"]


def reason_of(error: Exception) -> str:
    """Why there is no connection, in a person's words."""
    if isinstance(error, socket.gaierror):
        return "its name is not known here (no network?)"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, UnicodeError):
        return "its name is not one of a host"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"the connection broke ({type(error).__name__})"
