"""A Docker Engine that keeps its images in containerd, from the binaries of one that stands already."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from pathlib import Path


class ContainerdEngine:
    """Runs dockerd of `unpacked` in a network namespace of its own, on that engine's containerd, with its own data.

    Two engines must not share a network namespace, and do share a containerd: each has its own namespace there.
    """

    def __init__(self, unpacked: Path, folder: Path) -> None:
        self._unpacked = unpacked
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Its address, once it answers."""
        name = f"workbench-{uuid.uuid4().hex[:8]}"
        config = self._folder / "daemon.json"
        config.write_text('{"features": {"containerd-snapshotter": true}}')
        root = self._unpacked / "root/usr"
        path = f"{self._unpacked}/run/bin:{root}/sbin:{root}/bin:{os.environ['PATH']}"
        command = [
            "unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", f"{root}/sbin/dockerd",
            f"--config-file={config}",
            "--containerd", f"{self._unpacked}/run/containerd.sock", "--containerd-namespace", name,
            "--containerd-plugins-namespace", f"{name}-plugins", "--data-root", f"{self._folder}/data",
            "--exec-root", f"{self._folder}/exec", "--host", f"unix://{self._folder}/docker.sock",
            "--pidfile", f"{self._folder}/dockerd.pid",
        ]  # fmt: skip
        with (self._folder / "dockerd.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path}
            )
        end = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self._folder / "dockerd.log").read_text()[-2000:])
            time.sleep(0.1)
        return f"unix://{self._folder}/docker.sock"

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(f"{self._folder}/docker.sock")
                probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in probe.recv(200)
            except OSError:
                return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        left = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([it for it in left if it.startswith(f"{self._folder}/")]):
            subprocess.run(["umount", mount], check=True)  # or nobody can remove the folder
