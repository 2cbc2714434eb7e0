"""Bytes to a terminal of 120 by 40 for one whole build: the workbench beside buildx's tty progress, on the same engine.

Needs an engine with BuildKit and its buildx. Goal: at most 1.5 times what buildx sends.
Run it: python tests/bench/bytes_of_a_build.py SOCKET BUILDX   (unix:///path/docker.sock, path of docker-buildx)
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STEPS = 6
DOCKERFILE = "FROM scratch\nADD busybox /bin/busybox\n" + "".join(
    f'RUN ["/bin/busybox", "sh", "-c", "i=0; while [ $i -lt 20 ]; do echo step {step} line $i of the log; '
    'i=$((i+1)); /bin/busybox usleep 50000; done"]\n'
    for step in range(STEPS)
)
GOAL = 1.5
TAG = "workbench-bench-bytes"


class Counted:
    """A program on a pseudoterminal; every byte it sends is counted."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment}
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, over: Callable[[], bool], quiet: float = 2.5) -> int:
        """Bytes until it is over and nothing has come for `quiet` seconds, or the program has ended."""
        count, end = 0, time.monotonic() + 120
        while time.monotonic() < end:
            if not select.select([self._master], [], [], quiet)[0]:
                if over():
                    break
                continue
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:  # how Linux tells a hangup
                break
            if b"\x1b[?2026$p" in data:
                self.send("\x1b[?2026;2$y")
            count += len(data)
        return count

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        os.close(self._master)


def _context(folder: Path) -> Path:
    """Another one for each: nothing is reused."""
    folder.mkdir(parents=True)
    busybox = shutil.which("busybox") or "/bin/busybox"
    shutil.copy(busybox, folder / "busybox")
    (folder / "busybox").open("ab").write(os.urandom(16))
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


def _buildx(folder: Path, host: str, buildx: str) -> int:
    context = _context(folder / "buildx")
    env = {"DOCKER_HOST": host, "DOCKER_CONFIG": str(folder / "config")}
    line = Counted([buildx, "build", "--progress", "tty", "-t", TAG, "."], context, env)
    try:
        return line.until(lambda: line.process.poll() is not None)
    finally:
        line.close()


def _workbench(folder: Path, host: str) -> tuple[int, int]:
    """Of the start, and of the build."""
    context = _context(folder / "workbench")
    env = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "STATE", "DATA")}
    command = [sys.executable, "-m", "workbench", "--engine", "buildkit", "-H", host, "--watch=false", "-t", TAG, "."]
    line = Counted(command, context, env)
    try:
        start = line.until(lambda: True)
        line.send("\x1b[15~")
        history = folder / "state" / "workbench" / "history"
        build = line.until(lambda: any(history.glob("*.jsonl")))
        return start, build
    finally:
        line.close()


def main(host: str, buildx: str) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        theirs = _buildx(folder, host, buildx)
        start, ours = _workbench(folder, host)
    ratio = ours / theirs
    print(f"{'bytes of a build, ' + str(STEPS) + ' steps of a second':40} {'bytes':>9}  ratio  goal")
    print(f"{'buildx --progress tty':40} {theirs:9,}")
    met = "met" if ratio <= GOAL else "NOT MET"
    print(f"{'workbench, from the key to the end':40} {ours:9,}  {ratio:5.2f}  {GOAL} {met}")
    print(f"{'workbench, its start':40} {start:9,}")
    return int(ratio > GOAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
