"""Diagnostics of a Dockerfile: `file:line:column: code: message`, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.build.text import one_line
from workbench.dockerfile.fix import Fix
from workbench.dockerfile.lint import Diagnostic
from workbench.dockerfile.nodes import Range


def diagnostic_lines(diagnostics: Iterable[Diagnostic], path: str) -> str:
    """The form that editors and `grep -n` users know. What can be done about it stands behind the message."""
    return "".join(f"{_start(it, path)}{one_line(it.message)}{_remedy(it)}\n" for it in diagnostics)


def fixed_lines(diagnostics: Iterable[Diagnostic], path: str) -> str:
    """What was done about each, at the place where it stood before."""
    return "".join(f"{_start(it, path)}fixed: {one_line(it.fix.title)}\n" for it in diagnostics if it.fix is not None)


def _start(diagnostic: Diagnostic, path: str) -> str:
    place = diagnostic.range
    return f"{one_line(path)}:{place.start_line}:{place.start_column}: {diagnostic.code}: "


def _remedy(diagnostic: Diagnostic) -> str:
    if diagnostic.fix is not None:
        kind = "fix" if diagnostic.fix.safe else "suggestion"
        return f" [{kind}: {one_line(diagnostic.fix.title)}]"
    return f" [{one_line(diagnostic.hint)}]" if diagnostic.hint else ""


def diagnostic_json(diagnostic: Diagnostic, path: str, *, fixed: bool = False) -> dict[str, Any]:
    """A diagnostic as scripts read it; lines and columns count from 1, the end column is not included. `fix` is there
    where one is known, `fixed` where it was applied: the places are then those before."""
    found: dict[str, Any] = {
        "file": path,
        **_place(diagnostic.range),
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
    }
    if diagnostic.hint:
        found["hint"] = diagnostic.hint
    if diagnostic.fix is not None:
        found["fix"] = _fix_json(diagnostic.fix)
    if fixed:
        found["fixed"] = True
    return found


def _fix_json(fix: Fix) -> dict[str, Any]:
    edits = [{**_place(edit.range), "text": edit.text} for edit in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def _place(place: Range) -> dict[str, int]:
    return {
        "line": place.start_line,
        "column": place.start_column,
        "end_line": place.end_line,
        "end_column": place.end_column,
    }
