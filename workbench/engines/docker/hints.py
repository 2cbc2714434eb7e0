"""What to do about a step that the engine says failed. Told by the instruction and by what was sent, not by the
engine's words."""

from __future__ import annotations

from workbench.build.missing import why_missing
from workbench.context.scan import Scan
from workbench.dockerfile import Dockerfile, Instruction
from workbench.dockerfile.instructions import Add, Copy
from workbench.errors import DockerfileError

_WILD = "*?[\\$"
_CODES = {
    127: "The command was not found: is it in the image, and on its PATH?",
    126: "The command is there and cannot be executed: see its permissions and its format.",
    137: "The command was killed: perhaps it ran out of memory.",
}


def failure_hint(keyword: str, code: int | None) -> str:
    """About a step with that keyword, and the exit code where a command ran."""
    if code is not None:
        return _CODES.get(code, "The log of the step says why.")
    if keyword == "FROM":
        return (
            "Is the name right, and is the base image on the engine (`workbench images`) or to be had from a registry?"
        )
    return ""


def source_hint(instruction: Instruction | None, scan: Scan | None) -> str:
    """About a COPY or ADD from the context: which source is not sent, and why. "" where all of them are."""
    if scan is None:
        return ""
    for source in _sources(instruction):
        if any(sign in source for sign in _WILD):
            continue
        if source.startswith("../"):
            return "Only what lies in the context can be copied. Choose a folder above it as the context."
        if reason := why_missing(scan, source):
            return reason
    return ""


def refuse_pipes(dockerfile: Dockerfile, scan: Scan, shown: str) -> None:
    """Raises DockerfileError for a COPY that names a FIFO: a Docker Engine opens it, and waits for ever."""
    for stage in dockerfile.stages:
        for it in stage.instructions:
            for source in _sources(it):
                entry = scan.get(source.strip("/").removeprefix("./"))
                if entry is not None and entry.sent and entry.kind == "fifo":
                    raise DockerfileError(
                        it.line, it.range.start_column, f"{source} is a FIFO: the engine would wait for its content",
                        path=shown, hint="Copy the folder that it lies in, or leave it out.",
                    )  # fmt: skip


def _sources(instruction: Instruction | None) -> tuple[str, ...]:
    """The paths of the context that it names, as they are written."""
    if not isinstance(instruction, Copy | Add) or (isinstance(instruction, Copy) and instruction.from_):
        return ()
    return tuple(source for source in instruction.sources if "://" not in source and not source.startswith("<<"))
