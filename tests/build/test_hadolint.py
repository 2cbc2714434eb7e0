"""hadolint as a guest: its findings read, cleaned, and dropped where ours say the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from workbench.build.hadolint import find_hadolint, hadolint, parse_hadolint, without_doubles
from workbench.dockerfile import parse
from workbench.dockerfile.lint import check

TEXT = "FROM debian\nWORKDIR x\nRUN apt-get install -y curl\n"


def row(**changed: object) -> dict[str, object]:
    return {"line": 3, "column": 1, "code": "DL3008", "message": "Pin\x1b[2J versions", "level": "warning"} | changed


def program(tmp_path: Path, script: str) -> str:
    path = tmp_path / "hadolint"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_findings_are_read_and_cleaned() -> None:
    (one,) = parse_hadolint(json.dumps([row()]).encode(), TEXT)
    assert (one.code, one.message, one.severity) == ("DL3008", "Pin\\x1b[2J versions", "warning")
    assert one.range == (3, 1, 3, len("RUN apt-get install -y curl") + 1)


@pytest.mark.parametrize(
    "output",
    [b"", b"{}", b"[1]", *(json.dumps([row(**it)]).encode() for it in ({"line": 9}, {"code": 1}, {"line": "1"}))],
)
def test_what_is_not_understood_counts_for_nothing(output: bytes) -> None:
    assert parse_hadolint(output, TEXT) == []


def test_what_ours_say_is_said_once() -> None:
    ours = check(parse(TEXT))
    theirs = parse_hadolint(json.dumps([row(line=2, code="DL3000"), row()]).encode(), TEXT)
    codes = [it.code for it in without_doubles(ours, theirs)]
    assert "WorkdirRelativePath" in codes and "DL3000" not in codes and "DL3008" in codes


async def test_it_is_run_with_the_text_and_a_failing_one_says_nothing(tmp_path: Path) -> None:
    found = json.dumps([row()]).replace("\\u001b", "")
    run = program(tmp_path, f"test \"$(cat)\" = \"$(printf '{TEXT}')\" && echo '{found}'")
    assert [it.code for it in await hadolint(run, TEXT, tmp_path)] == ["DL3008"]
    assert await hadolint(program(tmp_path, "exit 3"), TEXT) == []
    assert await hadolint(str(tmp_path / "none"), TEXT) == []


async def test_cancelling_ends_it(tmp_path: Path) -> None:
    run = program(tmp_path, f"echo $$ > {tmp_path}/pid\nexec sleep 60")
    task = asyncio.create_task(hadolint(run, TEXT))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_it_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = program(tmp_path, "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_hadolint() == run
