"""What a person reads when a step fails: Docker's words, then what is behind them and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from workbench.build.missing import why_missing
from workbench.context.scan import Scan
from workbench.errors import InputError, WorkbenchError

MISSING = 127
KILLED = 137


class StepFailed(Exception):
    """A step that ended the build, with the words for it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def run_failed(argv: Sequence[str], code: int, output: str) -> StepFailed:
    """`output` is the end of what the command wrote."""
    return StepFailed(f"The command '{' '.join(argv)}' returned a non-zero code: {code}", _run_hint(code, output))


def _run_hint(code: int, output: str) -> str:
    if code == MISSING:
        found = re.findall(r"([^\s:/]+): (?:command )?not found", output)
        if found:
            return f'"{found[-1]}" is not in this image: install it in a RUN before this one, or take another base.'
    if code == KILLED:
        return "It was killed: often the machine had no memory left."
    if not output.strip():
        return "It wrote nothing: `set -x;` in front of it makes the shell say what it runs."
    return "What the command wrote says why."


def refuse_zero(keyword: str, words: Iterable[str]) -> None:
    """Raises StepFailed for a NUL byte, which no path, argument or environment of Linux can have."""
    for word in words:
        if "\0" in word:
            raise StepFailed(f"{keyword}: there is a NUL byte in {word[:100]!r}")


def source_missing(keyword: str, pattern: str, scan: Scan | None) -> InputError:
    """COPY or ADD of what is not sent: because it is not there, or because a rule leaves it out."""
    message = f"{keyword} failed: file not found in build context or excluded by .dockerignore: "
    message += f"stat {pattern}: file does not exist"
    if scan is None:
        return InputError(message, hint="This build has no context: give one instead of a Dockerfile alone.")
    return InputError(message, hint=why_missing(scan, pattern) or f"{pattern} leads to nothing that is sent.")


def base_missing(name: str, why: WorkbenchError | None = None) -> StepFailed:
    """FROM or COPY --from of an image that the store has not, and `why` no registry helped."""
    message = f"no image {name} in the store"
    hint = (
        "Bring it in with `workbench load -i ARCHIVE` (what `docker save` writes) or `workbench import`, or build it "
        "with -t under that name."
    )
    if why is None:
        return StepFailed(message, hint)
    return StepFailed(f"{message}, and {why}", f"{why.hint} {hint}".strip())
