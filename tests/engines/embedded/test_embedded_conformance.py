"""The open cases of buildah's conformance suite: the embedded engine's images against those of Docker 20.10."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FLOOR = 73
"""Cases that must pass as root."""
WITHOUT_ROOT = 69
"""Three contexts have an ignore file that its owner may not read; one image has a file that RUN gave to another."""


@pytest.fixture(scope="module")
def runner(conformance: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_buildah", conformance / "run_buildah.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("sandbox")
def test_buildah_cases(
    runner: ModuleType,
    conformance: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
        print(f"\nbuildah conformance: {len(cases) - len(failed)} of {len(cases)} as Docker makes them")
        for index, (name, status, detail) in failed.items():
            print(f"  {index:03d} {name}: {status} {detail[:300]}")
    assert len(cases) - len(failed) >= (FLOOR if os.geteuid() == 0 else WITHOUT_ROOT)
