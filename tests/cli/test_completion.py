"""What a shell is told that may stand next, and that bash, zsh and fish take it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import missing
from workbench.cli.completion import SCRIPTS

STAGES = "FROM scratch AS base\nLABEL a=b\nFROM base AS build\nFROM build AS test\n"


@pytest.fixture
def here(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a Dockerfile of three stages, and an empty store of the embedded engine."""
    (tmp_path / "Dockerfile").write_text(STAGES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_ENGINE", "embedded")
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path_factory.mktemp("store")))
    return tmp_path


def answer(run: Run, *words: str) -> tuple[str, list[str]]:
    """(what may stand there beside, the candidates)"""
    done = run("completion", "answer", *words)
    assert (done.code, done.err) == (0, "")
    kind, *lines = done.out.splitlines()
    return kind, [line.split("\t")[0] for line in lines]


@pytest.mark.parametrize(
    ("words", "kind", "candidates"),
    [
        (["im"], "folders", ["images", "import"]),
        (["--engine", "e"], "words", ["embedded"]),
        (["--engine", "embedded", "rol"], "folders", ["rollback"]),
        (["build", "--no-cache"], "words", ["--no-cache-filter", "--no-cache"]),
        (["build", "--target", ""], "words", ["base", "build", "test"]),
        (["build", "--target=b"], "words", ["--target=base", "--target=build"]),
        (["build", "-q", "."], "folders", []),
        (["build", "-f", ""], "files", []),
        (["build", "--label", ""], "words", []),
        (["images", "--format=j"], "words", ["--format=json"]),
        (["trash", "re"], "words", ["restore"]),
        (["demo", ""], "words", ["genesis", "ignore", "stages", "broken"]),
        (["completion", ""], "words", ["bash", "zsh", "fish"]),
        (["rmi", ""], "words", []),
        (["-H", "unix:///no/such", "--engine", "docker", "rmi", ""], "words", []),
        ([], "folders", None),
    ],
)
def test_what_may_stand_next(words: list[str], kind: str, candidates: list[str] | None, run: Run, here: Path) -> None:
    found = answer(run, *words)
    assert found[0] == kind and (candidates is None or found[1] == candidates)


def test_stages_of_the_dockerfile_that_is_meant(run: Run, here: Path) -> None:
    (here / "other").mkdir()
    (here / "other" / "Dockerfile").write_text("FROM scratch AS alone\n")
    assert answer(run, "build", "other", "--target", "")[1] == ["alone"]
    assert answer(run, "build", "-f", "other/Dockerfile", "--target", "")[1] == ["alone"]


def test_images_by_name(run: Run, here: Path) -> None:
    assert run("build", "-q", "-t", "host:5000/genesis:1", "--target", "base", ".").code == 0
    assert answer(run, "rmi", "host:5000/g")[1] == ["host:5000/genesis:1"]
    assert answer(run, "save", "-o", "x.tar", "")[1] == ["host:5000/genesis:1"]


def test_a_shell_that_there_is_no_script_for(run: Run) -> None:
    done = run("completion", "tcsh")
    assert done.code == 2 and "bash, zsh, fish" in done.err


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_shell_reads_its_script(shell: str, run: Run, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        missing(f"no {shell} on this machine")
    script = tmp_path / "script"
    script.write_text(run("completion", shell).out)
    subprocess.run([shell, "-n", str(script)], check=True)


SET_UP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(workbench completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; source <(workbench completion zsh)"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("workbench che", "workbench check"),
        ("workbench build --targ", "workbench build --target "),
        ("workbench build --target te", "workbench build --target test "),
        ("workbench build --target=te", "workbench build --target=test "),
        ("workbench rmi host:5000/gen", "workbench rmi host:5000/genesis:1 "),
        ("workbench build -f Dock", "workbench build -f Dockerfile "),
    ],
)
@pytest.mark.parametrize("shell", SET_UP)
def test_a_tab_completes(shell: str, typed: str, becomes: str, run: Run, here: Path) -> None:
    if shutil.which(shell) is None:
        missing(f"no {shell} on this machine")
    assert run("build", "-q", "-t", "host:5000/genesis:1", "--target", "base", ".").code == 0
    command, set_up = SET_UP[shell]
    main, side = pty.openpty()
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PS1": "", "TERM": "dumb"}
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=env, start_new_session=True) as process:
        os.close(side)
        try:
            os.write(main, f"{set_up}; echo re''ady\n".encode())
            _wait(main, "ready")
            os.write(main, f"{typed}\t".encode())
            _wait(main, becomes)
        finally:
            process.kill()
            os.close(main)


def _wait(descriptor: int, text: str, seconds: float = 20) -> None:
    seen, end = "", time.monotonic() + seconds
    while text not in seen.replace("\r", "").replace("\a", "").replace("\b", ""):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            pytest.fail(f"did not come: {text!r} in {seen!r}")
        seen += os.read(descriptor, 4096).decode(errors="replace")


@pytest.mark.slow
def test_fish_completes(run: Run, here: Path) -> None:
    if shutil.which("fish") is None:
        missing("no fish on this machine")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def offered(line: str) -> list[str]:
        program = f"workbench completion fish | source; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", program], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [it.split("\t")[0] for it in done.stdout.splitlines()]

    assert offered("workbench chec") == ["check", "check-store"]
    assert offered("workbench build --target te") == ["test"]
    assert offered("workbench build --target=te") == ["--target=test"]
    assert offered("workbench build -f Dock") == ["Dockerfile"]
