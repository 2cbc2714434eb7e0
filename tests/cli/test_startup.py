"""What a command imports: only what it needs. `workbench images` never pays for a screen or for Docker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FORBIDDEN = (
    "textual",
    "rich",
    "docker",
    "requests",
    "urllib3",
    "watchfiles",
    "workbench.tui",
    "grpclib",
    "h2",
    "google",
)

_PROGRAM = """
import sys
from workbench.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
print("\\n".join(["MODULES", *sys.modules]), file=sys.stderr)
raise SystemExit(code)
"""


def modules_after(*words: str, code: int = 0) -> set[str]:
    """The names in `sys.modules` when the command has ended."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return set(done.stderr.rpartition("MODULES\n")[2].split())


def forbidden(loaded: set[str]) -> set[str]:
    return {name for name in loaded if name in FORBIDDEN or name.startswith(tuple(f"{it}." for it in FORBIDDEN))}


@pytest.mark.parametrize(
    "words",
    [
        ["images"],
        ["images", "--format", "json"],
        ["prune", "--force"],
        ["context", "."],
        ["check", "-f", "Dockerfile", "."],
        ["engines", "--engine", "embedded"],
        ["demo", "--list"],
        ["--help"],
        ["build", "--help"],
        ["build", "-q", "."],
    ],
)
def test_no_command_imports_a_screen_or_docker(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("WORKBENCH_ENGINE", "embedded")
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/socket")
    assert forbidden(modules_after(*words)) == set()


def test_auto_without_a_docker_engine_never_imports_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path / "store"))
    assert forbidden(modules_after("-H", f"unix://{tmp_path}/docker.sock", "images")) == set()


@pytest.mark.parametrize("words", [["--version"], ["images", "--help"]])
def test_help_and_version_load_no_engine_and_no_loop(words: list[str]) -> None:
    loaded = modules_after(*words)
    assert not {"asyncio", "tarfile", "tempfile", "platformdirs.unix"} & loaded
    assert not any(name.startswith("workbench.engines.embedded") for name in loaded)
