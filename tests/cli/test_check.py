"""`workbench check`: what it prints, and what `--fix` does to the file."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Run

TEXT = "FROM scratch AS Base\r\nADD x /y\r\nCOPY a.log /\r\nCMD run --it\r\n"
FIXED = 'FROM scratch AS base\r\nADD x /y\r\nCOPY a.log /\r\nCMD ["run", "--it"]\r\n'


@pytest.fixture
def dockerfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "Dockerfile"
    path.write_bytes(TEXT.encode())
    (tmp_path / ".dockerignore").write_text("# what is written while it runs\n*.log\n")
    return path


def test_what_can_be_done_is_said(run: Run, dockerfile: Path) -> None:
    assert run("check").out.splitlines() == [
        "Dockerfile:1:17: StageNameCasing: Stage name 'Base' should be lowercase [fix: write base]",
        "Dockerfile:2:1: WBAddLocalFile: ADD also unpacks and downloads; COPY is enough here "
        "[suggestion: write COPY (an archive would not be unpacked)]",
        'Dockerfile:3:6: CopyIgnoredFile: Attempting to Copy file "a.log" that is excluded by .dockerignore '
        "[It is kept out by .dockerignore:2: *.log]",
        "Dockerfile:4:5: JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior "
        "related to OS signals [fix: use the exec form]",
    ]
    assert dockerfile.read_bytes() == TEXT.encode()


def test_fix_changes_the_file(run: Run, dockerfile: Path) -> None:
    dockerfile.chmod(0o640)
    done = run("check", "--fix")
    assert dockerfile.read_bytes() == FIXED.encode()
    assert stat.S_IMODE(dockerfile.stat().st_mode) == 0o640
    assert sorted(it.name for it in dockerfile.parent.iterdir()) == [".dockerignore", "Dockerfile"]
    assert done.code == 0
    assert done.out.splitlines()[:2] == [
        "Dockerfile:1:17: StageNameCasing: fixed: write base",
        "Dockerfile:4:5: JSONArgsRecommended: fixed: use the exec form",
    ]
    assert len(done.out.splitlines()) == 4
    inode = dockerfile.stat().st_ino
    assert "fixed:" not in run("check", "--fix").out
    assert dockerfile.stat().st_ino == inode


def test_fixes_as_json(run: Run, dockerfile: Path) -> None:
    first, added, ignored, last = map(json.loads, run("check", "--format", "json").out.splitlines())
    edit = {"line": 1, "column": 17, "end_line": 1, "end_column": 21, "text": "base"}
    assert first["fix"] == {"title": "write base", "safe": True, "edits": [edit]}
    assert (added["severity"], added["fix"]["safe"]) == ("info", False)
    assert "fix" not in ignored
    assert ignored["hint"].startswith("It is kept out by")
    assert "fixed" not in last
    found = [json.loads(line) for line in run("check", "--fix", "--format", "json").out.splitlines()]
    assert [it.get("fixed", False) for it in found] == [True, True, False, False]


def test_an_exception_in_the_ignore_file_keeps_the_rule_silent(run: Run, dockerfile: Path) -> None:
    (dockerfile.parent / ".dockerignore").write_text("*.log\n!a.log\n")
    assert "CopyIgnoredFile" not in run("check").out
    (dockerfile.parent / ".dockerignore").write_text("[\n")
    assert run("check").code == 0


def test_a_broken_file_is_not_fixed(run: Run, dockerfile: Path) -> None:
    dockerfile.write_text("FORM scratch AS B\n")
    done = run("check", "--fix")
    assert done.code == 2
    assert "unknown instruction: FORM" in done.err
    assert "Perhaps: write FROM." in done.err
    assert dockerfile.read_text() == "FORM scratch AS B\n"


def test_stdin_cannot_be_fixed(run: Run, dockerfile: Path) -> None:
    done = run("check", "--fix", "-")
    assert done.code == 2
    assert "--fix changes a file" in done.err
