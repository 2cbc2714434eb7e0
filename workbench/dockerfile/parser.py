"""Lines to nodes: directives, comments, continuations and heredocs, the same tree as BuildKit's parser builds.

The rules are those of moby/buildkit `frontend/dockerfile/parser`. One difference is meant: flags with characters
beyond ASCII are read as text, where BuildKit takes them byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from workbench.dockerfile.arguments import ArgumentError, Arguments, parse_arguments, split_command
from workbench.dockerfile.directives import DirectiveError, Directives
from workbench.dockerfile.heredocs import Opening, openings
from workbench.dockerfile.lexical import SPACES, trim
from workbench.dockerfile.nodes import Heredoc, Node, Range, Segment
from workbench.dockerfile.words import WordError
from workbench.errors import DockerfileError

LONGEST_LINE = 65535
"""Bytes of one line, its end not counted: BuildKit's limit."""

_BOM = "\ufeff"
_DEEPEST = 20
_WITH_HEREDOCS = ("add", "copy", "run")


class Tree(NamedTuple):
    """What the text says line by line, not yet what it means."""

    nodes: tuple[Node, ...]
    escape: str
    directives: Mapping[str, str]
    empty_continuations: tuple[tuple[Node, int], ...]
    """Nodes that go on over an empty line, and the last line that was read for them."""


def parse_tree(text: str, *, path: str = "") -> Tree:
    """Raises DockerfileError: no instructions, a line too long, an open heredoc, arguments in the wrong form."""
    return _Parser(text, path).run()


class _Parser:
    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.lines = text.split("\n")
        if not self.lines[-1]:
            self.lines.pop()
        self.complete = text.endswith("\n")
        self.number = 0
        self.directives = Directives()
        self.comments: list[str] = []
        self.nodes: list[Node] = []
        self.empty: list[tuple[Node, int]] = []

    def run(self) -> Tree:
        while (line := self.next_line()) is not None:
            self.instruction(line)
        if not self.nodes:
            raise self.error(
                max(1, self.number),
                1,
                "file with no instructions",
                hint="A Dockerfile begins with FROM, like: FROM alpine",
            )
        return Tree(tuple(self.nodes), self.directives.escape, self.directives.found, tuple(self.empty))

    def error(self, line: int, column: int, message: str, *, hint: str = "") -> DockerfileError:
        return DockerfileError(line, column, message, path=self.path, hint=hint)

    def next_line(self) -> str | None:
        """The next line without its "\\n", None at the end."""
        if self.number >= len(self.lines):
            return None
        line = self.lines[self.number]
        self.number += 1
        if len(line) > LONGEST_LINE // 4 and len(line.encode("utf-8", "surrogatepass")) > LONGEST_LINE:
            raise self.error(self.number, 1, f"dockerfile line greater than max allowed size of {LONGEST_LINE}")
        return line

    def instruction(self, raw: str) -> None:
        """One instruction that begins on this line, or a comment, a directive, an empty line."""
        start = self.number
        skipped = 1 if start == 1 and raw.startswith(_BOM) else 0
        raw = raw[skipped:].rstrip("\r")
        line = raw.lstrip(SPACES)
        column = skipped + len(raw) - len(line) + 1
        if line.startswith("#"):
            self.comment(raw, line)
            return
        self.directives.read(line)
        line, goes_on = self.continued(line)
        if not line and not goes_on:
            return
        segments = [Segment(0, start, column)]
        joined, gaps = self.join(line, goes_on, segments)
        node = self.node(joined, start, column, segments)
        if "<<" in joined and _may_have_heredocs(node):
            node = self.with_heredocs(node, joined)
        node = replace(node, range=Range(start, column, self.number, self.end_column()), comments=tuple(self.comments))
        self.comments = []
        self.nodes.append(node)
        if gaps:
            self.empty.append((node, gaps))

    def comment(self, raw: str, line: str) -> None:
        try:
            if self.directives.read(line):
                return
        except DirectiveError as error:
            raise self.error(self.number, 1, str(error)) from error
        comment = trim(raw[1:])
        if comment:
            self.comments.append(comment)
        else:
            self.comments = []

    def continued(self, line: str) -> tuple[str, bool]:
        """The line without its continuation mark, and whether it had one. An escaped mark is none."""
        escape = self.directives.escape
        if escape not in line:
            return line, False
        shorn = line.rstrip(" \t")
        if not shorn.endswith(escape) or shorn[-2:-1] == escape:
            return line, False
        return shorn[:-1], True

    def join(self, line: str, goes_on: bool, segments: list[Segment]) -> tuple[str, int]:
        """The text over its continuation lines, and the last line read if one of them was empty, else 0."""
        pieces = [line]
        length = len(line)
        empty = False
        while goes_on and (raw := self.next_line()) is not None:
            raw = raw.rstrip("\r")
            bare = raw.lstrip(SPACES)
            if bare.startswith("#"):
                continue
            if not bare:
                empty = True
                continue
            piece, goes_on = self.continued(raw)
            segments.append(Segment(length, self.number, 1))
            pieces.append(piece)
            length += len(piece)
        return "".join(pieces), self.number if empty else 0

    def node(self, line: str, start: int, column: int, segments: list[Segment], depth: int = 0) -> Node:
        escape = self.directives.escape
        keyword, flags, rest = split_command(line, escape)
        base = Node(keyword, Range(start, column, self.number, self.end_column()), line, flags)
        base = replace(base, segments=tuple(segments))
        if keyword.lower() == "onbuild":
            if not rest:
                return base
            if depth > _DEEPEST:
                raise self.error(start, column, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
            offset = len(line.rstrip(SPACES)) - len(rest)
            line_number, line_column = base.position(offset)
            inner = [Segment(0, line_number, line_column)]
            inner += [Segment(it.offset - offset, it.line, it.column) for it in segments if it.offset > offset]
            return replace(base, child=self.node(rest, line_number, line_column, inner, depth + 1))
        try:
            arguments = parse_arguments(keyword, rest, escape)
        except ArgumentError as error:
            place = base.find(rest, len(keyword)) if rest else base.keyword_range
            raise self.error(place.start_line, place.start_column, str(error)) from error
        return self.filled(base, arguments)

    def filled(self, node: Node, arguments: Arguments) -> Node:
        return replace(node, args=arguments.values, json=arguments.json)

    def with_heredocs(self, node: Node, line: str) -> Node:
        place = node.find("<<")
        try:
            documents = openings(line)
        except WordError as error:
            raise self.error(place.start_line, place.start_column, str(error)) from error
        return replace(node, heredocs=tuple(self.heredoc(opening, node) for opening in documents))

    def heredoc(self, opening: Opening, node: Node) -> Heredoc:
        first = self.number + 1
        content: list[str] = []
        while (raw := self.next_line()) is not None:
            closing = raw.rstrip("\r")
            if opening.chomp:
                closing = closing.lstrip("\t")
            if closing == opening.name:
                place = Range(first, 1, self.number, self.end_column())
                text = "".join(content)
                return Heredoc(opening.name, text, opening.expand, opening.chomp, opening.descriptor, place)
            content.append(raw + ("\n" if self.complete or self.number < len(self.lines) else ""))
        place = node.find("<<")
        raise self.error(
            place.start_line,
            place.start_column,
            "unterminated heredoc",
            hint=f"Its closing line, {opening.name} alone, is missing.",
        )

    def end_column(self) -> int:
        """Where the line read last ends, exclusive."""
        return len(self.lines[self.number - 1].rstrip("\r")) + 1


def _may_have_heredocs(node: Node) -> bool:
    inner = node.child if node.name == "onbuild" and node.child is not None else node
    return inner.name in _WITH_HEREDOCS and not inner.json
