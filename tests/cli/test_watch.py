"""`workbench build --watch`: what a script relies on while it runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Run


def until(wanted: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not wanted():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_the_id_file_has_the_newest_image_and_starts_no_build(tmp_path: Path) -> None:
    context, said = tmp_path / "lab", tmp_path / "said"
    context.mkdir()
    (context / "data").write_text("one")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    file = context / "id"  # sent, so that it would make every build another image
    words = ["build", "--watch", "--engine", "embedded", "--root", str(tmp_path / "store"), "--iidfile", str(file)]
    words += ["--metadata-file", str(context / "metadata")]
    with said.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "workbench", *words, str(context)], stdout=out)
    try:
        until(lambda: file.exists() and file.read_text(), "no ID")
        first = file.read_text()
        (context / "data").write_text("two")
        until(lambda: file.exists() and file.read_text() not in ("", first), "the ID is that of the first build")
        second = file.read_text()
        time.sleep(0.5)  # in which what the build wrote would have started another one
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
    built = [line.split()[-1] for line in said.read_text().splitlines() if line.startswith("Successfully built")]
    assert built == [first[7:19], second[7:19]] and file.read_text() == second


def test_what_goes_to_stdout_again_and_again_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    done = run("build", "--watch", "--engine", "buildkit", "-o", "-", str(tmp_path))
    assert done.code == 2 and "--watch cannot write every image to stdout" in done.err
