"""Runs `workbench` commands in children of a process that has imported everything: a real command for a fork's price.

As a script it is that process: a line of JSON on stdin is `{"argv", "out", "err", "delay", "cwd"}`, the answer
`{"killed", "code", "seconds"}`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """How a command ended. `killed` before it ended by itself."""

    killed: bool
    code: int
    seconds: float
    out: str
    err: str


class Nursery:
    """`run("images", delay=0.1)`: the command is killed with SIGKILL after that many seconds, where it still runs."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        folder.mkdir()
        environ = {**os.environ, "WORKBENCH_ENGINE": "embedded", "WORKBENCH_ROOT": str(root)}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(self, *argv: str, delay: float = 60.0) -> Ended:
        out, err = self._folder / "out", self._folder / "err"
        out.write_bytes(b"")
        err.write_bytes(b"")
        order = {"argv": argv, "out": str(out), "err": str(err), "delay": delay}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Ended(**answer, out=out.read_text(), err=err.read_text())

    def close(self) -> None:
        self._process.communicate()


def _serve() -> None:
    import workbench.cli.archives
    import workbench.cli.build
    import workbench.cli.check_store
    import workbench.cli.images
    import workbench.cli.remove
    import workbench.engines.embedded.engine
    import workbench.engines.embedded.executor
    import workbench.engines.embedded.importing
    import workbench.engines.embedded.plan
    import workbench.engines.embedded.removal
    import workbench.engines.embedded.save
    import workbench.report.plain  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        started = time.monotonic()
        child = os.fork()
        if not child:
            _child(order)
        code, killed = _wait(child, started + order["delay"])
        answer = {"killed": killed, "code": code, "seconds": time.monotonic() - started}
        print(json.dumps(answer), flush=True)


def _wait(child: int, until: float) -> tuple[int, bool]:
    handle = os.pidfd_open(child)
    try:
        import select

        select.select([handle], [], [], max(0.0, until - time.monotonic()))
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), False
        os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), True
    finally:
        os.close(handle)


def _child(order: dict[str, object]) -> None:
    code = 70
    try:
        from workbench.cli import main

        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(str(order[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        argv = order["argv"]
        assert isinstance(argv, list)
        code = main(argv)
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
