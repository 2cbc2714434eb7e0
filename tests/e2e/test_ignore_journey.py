"""A folder is ignored by one key in a real terminal: the totals drop, the image is built without it; and a line typed
into the ignore file counts before it is saved."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.conftest import NewTerminal
from tests.e2e.test_journey import WORKBENCH, engine, open_workbench, quit_from

__all__ = ["engine"]  # the fixture


def names_in(engine: list[str], image: str, folder: Path) -> set[str]:
    """The paths of all layers of the image."""
    archive = folder / "image.tar"
    subprocess.run([WORKBENCH, "save", *engine, "-o", str(archive), image], check=True)
    found: set[str] = set()
    with tarfile.open(archive) as outer:
        for member in outer:
            file = outer.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            try:
                with tarfile.open(fileobj=file) as layer:
                    found |= {name.removeprefix("./") for name in layer.getnames()}
            except tarfile.ReadError:
                continue  # a configuration
    archive.unlink()
    return found


@pytest.mark.slow
def test_ignore_a_folder(engine: list[str], tmp_path: Path, new_terminal: NewTerminal) -> None:
    context = tmp_path / f"wb-tree-{os.getpid()}"
    for name, size in {"node_modules/a/b.js": 70_000, "src/app.py": 3_000, "app.log": 20_000}.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /app\n")
    terminal = new_terminal(140, 45)
    session = open_workbench(terminal, engine, context)
    session.until_built()
    try:
        assert "app/node_modules/a/b.js" in names_in(engine, context.name, tmp_path)

        session.go_to("context")
        terminal.wait_for("4 of 4 files · 93kB · 1 !")
        terminal.keys("w")
        terminal.wait_for("! packages that a RUN step can install;")
        terminal.keys("x")
        session.revision += 1
        terminal.wait_for("4 of 5 files · 23kB of 93kB")
        terminal.wait_for("node_modules: not sent by line 1 of")
        session.until_built()
        names = names_in(engine, context.name, tmp_path)
        assert "app/src/app.py" in names and "app/app.log" in names
        assert not any("node_modules" in name for name in names)

        session.go_to("editor")
        terminal.keys("alt+i")
        terminal.wait_for("1  node_modules")
        terminal.keys("ctrl+end")
        terminal.type("*.log")
        terminal.keys("enter")
        terminal.wait_for("3 of 5 files · 3.0")  # before it is saved
        assert (context / ".dockerignore").read_text() == "node_modules\n"
        session.save()
        session.until_built()
        assert "app/app.log" not in names_in(engine, context.name, tmp_path)
        quit_from(terminal)
    finally:
        subprocess.run([WORKBENCH, "rmi", *engine, context.name], check=False, capture_output=True)
