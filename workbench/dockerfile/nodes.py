"""The raw tree: one node per instruction, with the place of every piece in the source."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from workbench.dataclass import dataclass
from workbench.dockerfile.lexical import trim


class Range(NamedTuple):
    """A piece of the text. Lines and columns count characters from 1; the end column is exclusive."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int


NOWHERE = Range(1, 1, 1, 1)
"""The place of what stands in no source."""


@dataclass(frozen=True, slots=True)
class Heredoc:
    """An inline document. `content` is raw, line ends included; `text` is what the file will hold."""

    name: str
    content: str
    expand: bool
    """Whether variables are filled in: the delimiter was not quoted."""
    chomp: bool
    """Whether leading tabs are dropped (`<<-`)."""
    descriptor: int = 0
    range: Range = NOWHERE
    """The content and its closing line."""

    @property
    def text(self) -> str:
        """The content without the leading tabs that `<<-` drops."""
        if not self.chomp:
            return self.content
        return "".join(line.lstrip("\t") for line in self.content.splitlines(keepends=True))


class Segment(NamedTuple):
    """Where a piece of the joined text stands: from `offset` on, the source goes on at `line` and `column`."""

    offset: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction as BuildKit's parser sees it, before anybody asks whether it makes sense.

    `args` is flat: key, value and separator ("=" or "") for ENV and LABEL; name or name=value for ARG; the words, the
    JSON strings, or one string for the rest. ONBUILD has a `child` instead.
    """

    keyword: str
    """As written."""
    range: Range
    """From the keyword to the end of the last line, heredocs included."""
    original: str
    """The text joined over its continuation lines, without comments and heredocs."""
    flags: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    json: bool = False
    """Whether the arguments were a JSON array."""
    child: Node | None = None
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()
    """The comment lines right above, without `#`."""
    segments: tuple[Segment, ...] = field(default=(), repr=False, compare=False)

    @property
    def name(self) -> str:
        """The keyword in lower case."""
        return self.keyword.lower()

    @property
    def line(self) -> int:
        return self.range.start_line

    @property
    def end_line(self) -> int:
        return self.range.end_line

    @property
    def text(self) -> str:
        """What a build prints for this step."""
        return trim(self.original)

    @property
    def attributes(self) -> Mapping[str, bool]:
        """BuildKit's own name for `json`."""
        return {"json": True} if self.json else {}

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character of `original`."""
        if not self.segments:
            return self.range.start_line, self.range.start_column
        index = max(0, bisect_right(self.segments, offset, key=lambda segment: segment.offset) - 1)
        segment = self.segments[index]
        return segment.line, segment.column + max(0, offset - segment.offset)

    def span(self, start: int, end: int) -> Range:
        """The place of `original[start:end]`; the whole node if that is empty."""
        if end <= start:
            return self.range
        line, column = self.position(start)
        end_line, end_column = self.position(end - 1)
        return Range(line, column, end_line, end_column + 1)

    def find(self, piece: str, after: int = 0) -> Range:
        """The place of the first such piece of `original` from `after` on; the keyword if there is none."""
        start = self.original.find(piece, after) if piece else -1
        if start < 0:
            return self.keyword_range
        return self.span(start, start + len(piece))

    @property
    def keyword_range(self) -> Range:
        """The place of the keyword."""
        start = self.original.find(self.keyword)
        return self.span(start, start + len(self.keyword)) if self.keyword else self.range
