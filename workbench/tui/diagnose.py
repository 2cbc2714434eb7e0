"""What is to be said of a Dockerfile while it is typed: the parser's refusal, or the findings of the checks."""

from __future__ import annotations

from workbench.dockerfile import DockerfileError, Range, parse
from workbench.dockerfile.lint import Diagnostic, check


def diagnose(text: str) -> list[Diagnostic]:
    """Never raises for a broken Dockerfile: its error is the one diagnostic. An empty text has none."""
    if not text.strip():
        return []
    try:
        return check(parse(text))
    except DockerfileError as error:
        lines = text.split("\n")
        line = min(max(error.line, 1), len(lines))
        end = max(len(lines[line - 1].rstrip()) + 1, error.column + 1)
        message = f"{error.message} ({error.hint})" if error.hint else error.message
        return [Diagnostic(Range(line, error.column, line, end), "ParseError", message, "error")]
