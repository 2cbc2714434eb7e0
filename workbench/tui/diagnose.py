"""What is to be said of an open file while it is typed: the parser's refusal, or the findings of the checks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from workbench.build.engine_limits import engine_limits
from workbench.build.hadolint import find_hadolint, hadolint, without_doubles
from workbench.build.ignore_check import check_ignore
from workbench.build.surroundings import context_surroundings
from workbench.context.ignore import IgnoreRules
from workbench.context.scan import Cancelled, scan
from workbench.dockerfile import DockerfileError, parse
from workbench.dockerfile.lint import Diagnostic, check
from workbench.dockerfile.mend import refusal
from workbench.errors import InputError

_HADOLINT_AFTER = 0.4
_SCAN_SECONDS = 2.0


async def findings(
    text: str, language: str, path: Path, context: Path | None, engine: str
) -> AsyncIterator[list[Diagnostic]]:
    """What is to be said of an open file: ours at once, then with hadolint's, where that is installed. Not going on
    with it ends hadolint."""
    if language == "ignore":
        yield await asyncio.to_thread(diagnose_ignore, text, context)
    if language != "dockerfile":
        return
    found = await asyncio.to_thread(diagnose, text, context=context, dockerfile=path, engine=engine)
    yield found
    program = await asyncio.to_thread(find_hadolint)
    if program is not None and text.strip():
        await asyncio.sleep(_HADOLINT_AFTER)
        yield without_doubles(found, await hadolint(program, text, context))


def diagnose(
    text: str, *, context: Path | None = None, dockerfile: str | Path = "Dockerfile", engine: str = ""
) -> list[Diagnostic]:
    """Never raises for a broken Dockerfile: its error is the one diagnostic. An empty text has none. Blocks for the
    moment that it takes to read the context's ignore file."""
    if not text.strip():
        return []
    try:
        read = parse(text)
    except DockerfileError as error:
        return [refusal(text, error)]
    return check(read, surroundings=context_surroundings(context, dockerfile)) + engine_limits(read, engine)


def diagnose_ignore(text: str, context: Path | None) -> list[Diagnostic]:
    """Of an ignore file. Blocks while it reads the folders of the context."""
    return check_ignore(text, lambda: _paths(context) if context is not None else None)


def _paths(context: Path) -> Sequence[str] | None:
    """All paths of the context; None for one that is too large to be read while somebody types."""
    end = time.monotonic() + _SCAN_SECONDS
    try:
        found = scan(context, IgnoreRules(), cancel=lambda: time.monotonic() > end)
    except (Cancelled, InputError):
        return None
    return [entry.path for entry in found.entries]
