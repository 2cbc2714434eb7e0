"""What the rules share: where the pieces of an instruction stand, and words with the file's own defaults filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import Edit
from workbench.dockerfile.instructions import Copy, From, Instruction, Run
from workbench.dockerfile.lexical import SPACES
from workbench.dockerfile.nodes import Node, Range
from workbench.dockerfile.stages import base_stage, global_environment, source_stage
from workbench.dockerfile.words import Environment, WordError, Words, process
from workbench.errors import DockerfileError

PLATFORM_VARIABLES = (
    *(side + part for side in ("BUILD", "TARGET") for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")),
    "TARGETSTAGE",
)
"""What FROM may use without an ARG."""


def froms(dockerfile: Dockerfile) -> Iterator[From]:
    return (stage.base for stage in dockerfile.stages)


def last(it: Instruction, word: str) -> Range:
    """The last place of a word in an instruction."""
    start = it.original.rfind(word)
    return it.node.span(start, start + len(word))


def behind_flags(node: Node) -> int:
    """The offset in `original` of what comes behind keyword and flags."""
    offset = node.original.find(node.keyword) + len(node.keyword)
    for flag in node.flags:
        found = node.original.find(flag, offset)
        offset = found + len(flag) if found >= 0 else offset
    while offset < len(node.original) and node.original[offset] in SPACES:
        offset += 1
    return offset


def argument(node: Node, piece: str) -> Range:
    """The place of an argument; the keyword where quotes or escapes hide it."""
    return node.find(piece, behind_flags(node))


def flag_with_space(node: Node, flag: str) -> Range:
    """The place of a flag and of the white space behind it, to take both away; the flag's keyword if it is hidden."""
    start = node.original.find(flag, len(node.keyword))
    if start < 0:
        return node.keyword_range
    end = start + len(flag)
    while end < len(node.original) and node.original[end] in SPACES:
        end += 1
    line, column = node.position(start)
    end_line, end_column = node.position(end) if end < len(node.original) else node.span(start, end)[2:]
    return Range(line, column, end_line, end_column)


def end_of(node: Node) -> tuple[int, int]:
    """Line and column behind the last character that is not white space, heredocs not counted."""
    place = node.span(0, len(node.original.rstrip(SPACES)))
    return place.end_line, place.end_column


def whole_lines(dockerfile: Dockerfile, it: Instruction) -> Range:
    """The lines of an instruction with the end of the last one, to take them away."""
    lines = dockerfile.text.count("\n") + 1
    if it.end_line < lines:
        return Range(it.line, 1, it.end_line + 1, 1)
    return Range(it.line, 1, it.range.end_line, it.range.end_column)


def uncommented(dockerfile: Dockerfile, node: Node) -> bool:
    """Whether no comment or empty line stands between the lines of an instruction, where replacing would lose it."""
    return node.end_line - node.line + 1 == len(node.segments) and not node.heredocs


def defaults(dockerfile: Dockerfile, predefined: Mapping[str, str] | None = None) -> dict[str, str]:
    """The ARGs before the first FROM that have a default, and `predefined`, which these may use."""
    try:
        return global_environment(dockerfile, {}, predefined)
    except DockerfileError:
        return {}


def words(text: str, env: Environment, escape: str) -> Words | None:
    try:
        return process(text, env, escape)
    except WordError:
        return None


def free_name(dockerfile: Dockerfile, name: str) -> str:
    """A stage name that is not in use, made of `name` and a number."""
    used = {stage.name for stage in dockerfile.stages}
    return next(it for number in range(1, len(used) + 2) if (it := f"{name}-{number}") not in used)


def rename_stage(dockerfile: Dockerfile, index: int, name: str) -> tuple[Edit, ...]:
    """The edits that give stage `index`, which has a name, another one, wherever the file speaks of it by name."""
    stage = dockerfile.stages[index]
    edits = [Edit(last(stage.base, stage.base.node.args[2]), name)]
    for later in dockerfile.stages[index + 1 :]:
        base = base_stage(dockerfile, later.index, later.base.image)
        if base is not None and base.index == index:
            edits.append(Edit(argument(later.base.node, later.base.image), name))
        for it in later.instructions:
            for text in _sources(it):
                source = source_stage(dockerfile, later.index, text)
                if source is not None and source.index == index and text.lower() == stage.name:
                    spoken = re.finditer(rf"(?<=from={re.escape(text)})(?=[,\s]|$)", it.original)
                    edits += [Edit(it.node.span(end.start() - len(text), end.start()), name) for end in spoken]
    return tuple(edits)


def _sources(it: Instruction) -> tuple[str, ...]:
    if isinstance(it, Copy) and it.from_:
        return (it.from_,)
    return tuple({mount.from_: None for mount in it.mounts if mount.from_}) if isinstance(it, Run) else ()
