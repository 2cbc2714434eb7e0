"""BuildKit's rules about how instructions are written: casing, empty lines, old forms, comments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import Edit, Fix, replacing
from workbench.dockerfile.instructions import Arg, Env, From, Label, Maintainer
from workbench.dockerfile.lexical import trim
from workbench.dockerfile.lint import Finding
from workbench.dockerfile.nodes import Node, Range


def empty_continuation(dockerfile: Dockerfile) -> Iterator[Finding]:
    lines = dockerfile.text.split("\n")
    for node, line in dockerfile.empty_continuations:
        width = len(lines[line - 1].rstrip("\r"))
        fix = _without_empty(lines, node, line)
        yield Finding(node, Range(line, 1, line, width + 1), "Empty continuation line", fix)


def _without_empty(lines: list[str], node: Node, end: int) -> Fix:
    edits: list[Edit] = []
    for number in range(node.line + 1, end + 1):
        if not trim(lines[number - 1]):
            below = Range(number, 1, number + 1, 1)
            at_end = Range(number, 1, number, len(lines[number - 1]) + 1)
            edits.append(Edit(below if number < len(lines) else at_end, ""))
    return Fix("take the empty lines away", tuple(edits))


def instruction_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    staged = [it for stage in dockerfile.stages for it in (stage.base, *stage.instructions)]
    lower = sum(it.node.keyword.islower() for it in staged) > sum(it.node.keyword.isupper() for it in staged)
    for it in staged:
        written = it.node.keyword
        wanted = written.lower() if lower else written.upper()
        if written != wanted:
            case = "lowercase" if lower else "uppercase"
            place = it.node.keyword_range
            message = f"Command '{written}' should match the case of the command majority ({case})"
            yield Finding(it.node, place, message, replacing(f"write {wanted}", place, wanted))


def maintainer(dockerfile: Dockerfile) -> Iterator[Finding]:
    for it in dockerfile.instructions:
        if isinstance(it, Maintainer):
            mark = dockerfile.escape
            name = it.name.replace(mark, mark * 2).replace('"', f'{mark}"').replace("$", f"{mark}$")
            label = "LABEL" if it.node.keyword.isupper() else "label"
            fix = replacing(
                "say it in a label (the image's author is then empty)",
                it.range,
                f'{label} org.opencontainers.image.authors="{name}"',
            )
            message = "Maintainer instruction is deprecated in favor of using label"
            yield Finding(it.node, it.range, message, fix if it.line == it.end_line else None)


def legacy_pairs(dockerfile: Dockerfile) -> Iterator[Finding]:
    for it in dockerfile.instructions:
        if isinstance(it, Env | Label) and it.legacy:
            key, value = it.pairs[0]
            fix = None
            if it.line == it.end_line and not re.search(r"[\"'`\\]", value):
                quoted = f'"{value}"' if re.search(r"\s", value) else value
                fix = replacing(f"write {key}=", it.range, f"{it.node.keyword} {key}={quoted}")
            message = f'"{it.keyword} key=value" should be used instead of legacy "{it.keyword} key value" format'
            yield Finding(it.node, it.range, message, fix)


def definition(dockerfile: Dockerfile) -> Iterator[Finding]:
    lines = dockerfile.text.split("\n")
    for it in dockerfile.instructions:
        names: list[str] = []
        if isinstance(it, From) and it.name:
            names = [it.name]
        elif isinstance(it, Arg):
            names = [name for name, _ in it.pairs]
        # The documentation of the rule has an empty line between as the way to say that it is no description.
        above = lines[it.line - 2].strip() if it.line > 1 else ""
        if names and above and it.node.comments and it.node.comments[-1].split(" ")[0] not in names:
            shown = names[0] if len(names) == 1 else "<arg_key>"
            message = f"Comment for {it.keyword} should follow the format: `# {shown} <description>`"
            start = Range(it.line, 1, it.line, 1)
            fix = replacing("put an empty line between (the comment is then no description)", start, "\n")
            yield Finding(it.node, it.node.keyword_range, message, fix)
