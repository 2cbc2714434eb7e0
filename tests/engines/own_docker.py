"""A Docker Engine of a test's own, from this machine's dockerd: to be killed, started again, and filled up."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.conftest import missing


class OwnDocker:
    """dockerd in a network namespace of its own (two engines must not share one), with its own containerd and data.

    `bytes` bounds its disk: the data lie on a tmpfs of that size.
    """

    def __init__(self, *, bytes: int = 0) -> None:
        if os.geteuid() != 0:
            missing("a Docker Engine of the tests' own is started by root only")
        self._dockerd = shutil.which("dockerd") or missing("no dockerd on this machine: install Debian's docker.io")
        # a socket's path has at most 107 bytes, and pytest's folders are deep
        self.folder = Path(tempfile.mkdtemp(prefix="wb-dockerd-"))
        self.socket = self.folder / "docker.sock"
        self.host = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / "data").mkdir()
        (self.folder / "daemon.json").write_text("{}")
        if bytes:
            options = ["-t", "tmpfs", "-o", f"size={bytes}", "tmpfs"]
            subprocess.run(["mount", *options, self.folder / "data"], check=True)

    def start(self) -> None:
        """Returns once it answers."""
        command = [
            "unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", self._dockerd,
            f"--config-file={self.folder}/daemon.json", "--data-root", f"{self.folder}/data",
            "--exec-root", f"{self.folder}/exec", "--host", self.host, "--pidfile", f"{self.folder}/dockerd.pid",
        ]  # fmt: skip
        for left in (self.folder / "exec" / "containerd").glob("containerd*.*"):
            if left.suffix != ".toml":  # what a killed one leaves makes the next start fail
                left.unlink()
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "dockerd.log").read_text()[-2000:])
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
        """Its containerd and its shims, which have the folder of its sockets in their command lines."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.folder / "exec") in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
