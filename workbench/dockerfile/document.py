"""A whole Dockerfile, read: text to nodes, instructions and stages in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from workbench.dataclass import dataclass
from workbench.dockerfile.instructions import Arg, From, Instruction
from workbench.dockerfile.nodes import Node
from workbench.dockerfile.parser import parse_tree
from workbench.dockerfile.stages import Stage, split_stages
from workbench.dockerfile.typed import build_instruction
from workbench.errors import DockerfileError

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """What a Dockerfile says. Everything is in the order of the source."""

    text: str = field(repr=False)
    path: str
    nodes: tuple[Node, ...] = field(repr=False)
    instructions: tuple[Instruction, ...] = field(repr=False)
    global_args: tuple[Arg, ...]
    """ARG before the first FROM."""
    stages: tuple[Stage, ...]
    escape: str
    directives: Mapping[str, str]
    empty_continuations: tuple[tuple[Node, int], ...] = field(default=(), repr=False)
    """Nodes that go on over an empty line, and the last line that was read for them."""

    @property
    def syntax(self) -> str:
        """The frontend that `# syntax=` asks for, "" without one."""
        return self.directives.get("syntax", "").partition(" ")[0]

    def at(self, line: int) -> Instruction | None:
        """The instruction that stands on this line."""
        return next((it for it in self.instructions if it.line <= line <= it.end_line), None)

    def __iter__(self) -> Iterator[Instruction]:
        return iter(self.instructions)


def parse(text: str, *, path: str = "") -> Dockerfile:
    """Reads a Dockerfile. Raises DockerfileError with line and column; `path` is only for that message.

    The rules are those of BuildKit's Dockerfile frontend. Two differences: the trigger of an ONBUILD is checked here
    and not only where the image is used, and text that is not Unicode is refused.
    """
    _refuse_surrogates(text, path)
    tree = parse_tree(text, path=path)
    instructions: list[Instruction] = []
    begun = False
    for node in tree.nodes:
        instruction = build_instruction(node, path=path)
        begun = begun or isinstance(instruction, From)
        if not begun and not isinstance(instruction, Arg):
            place = node.keyword_range
            raise DockerfileError(
                place.start_line,
                place.start_column,
                f"no build stage in current context: {instruction.keyword} stands before the first FROM",
                path=path,
                hint="Only ARG may stand before FROM.",
            )
        instructions.append(instruction)
    if not begun:
        last = instructions[-1]
        raise DockerfileError(last.line, 1, "dockerfile contains no stages to build: there is no FROM", path=path)
    global_args, stages = split_stages(instructions)
    return Dockerfile(
        text=text,
        path=path,
        nodes=tree.nodes,
        instructions=tuple(instructions),
        global_args=global_args,
        stages=stages,
        escape=tree.escape,
        directives=tree.directives,
        empty_continuations=tree.empty_continuations,
    )


def parse_trigger(text: str) -> tuple[Instruction, ...]:
    """The instructions of an ONBUILD trigger, as an image's configuration keeps it. Raises DockerfileError."""
    return tuple(build_instruction(node) for node in parse_tree(text).nodes)


def decode(data: bytes, *, path: str = "") -> str:
    """The text of a Dockerfile's bytes: UTF-8. Raises DockerfileError at the first byte that is not."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        wide = data.startswith(_UTF16)
        message = "the file is UTF-16" if wide else f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise DockerfileError(line, column, message, path=path, hint="Save the file as UTF-8.") from error


def _refuse_surrogates(text: str, path: str) -> None:
    """Bytes that were not UTF-8 and travelled as surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        before = text[: error.start]
        column = error.start - (before.rfind("\n") + 1) + 1
        raise DockerfileError(
            before.count("\n") + 1, column, "the text is not UTF-8", path=path, hint="Save the file as UTF-8."
        ) from error
