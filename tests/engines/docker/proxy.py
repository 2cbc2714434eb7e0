"""A socket between the workbench and a Docker Engine, which a test can cut, delay or replace by another service."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path


class Proxy:
    """Listens on a unix socket (or, with `tls`, on TCP) and passes bytes to `target`, an engine's unix socket."""

    def __init__(self, path: Path, target: str, *, tls: ssl.SSLContext | None = None, tcp: bool = False) -> None:
        self._target = target
        self._tls = tls
        self._pairs: list[socket.socket] = []
        self._lock = threading.Lock()
        self.on_data: Callable[[bytes], bytes] = lambda data: data
        """What becomes of the engine's bytes."""
        self._path = path
        if tcp or tls:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.host = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
            threading.Thread(target=self._accept, daemon=True).start()
        else:
            self.host = f"unix://{path}"
            self.open()

    def open(self) -> None:
        """Listens on the unix socket, after `cut` again."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, as when the engine is killed, and no new one is accepted."""
        self._end(self._listener)
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for sock in pairs:
            self._end(sock)

    def _end(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def _accept(self) -> None:
        listener = self._listener
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._target)
            with self._lock:
                self._pairs += [client, engine]
            threading.Thread(target=self._pump, args=(client, engine, bytes), daemon=True).start()
            self._pump(engine, client, lambda data: self.on_data(data))

    def _pump(self, source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                sink.sendall(change(data))
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


class Canned:
    """Answers every request with the same bytes and hangs up; with `answer` None it never answers."""

    def __init__(self, path: Path, answer: bytes | None) -> None:
        self.host = f"unix://{path}"
        self._answer = answer
        self._kept: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for sock in self._kept:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._kept.append(client)
            if self._answer is not None:
                with contextlib.suppress(OSError):
                    client.recv(65536)
                    client.sendall(self._answer)
                    client.shutdown(socket.SHUT_RDWR)
