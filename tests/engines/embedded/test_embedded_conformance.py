"""The open cases of buildah's conformance suite: the embedded engine's images against those of Docker 20.10."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import missing
from workbench.engines.embedded.subids import find_range

FLOOR = 73
"""Cases that must pass as root."""
WITHOUT_ROOT = 69
"""Three contexts have an ignore file that its owner may not read; one image has a file that RUN gave to another."""
WITH_RANGE = 73
"""Without root, with a range of sub-UIDs."""


@pytest.fixture(scope="module")
def runner(conformance: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_buildah", conformance / "run_buildah.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def require_range() -> None:
    """Skips where this user has no sub-UIDs."""
    account = pwd.getpwuid(os.getuid())
    if shutil.which("newuidmap") is None or not find_range(Path("/etc/subuid"), account.pw_name, account.pw_uid):
        missing("no range of sub-UIDs: install uidmap, and give this user one in /etc/subuid and /etc/subgid")


def without_tools(folder: Path, *names: str) -> str:
    """A PATH on which everything is but these."""
    for place in os.environ["PATH"].split(":"):
        for tool in Path(place).iterdir() if os.access(place, os.R_OK | os.X_OK) else ():
            if tool.name not in names and not (folder / tool.name).exists():
                (folder / tool.name).symlink_to(tool)
    return str(folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("ids", ["root", "one user", "a range of users"])
def test_buildah_cases(
    ids: str,
    runner: ModuleType,
    conformance: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if (os.geteuid() == 0) != (ids == "root"):
        pytest.skip("for root alone" if ids == "root" else "for an ordinary user")
    if ids == "one user":
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv("PATH", without_tools(tmp_path / "bin", "newuidmap"))
    elif ids != "root":
        require_range()
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("WORKBENCH_ENGINE", "embedded")
    command = [sys.executable, "-m", "workbench"]
    for archive, name in (("busybox.tar", "busybox"), ("alpine-standin.tar", "alpine")):
        subprocess.run([*command, "load", "-q", "-i", conformance / "bases" / archive], check=True, capture_output=True)
        subprocess.run([*command, "tag", name, f"mirror.gcr.io/{name}"], check=True)
    workbench = shlex.join(command)
    line = f"{workbench} build -q -f {{dockerfile}} -t {{tag}} {{buildargs}} {{context}}"
    line += f" && {workbench} save -o {{out}} {{tag}}"
    cases = json.loads((conformance / "buildah" / "cases.json").read_text())["cases"]
    results = {case["index"]: (case["name"], *runner.run_case(case, line, 60)) for case in cases}
    failed = {index: result for index, result in results.items() if result[1] != "ok"}
    with capsys.disabled():
        print(f"\nbuildah conformance, {ids}: {len(cases) - len(failed)} of {len(cases)} as Docker makes them")
        for index, (name, status, detail) in failed.items():
            print(f"  {index:03d} {name}: {status} {detail[:300]}")
    floors = {"root": FLOOR, "one user": WITHOUT_ROOT, "a range of users": WITH_RANGE}
    assert len(cases) - len(failed) >= floors[ids]
