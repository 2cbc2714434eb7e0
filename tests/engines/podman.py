"""A Podman of the tests' own: its service on a socket, its images in a folder that goes with it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.conftest import missing


class Podman:
    """`podman system service`, for as long as the tests run. Its store is one of plain copies (vfs): no mounts stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "podman.sock"
        self._service: subprocess.Popen[bytes] | None = None

    @property
    def _command(self) -> list[str]:
        root, run = self._folder / "root", self._folder / "run"
        return ["podman", "--root", str(root), "--runroot", str(run), "--storage-driver", "vfs"]

    def start(self) -> str:
        """The address, once something listens there."""
        if shutil.which("podman") is None:
            missing("no podman command on this machine")
        host = f"unix://{self._socket}"
        with (self._folder / "log").open("wb") as log:
            self._service = subprocess.Popen(
                [*self._command, "system", "service", "--time=0", host],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + 30
        while time.monotonic() < until and self._service.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self._socket)) == 0:
                    return host
            time.sleep(0.05)
        self.stop()
        missing(f"podman does not serve: {(self._folder / 'log').read_text()[-300:]}")

    def stop(self) -> None:
        if self._service is not None:
            self._service.terminate()
            self._service.wait(20)
        subprocess.run([*self._command, "rm", "--all", "--force"], capture_output=True, check=False)
