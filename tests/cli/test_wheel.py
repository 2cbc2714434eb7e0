"""The wheel and the sdist carry what the workbench needs, and a wheel in an empty environment works."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from workbench import __version__
from workbench.cli.samples import SUMMARIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel that was built from the sdist, and the sdist."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(out), str(REPOSITORY)], check=True, capture_output=True
    )
    return out


def test_both_carry_the_samples_and_the_style_sheets(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        source = {name.partition("/")[2] for name in sdist.getnames()}
    for name in SUMMARIES:
        assert f"workbench/_samples/{name}/Dockerfile" in names and f"sample_contexts/{name}/Dockerfile" in source
    assert "workbench/_samples/ignore/.dockerignore" in names
    assert not [name for name in names | source if name.endswith("busybox.tar.xz")]
    sheets = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "workbench").rglob("*.tcss")}
    assert sheets <= names and sheets <= source
    samples = {str(path.relative_to(REPOSITORY / "sample_contexts")) for path in _committed("sample_contexts")}
    assert samples <= {name.removeprefix("workbench/_samples/") for name in names}


def _committed(folder: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode != 0:
        return [path for path in (REPOSITORY / folder).rglob("*") if path.is_file() and path.name != "busybox.tar.xz"]
    return [REPOSITORY / name for name in listed.stdout.split("\0") if name]


def test_a_wheel_in_an_empty_environment_works(built: Path, tmp_path: Path, static_busybox: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([venv / "bin/pip", "install", "-q", next(built.glob("*.whl"))], check=True, capture_output=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def workbench(*words: str) -> str:
        done = subprocess.run(
            [venv / "bin/workbench", "--engine", "embedded", "--root", str(tmp_path / "store"), *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert workbench("--version") == f"workbench {__version__}\n"
    assert workbench("demo", "genesis", "--no-open") == "workbench-genesis\n"
    assert "Successfully tagged genesis:latest" in workbench("build", "-t", "genesis", "workbench-genesis")
    assert workbench("images", "genesis").splitlines()[1].startswith("genesis      latest    ")
    subprocess.run([venv / "bin/python", "-c", "import workbench.tui.app"], cwd=tmp_path, env=environment, check=True)
