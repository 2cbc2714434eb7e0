"""Diagnostics of a Dockerfile: `file:line:column: code: message`, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.build.text import one_line
from workbench.dockerfile.lint import Diagnostic


def diagnostic_lines(diagnostics: Iterable[Diagnostic], path: str) -> str:
    """The form that editors and `grep -n` users know."""
    return "".join(
        f"{one_line(path)}:{it.range.start_line}:{it.range.start_column}: {it.code}: {one_line(it.message)}\n"
        for it in diagnostics
    )


def diagnostic_json(diagnostic: Diagnostic, path: str) -> dict[str, Any]:
    """A diagnostic as scripts read it; lines and columns count from 1, the end column is not included."""
    place = diagnostic.range
    return {
        "file": path,
        "line": place.start_line,
        "column": place.start_column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
    }
