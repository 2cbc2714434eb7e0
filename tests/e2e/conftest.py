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
from tests.e2e.nasty import OURS, Lab
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


@pytest.fixture(scope="session")
def busybox_archive(static_busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`busybox.tar.xz` as the demo makes it, once."""
    folder = tmp_path_factory.mktemp("busybox")
    (folder / "Dockerfile").write_text("FROM scratch\nADD busybox.tar.xz /\n")
    workbench = Path(sys.executable).with_name("workbench")
    subprocess.run([workbench, "demo", "--make", folder], check=True, capture_output=True)
    return folder / "busybox.tar.xz"


@pytest.fixture
def genesis(tmp_path: Path, busybox_archive: Path) -> Path:
    """A copy of the sample context with the busybox.tar.xz that it adds. A label says that its images are ours."""
    context = tmp_path / "genesis"
    shutil.copytree(REPOSITORY / "sample_contexts" / "genesis", context)
    shutil.copy(busybox_archive, context)
    dockerfile = context / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("FROM scratch\n", f"FROM scratch\n{OURS}\n", 1))
    assert OURS in dockerfile.read_text()
    return context


@pytest.fixture(scope="session")
def clean_docker(docker_host: str) -> Iterator[None]:
    """Takes the tests' images out of the Docker Engine again: those that have a tag, and what rebuilds left.

    At the very end: an engine may still be busy with a build that was cancelled, and find its images gone.
    """
    yield
    label = f"label={OURS.removeprefix('LABEL ')}"
    listing = subprocess.run(["docker", "images", "-aq", "--filter", label], capture_output=True, text=True, check=True)
    if listing.stdout:
        subprocess.run(["docker", "rmi", "-f", *set(listing.stdout.split())], capture_output=True, check=False)


@pytest.fixture(params=["embedded", pytest.param("docker", marks=pytest.mark.slow)])
def lab(request: pytest.FixtureRequest, tmp_path: Path, busybox_archive: Path) -> Iterator[Lab]:
    """When the test is over, nothing has come of it, and a good build works."""
    if request.param == "docker":
        request.getfixturevalue("clean_docker")
        engine = ["--engine", "docker", "-H", request.getfixturevalue("docker_host")]
    else:
        engine = ["--engine", "embedded", "--root", str(tmp_path / "store")]
    lab = Lab(tmp_path, engine, busybox_archive)
    lab.run("images").says(0)
    yield lab
    lab.assert_nothing_came()
    lab.assert_good_build()
