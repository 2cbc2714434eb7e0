"""A person's moves in the workbench, in the words of the contract: keys in, title line and panels out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.terminal import Terminal

PANELS = {
    "context": (1, "Open"),
    "editor": (2, "esc Leave"),
    "build": (3, "To the line"),
    "images": (4, "d Delete"),
}
"""A panel's number, and a word that the footer has while the panel has the focus."""


class Session:
    """A running workbench in a terminal. `revision` is the one that should be saved by now."""

    def __init__(self, terminal: Terminal, *command: str, cwd: Path) -> None:
        self.terminal = terminal
        self.pid = terminal.run("workbench", *command, cwd=cwd)
        self.revision = 1

    def until_built(self, timeout: float = 30) -> str:
        """Waits until the title says that the saved revision is built."""
        return self.terminal.wait_for_title(f"saved r{self.revision}", f"built r{self.revision}", timeout=timeout)

    def go_to(self, panel: str) -> None:
        """Chooses a panel, and waits until the footer names its keys."""
        self.terminal.keys(f"alt+{PANELS[panel][0]}")
        self.terminal.wait_for(lambda screen: PANELS[panel][1] in screen.rstrip().rpartition("\n")[2])

    def edit(self) -> None:
        """Goes to the editor, to the end of the Dockerfile."""
        self.go_to("editor")
        self.terminal.keys("ctrl+end")

    def add_line(self, line: str) -> None:
        """Types a line at the end of the Dockerfile."""
        self.edit()
        self.terminal.type(line)
        self.terminal.keys("enter")

    def save(self) -> None:
        self.terminal.keys("ctrl+s")
        self.revision += 1

    def kill(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


def until(condition: Callable[[], bool], what: str, timeout: float = 10) -> None:
    """Waits for a condition of the machine (a process, a mount), not of the screen."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"within {timeout} s: {what}")
        time.sleep(0.02)


def processes_naming(text: str) -> list[str]:
    """Command lines of this machine's processes that have the text in them, our own excepted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in command and folder.name != str(os.getpid()):
            found.append(f"{folder.name} {command}")
    return found


def mounts_naming(text: str) -> list[str]:
    """Mounts of this process's namespace that have the text in them."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if text in line]
