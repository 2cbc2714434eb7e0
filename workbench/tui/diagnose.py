"""What is to be said of a Dockerfile while it is typed: the parser's refusal, or the findings of the checks."""

from __future__ import annotations

from pathlib import Path

from workbench.build.surroundings import context_surroundings
from workbench.dockerfile import DockerfileError, parse
from workbench.dockerfile.lint import Diagnostic, check
from workbench.dockerfile.mend import refusal


def diagnose(text: str, *, context: Path | None = None, dockerfile: str | Path = "Dockerfile") -> list[Diagnostic]:
    """Never raises for a broken Dockerfile: its error is the one diagnostic. An empty text has none. Blocks for the
    moment that it takes to read the context's ignore file."""
    if not text.strip():
        return []
    try:
        return check(parse(text), surroundings=context_surroundings(context, dockerfile))
    except DockerfileError as error:
        return [refusal(text, error)]
