"""How a command line is split and read, and how errors end."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench import __version__
from workbench.cli import main
from workbench.cli.commands import COMMANDS, find


@pytest.mark.parametrize(
    ("line", "name", "arguments"),
    [
        ("images -q", "images", ["-q"]),
        ("--engine embedded images -q", "images", ["--engine", "embedded", "-q"]),
        ("--engine=embedded -Hunix:///x images", "images", ["--engine=embedded", "-Hunix:///x"]),
        ("-H images images", "images", ["-H", "images"]),
        ("--format json images", "images", ["--format", "json"]),
        ("--help build", "build", ["--help"]),
        ("", "", []),
        ("some/folder", "", ["some/folder"]),
        ("./images", "", ["./images"]),
        ("-t images .", "", ["-t", "images", "."]),
    ],
)
def test_common_flags_may_stand_before_the_command(line: str, name: str, arguments: list[str]) -> None:
    command, rest = find(line.split())
    assert command is not None and (command.name, rest) == (name, arguments)


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_has_help_with_examples(name: str, run: Run) -> None:
    done = run(name, "--help")
    assert done.code == 0 and done.out.startswith(f"usage: workbench {name} ") and "examples:" in done.out
    assert done.err == ""


@pytest.mark.parametrize("name", ["", *(command.name for command in COMMANDS)])
def test_help_fits_80_columns(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(*name.split(), "--help").out.splitlines()
    assert lines and [line for line in lines if len(line) > 80] == []


def test_help_lists_every_command(run: Run) -> None:
    done = run("--help")
    assert done.code == 0 and all(f"  {command.name} " in done.out for command in COMMANDS)


def test_version(run: Run) -> None:
    assert run("--version").out == f"workbench {__version__}\n"
    assert run("images", "--version").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["images", "--dangling"], "unknown option --dangling"),
        (["build", "--no-cach", "."], "Did you mean --no-cache?"),
        (["build"], "PATH | URL | -"),
        (["build", ".", "there"], "one argument too many: 'there'"),
        (["images", "--format", "xml"], "invalid choice: 'xml'"),
        (["--engine", "podman", "images"], "no engine is called 'podman'"),
        (["build", "-m", "much", "."], "--memory takes a size, not 'much'"),
        (["build", "--cpu-shares", "x", "."], "--cpu-shares takes a whole number"),
        (["build", "--ulimit", "nofile", "."], "--ulimit takes name=soft[:hard]"),
        (["build", "--ulimit", "nofile=9:3", "."], "above the hard limit"),
        (["build", "--add-host", "name", "."], "--add-host takes name:address"),
        (["build", "--rm=perhaps", "."], "--rm takes true or false"),
        (["build", "-t", "NotAName", "."], "'NotAName' is not an image name"),
        (["build", "--build-arg", "=x", "."], "--build-arg takes NAME[=VALUE]"),
        (["imges"], "Did you mean `workbench images`?"),
        (["--docker-context", "nowhere", "images"], "there is no Docker context called 'nowhere'"),
        (["save", "-o", "/no/such/folder/x.tar", "a"], "there is no folder /no/such/folder"),
    ],
)
def test_bad_usage_is_exit_code_2_and_says_what(words: list[str], said: str, run: Run, tmp_path: Path) -> None:
    done = run(*words)
    assert done.code == 2 and said in done.err and done.out == ""
    assert done.err.startswith("workbench: ") and "Traceback" not in done.err


def test_an_engine_that_is_not_there_is_exit_code_3(run: Run) -> None:
    done = run("--engine", "docker", "-H", "unix:///no/such/socket", "images")
    assert done.code == 3 and "no Docker Engine answers at unix:///no/such/socket: no such file" in done.err
    assert "--engine embedded" in done.err


def test_buildkit_is_an_engine_of_a_docker_engine(run: Run) -> None:
    done = run("images", "--engine", "buildkit", "-H", "unix:///no/such/socket")
    assert done.code == 3 and "no Docker Engine answers at unix:///no/such/socket" in done.err


def test_without_a_terminal_the_screen_is_refused(run: Run, context: Path, replay: object) -> None:
    done = run(str(context))
    assert done.code == 2 and "needs a terminal" in done.err and "workbench build" in done.err


def test_what_nobody_foresaw_is_one_line_and_a_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import workbench.cli.engines as command

    def broken(*unused: object) -> int:
        raise RuntimeError("a \x1b[2Jmistake")

    monkeypatch.setattr(command, "run", broken)
    done = run("engines")
    assert done.code == 1 and "workbench: internal error: RuntimeError: a mistake\n" in done.err
    assert "Traceback" not in done.err
    path = Path(done.err.rstrip().rpartition(" ")[2])
    assert "RuntimeError" in path.read_text() and path.stat().st_mode & 0o077 == 0


def test_an_installation_that_lacks_a_module_is_said_to(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where it is the one that says where the state folder is."""
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = run("images")
    assert done.code == 1 and "internal error: ModuleNotFoundError: " in done.err
    assert "the installation is not whole: install workbench again; the traceback is in " in done.err
    path = Path(done.err.rstrip().rpartition(" ")[2])
    assert path.parent == tmp_path and "platformdirs" in path.read_text()


def test_without_a_home_it_says_what_to_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "WORKBENCH_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def nobody(uid: int) -> object:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", nobody)
    done = run("images")
    assert done.code == 2 and done.err == (
        "workbench: HOME is not set, and this user is no account that has a home\n  Set HOME to a folder of yours.\n"
    )


def test_main_takes_what_it_is_given_and_not_sys_argv(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr("sys.argv", ["workbench", "--nonsense"])
    assert main(["--version"]) == 0
