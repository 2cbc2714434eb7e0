"""The headless commands on a real Docker Engine: the transcript against that of the docker command, and its tables."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import missing

pytestmark = pytest.mark.slow  # the contract on a real engine is in the quick tests


NAME = f"cli-test-{os.getpid()}"


def docker(*words: str) -> str:
    """The docker command, where it is installed."""
    if shutil.which("docker") is None:
        missing("no docker command on this machine")
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    return subprocess.run(["docker", *words], env=environment, capture_output=True, check=True).stdout.decode()


def as_seen(text: str) -> str:
    """Docker writes a line of progress over and over, as often as the machine is slow; a terminal shows the last."""
    return "".join(f"{line.rstrip(chr(13)).rpartition(chr(13))[2]}\n" for line in text.removesuffix("\n").split("\n"))


@pytest.fixture
def image(docker_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[Path]:
    """A context, whose image and those below it are gone afterwards."""
    monkeypatch.setenv("WORKBENCH_ENGINE", "docker")
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f'FROM scratch\nLABEL by={NAME}\nADD file /\nCMD ["sh"]\n')
    (folder / "file").write_text(NAME)
    yield folder
    run("rmi", "-f", NAME)


def test_the_transcript_is_dockers_own(image: Path, run: Run) -> None:
    built = run("build", "--no-cache", "-t", NAME, str(image))
    assert built.code == 0 and "Running in" in built.out and "Removing intermediate container" in built.out
    again = run("build", "-t", NAME, str(image))
    theirs = as_seen(docker("build", "-t", NAME, str(image)))
    # Docker ends the arrow of an empty base with a blank, which the lab's text has not.
    assert again.out == theirs.replace(" ---> \n", " --->\n")
    assert " ---> Using cache\n" in again.out and f"Successfully tagged {NAME}:latest\n" in again.out


def test_the_tables_are_dockers_own(image: Path, run: Run) -> None:
    run("build", "-t", NAME, str(image))
    assert run("history", "--no-trunc", "-q", NAME).out == docker("history", "--no-trunc", "-q", NAME)
    assert run("images", "-q", "--no-trunc", NAME).out == docker("images", "-q", "--no-trunc", NAME)
    ours, theirs = (text.splitlines() for text in (run("images", NAME).out, docker("images", NAME)))
    assert ours[0].split() == theirs[0].split() and ours[1].split()[:3] == theirs[1].split()[:3]


def test_save_and_load_through_pipes(image: Path, run: Run, tmp_path: Path) -> None:
    run("build", "-t", NAME, str(image))
    assert run("save", "-o", str(tmp_path / "image.tar"), NAME).code == 0
    gone = run("rmi", NAME)
    assert gone.out.startswith(f"Untagged: {NAME}:latest\nDeleted: sha256:")
    assert run("load", "-i", str(tmp_path / "image.tar")).out == f"Loaded image: {NAME}:latest\n"
    missing_one = run("inspect", NAME, "no-such-image")
    assert missing_one.code == 1 and '"Id": "sha256:' in missing_one.out and "no-such-image" in missing_one.err


def test_auto_takes_an_engine_that_answers_and_says_so(image: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_ENGINE", "auto")
    done = run("images", NAME)
    host = os.environ["DOCKER_HOST"]
    assert done.code == 0 and done.err == f"workbench: engine docker (a Docker Engine answers at {host})\n"
    assert run("images", "-q", NAME).err == ""


def test_what_answers_and_is_no_docker_is_not_taken(tmp_path: Path) -> None:
    from workbench.engines.ping import ping
    from workbench.errors import EngineUnavailable

    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(EngineUnavailable, match="no answer from"):
            ping(f"unix://{path}", timeout=0.05)
    with pytest.raises(EngineUnavailable, match="connection refused"):
        ping(f"unix://{path}")


def test_explain_says_what_it_compares_with(image: Path, run: Run) -> None:
    """With the build before, explained or not; one with -q leaves no record of its steps, which is said."""
    first = run("build", "--explain", "-t", NAME, str(image))
    assert "no build before left a record of its steps" in first.err
    second = run("build", "--explain", "-t", NAME, str(image))
    assert "compared with build 1, of " in second.err and "since" not in second.err
    (image / "file").write_text(f"{NAME} changed")
    os.utime(next(Path(os.environ["XDG_STATE_HOME"]).rglob("steps/*/builds.json")), (time.time() - 100,) * 2)
    assert run("build", "-q", "-t", NAME, str(image)).code == 0
    third = run("build", "--explain", "-t", NAME, str(image))
    assert "of About a minute ago: the 3 builds since left no record of steps" in third.err, third.err
    (image / "file").write_text(f"{NAME} changed again")
    plain = run("build", "-t", NAME, str(image))
    assert plain.code == 0 and "why" not in plain.out
    (image / "file").write_text(f"{NAME} changed once more")
    fourth = run("build", "--explain", "-t", NAME, str(image))
    assert "compared with build 5, of " in fourth.err and "since" not in fourth.err, fourth.err
