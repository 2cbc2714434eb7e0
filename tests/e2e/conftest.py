"""Terminals, and a copy of the `genesis` context that has all it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, missing
from tests.e2e.terminal import Terminal

NewTerminal = Callable[..., Terminal]


@pytest.fixture
def new_terminal(tmp_path: Path) -> Iterator[NewTerminal]:
    """Opens terminals of a size, with the test's own state, store and configuration; closes them all."""
    if shutil.which("tmux") is None:
        missing("no tmux on this machine")
    opened: list[Terminal] = []
    # a socket's path has at most 107 bytes, and pytest's folders are deep
    with tempfile.TemporaryDirectory(prefix="wb-e2e-") as short:

        def open_one(columns: int = 140, rows: int = 45, **env: str) -> Terminal:
            own = {name: value for name, value in os.environ.items() if name.startswith("XDG_")}
            own |= {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            terminal = Terminal(Path(short) / str(len(opened)), {**own, **env}, columns=columns, rows=rows)
            opened.append(terminal)
            return terminal

        try:
            yield open_one
        finally:
            for terminal in opened:
                terminal.close()


@pytest.fixture
def genesis(tmp_path: Path, static_busybox: Path) -> Path:
    """A copy of the sample context, with the busybox.tar.xz that it adds."""
    context = tmp_path / "genesis"
    shutil.copytree(REPOSITORY / "sample_contexts" / "genesis", context)
    workbench = Path(sys.executable).with_name("workbench")
    subprocess.run([workbench, "demo", "--make", context], check=True, capture_output=True)
    assert (context / "busybox.tar.xz").is_file()
    return context
