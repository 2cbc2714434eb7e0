"""Whom the embedded engine is measured against: Docker's classic builder, and the BuildKit of a Docker Engine 28.

The classic builder is that of the local socket, asked by `docker build`. BuildKit is where `engines/start-docker-next
sid` puts it, and is asked by its buildx itself, which starts faster than `docker build` does; where it does not run,
its rows are left out, and that is said. All sides build on one base: a static busybox of this machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BASE = "workbench-bench-busybox"
TAG = "workbench-bench"
_UNPACKED = Path(tempfile.gettempdir()) / "docker-sid"
_APPLETS = ("sh", "mkdir", "cat", "rm", "true")


@dataclass(frozen=True, slots=True)
class Rival:
    """`command` builds the folder that is put behind it; `environment` says by which engine."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    def build(self, context: Path, *options: str) -> None:
        """Ends the benchmark where it fails."""
        self.run(*self.command, *options, str(context))

    def run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False)
        if done.returncode:
            sys.exit(f"{self.name}: {' '.join(command)}: {done.stderr.strip()}")

    def load(self, archive: Path) -> None:
        self.run("docker", "load", "-q", "-i", str(archive))

    def clean(self) -> None:
        """Takes away what was built, and the base."""
        subprocess.run(
            ["docker", "rmi", "-f", TAG, BASE], capture_output=True, env=self.environment, check=False
        )  # of BuildKit's cache its own bound takes care


def rivals() -> list[Rival]:
    """Those that answer, the classic builder first."""
    found = [Rival("classic", ("docker", "build", "-q", "-t", TAG), {**os.environ, "DOCKER_BUILDKIT": "0"})]
    address = _UNPACKED / "run/docker.sock"
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(address))
        except OSError as error:
            print(f"no BuildKit at {address} ({error.strerror}): engines/start-docker-next sid starts it")
            return found
    environment = {
        **os.environ, "DOCKER_HOST": f"unix://{address}", "DOCKER_CONFIG": str(_UNPACKED / "config"),
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }  # fmt: skip
    buildx = str(_UNPACKED / "root/usr/libexec/docker/cli-plugins/docker-buildx")
    return [*found, Rival("BuildKit", (buildx, "build", "-q", "-t", TAG), environment)]


@contextmanager
def among_rivals() -> Iterator[tuple[Path, list[Rival]]]:
    """A folder for the benchmark, and those that answer; what they built and the folder are gone after it."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-bench-"))
    others = rivals()
    try:
        yield folder, others
    finally:
        for rival in others:
            rival.clean()
        shutil.rmtree(folder, ignore_errors=True)


def make_base(folder: Path) -> Path:
    """A docker-archive of `BASE`, made by Docker from a static busybox of this machine."""
    binary = shutil.which("busybox")
    if binary is None:
        sys.exit("no busybox on this machine: install Debian's busybox-static")
    root, archive = folder / "root", folder / "base.tar"
    for name in ("bin", "proc", "sys", "dev", "etc", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(binary, root / "bin/busybox")
    for name in _APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    packed = subprocess.run(["tar", "-C", root, "-c", "."], capture_output=True, check=True).stdout
    subprocess.run(["docker", "import", "-", BASE], input=packed, stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["docker", "save", "-o", archive, BASE], check=True)
    return archive
