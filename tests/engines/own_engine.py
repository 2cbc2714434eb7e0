"""A Docker Engine of a test's own, of any generation, or a Podman: to be killed, started again, and filled up."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

from tests.conftest import missing


class OwnEngine(ABC):
    """An engine with a folder of its own: data, socket and log.

    `bytes` bounds its disk: the data lie on a tmpfs of that size.
    """

    def __init__(self, *, bytes: int = 0) -> None:
        if os.geteuid() != 0:
            missing("an engine of the tests' own is started by root only")
        # a socket's path has at most 107 bytes, and pytest's folders are deep
        self.folder = Path(tempfile.mkdtemp(prefix="wb-engine-"))
        self.socket = self.folder / "engine.sock"
        self.host = f"unix://{self.socket}"
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.data.mkdir()
        if bytes:
            options = ["-t", "tmpfs", "-o", f"size={bytes}", "tmpfs"]
            subprocess.run(["mount", *options, self.data], check=True)

    @abstractmethod
    def _command(self) -> list[str]: ...

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> None:
        """Returns once it answers."""
        for left in (self.folder / "exec" / "containerd").glob("containerd*.*"):
            if left.suffix != ".toml":  # what a killed one leaves makes the next start fail
                left.unlink()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._environment()
            )
        end = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(str(self.socket))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(200)
        return False

    def kill(self) -> None:
        """As the kernel does when memory runs out: nobody says goodbye, and the socket's name stays."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._end_what_is_left()

    def freeze(self, *, on: bool = True) -> None:
        """Stops it where it is: its connections stay, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def stop(self) -> None:
        """Ends it and what it left, and takes its folder away."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        self._end_what_is_left()
        if self._process is not None:
            self._process.wait()
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([it for it in mounts if it.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", "-l", mount], check=True)
        shutil.rmtree(self.folder)

    def _end_what_is_left(self) -> None:
        """Its containerd, its shims and runtimes: their command lines have its folders. Those of clients have its
        socket."""
        folders = [os.fsencode(self.folder / name) for name in ("data", "exec", "run")]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (process / "cmdline").read_bytes()
                if any(folder in line for folder in folders):
                    os.kill(int(process.name), signal.SIGKILL)


class OwnDocker(OwnEngine):
    """dockerd in a network namespace of its own (two engines must not share one), with its own containerd.

    It is this machine's, or that of `unpacked`: a folder of `engines/start-docker-next`.
    """

    def __init__(self, *, bytes: int = 0, unpacked: Path | None = None) -> None:
        path = os.environ.get("PATH", "")
        if unpacked is not None:
            path = f"{unpacked}/run/bin:{unpacked}/root/usr/sbin:{unpacked}/root/usr/bin:{path}"
        self._path = path
        where = f"in {unpacked}" if unpacked is not None else "on this machine: install Debian's docker.io"
        self._dockerd = shutil.which("dockerd", path=path) or missing(f"no dockerd {where}")
        super().__init__(bytes=bytes)
        (self.folder / "daemon.json").write_text("{}")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": self._path}

    def _command(self) -> list[str]:
        return [
            "unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", self._dockerd,
            f"--config-file={self.folder}/daemon.json", "--data-root", str(self.data),
            "--exec-root", f"{self.folder}/exec", "--host", self.host, "--pidfile", f"{self.folder}/dockerd.pid",
        ]  # fmt: skip


class OwnPodman(OwnEngine):
    """`podman system service`, its store one of plain copies (vfs): what is killed leaves no mounts."""

    def __init__(self, *, bytes: int = 0) -> None:
        self._podman = shutil.which("podman") or missing("no podman on this machine: install Debian's podman")
        super().__init__(bytes=bytes)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.data)}  # where a context is unpacked

    def _command(self) -> list[str]:
        return [
            self._podman, "--root", f"{self.data}/store", "--runroot", f"{self.folder}/run", "--storage-driver", "vfs",
            "system", "service", "--time=0", self.host,
        ]  # fmt: skip
