"""Opens a socket to a Docker Engine, over a unix socket, TCP, TLS or ssh; says what to do where that fails.

A socket from here is always a real one, so that shutting it down ends whatever waits on it in another thread.
"""

from __future__ import annotations

import os
import shlex
import socket
import ssl
import subprocess
from pathlib import Path
from typing import IO

from workbench.engines.address import Address
from workbench.errors import EngineLost, EngineUnavailable

_EMBEDDED = "or use --engine embedded"
_PIECE = 1 << 16
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Dialer:
    """Dials one address, any number of times."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._ssh: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []

    def dial(self, timeout: float) -> socket.socket:
        """A connected socket to a Docker Engine, secured where the address asks for TLS.

        `timeout` is seconds to connect. Raises EngineUnavailable with a hint by cause."""
        if self.address.standalone:
            raise EngineUnavailable(
                f"{self.address.host} ({self.address.origin}) is a buildkitd, not a Docker Engine",
                hint="Use --engine buildkit.",
            )
        try:
            sock = self._connect(timeout)
            if self.address.tls is None:
                return sock
            try:
                return tls_context(self.address).wrap_socket(sock, server_hostname=self.server_name)
            except BaseException:
                sock.close()
                raise
        except OSError as error:  # ssl.SSLError, socket.gaierror and TimeoutError are OSErrors
            raise unavailable(self.address, error) from error

    def dial_bare(self, timeout: float) -> socket.socket:
        """`dial` without TLS, for who speaks that by himself (asyncio does): `tls_context`, `server_name`."""
        try:
            return self._connect(timeout)
        except OSError as error:
            raise unavailable(self.address, error) from error

    @property
    def server_name(self) -> str:
        """The host, as its certificate should name it."""
        return self.address.rest.rpartition(":")[0].strip("[]")

    def _connect(self, timeout: float) -> socket.socket:
        if self.address.local:
            return _unix(self.address.rest, timeout)
        if self.address.scheme == "ssh":
            return self._dial_ssh()
        return _tcp(self.address, timeout)

    def reason(self) -> str:
        """What ssh said, where ssh is the way and it ended; else empty."""
        for process, log in reversed(self._ssh):
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
            log.seek(0)
            if lines := log.read().decode("utf-8", "replace").strip().splitlines():
                return lines[-1]
        return ""

    def close(self) -> None:
        """Ends the ssh processes."""
        for process, log in self._ssh:
            process.terminate()
            process.wait()
            log.close()
        self._ssh.clear()

    def _dial_ssh(self) -> socket.socket:
        """`ssh host docker system dial-stdio` on one end of a socket pair, as the docker CLI does. The path of
        `ssh://host/path` is that of the engine's socket there.

        Without a terminal: ssh must not ask for a password in the middle of somebody's screen.
        """
        import tempfile

        host, slash, path = self.address.rest.partition("/")
        target, _, port = host.rpartition(":")
        if not (target and port.isdecimal()):
            target, port = host, ""
        there = ["--host", f"unix://{shlex.quote(slash + path)}"] if path else []  # a shell reads it there
        command = ["ssh", "-o", "ConnectTimeout=30", "-o", "BatchMode=yes", "-T"]
        command += ["-p", port] if port else []
        ours, theirs = socket.socketpair()
        log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            process = subprocess.Popen(
                [*command, "--", target, "docker", *there, "system", "dial-stdio"],
                stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=log,
                start_new_session=True,
            )  # fmt: skip
        except OSError:
            ours.close()
            log.close()
            raise
        finally:
            theirs.close()
        self._ssh.append((process, log))
        return ours


def _unix(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _tcp(address: Address, timeout: float) -> socket.socket:
    host, _, port = address.rest.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or int(port) > 65535:
        raise EngineUnavailable(
            f"{address.host} ({address.origin}) has no usable port", hint="An address is tcp://host:port."
        )
    sock = socket.create_connection((host, int(port)), timeout)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return sock
    except BaseException:
        sock.close()
        raise


def tls_context(address: Address) -> ssl.SSLContext:
    """For an address with TLS. Raises OSError for files that cannot be read."""
    tls = address.tls
    assert tls is not None
    context = ssl.create_default_context(cafile=os.fspath(tls.ca) if tls.ca else None)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert and tls.key:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def ask(address: Address, target: str, timeout: float, patience: float) -> tuple[bytes, bytes]:
    """Status and body of one GET, on a connection of its own: `timeout` is seconds to connect, `patience` those that
    the engine may be silent. Blocks. Raises EngineUnavailable where it cannot be reached, and OSError.

    HTTP/1.0 has the end of the connection as the end of the body, and no chunks."""
    answer = bytearray()
    dialer = Dialer(address)
    try:
        with dialer.dial(timeout) as sock:
            sock.settimeout(patience)
            sock.sendall(f"GET {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode("ascii"))
            while piece := sock.recv(_PIECE):
                answer += piece
    finally:
        dialer.close()
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    return head[9:12], body


def went_away(address: Address, why: str = "") -> EngineLost:
    """What to tell a person about a connection that broke."""
    return EngineLost(
        f"the {address.kind} at {address.host} went away" + (f": {why}" if why else ""),
        hint="See whether it still runs" + ("" if address.standalone else " (docker info)")
        + " and what its log says.",
    )  # fmt: skip


def unavailable(address: Address, error: OSError) -> EngineUnavailable:
    """What to tell a person about a connection that could not be made."""
    where = f"{address.host} ({address.origin})" if address.origin != "default" else address.host
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        return EngineUnavailable(
            f"TLS with the {address.kind} at {where} fails: {why}",
            hint="Check ca.pem, cert.pem and key.pem of the Docker context or of DOCKER_CERT_PATH, and the host name.",
        )
    if isinstance(error, socket.gaierror):
        return EngineUnavailable(
            f"the host name in {where} is not known: {error.strerror}", hint="Check the address and the network."
        )
    if isinstance(error, TimeoutError):
        return EngineUnavailable(
            f"the {address.kind} at {where} does not answer", hint=f"Check address and firewall, {_EMBEDDED}."
        )
    if address.scheme == "ssh" and isinstance(error, FileNotFoundError):
        return EngineUnavailable(f"{where} needs the ssh command", hint="Install openssh-client.")
    if isinstance(error, FileNotFoundError):
        missing = error.filename or (address.rest if address.local else "")
        if address.tls is not None:
            return EngineUnavailable(
                f"a TLS file for {where} is missing",
                hint="DOCKER_CERT_PATH must have ca.pem, cert.pem and key.pem.",
            )
        return EngineUnavailable(
            f"there is no {address.kind} at {where}: no socket {missing}", hint=_start_hint(address)
        )
    if isinstance(error, PermissionError):
        return EngineUnavailable(
            f"no permission for the socket of the {address.kind} at {where}",
            hint="Add yourself to the docker group (sudo usermod -aG docker $USER, then log in again), use sudo, "
            f"{_EMBEDDED}.",
        )
    if isinstance(error, ConnectionRefusedError):
        hint = _start_hint(address) if address.local else f"Start the engine there, check the port, {_EMBEDDED}."
        return EngineUnavailable(f"nothing answers at {where}: connection refused", hint=hint)
    return EngineUnavailable(
        f"cannot reach the {address.kind} at {where}: {error.strerror or error}",
        hint=f"Check the address, {_EMBEDDED}.",
    )


def _start_hint(address: Address) -> str:
    if address.standalone:
        return f"Start buildkitd, {_EMBEDDED}."
    if Path("/run/systemd/system").is_dir():
        return f"Start Docker: sudo systemctl start docker, {_EMBEDDED}."
    return f"Start Docker (sudo service docker start, or sudo dockerd), {_EMBEDDED}."
