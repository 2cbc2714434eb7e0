"""Pieces of a Dockerfile's text to colour in an editor. Works line by line on any text, broken too; never raises."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from workbench.dockerfile.arguments import KEYWORDS
from workbench.dockerfile.directives import DirectiveError, Directives
from workbench.dockerfile.heredocs import Opening, openings
from workbench.dockerfile.lexical import SPACES
from workbench.dockerfile.words import WordError

KINDS = (
    "keyword",
    "flag",
    "string",
    "variable",
    "comment",
    "directive",
    "heredoc",
    "number",
    "operator",
    "stage",
    "error",
)
"""Every kind of token. What has no token is plain text."""

_BOM = "\ufeff"
_WORD = re.compile(r"[^\t\v\f\r ]+")
_FLAG = re.compile(r"--[a-z0-9-]*", re.IGNORECASE)
_VARIABLE = r"\$\{[^}]*\}?|\$\w+|\$[@*#?!$-]"
_VARIABLES = re.compile(_VARIABLE)
_CODE, _QUOTED = (
    {escape: re.compile(pattern.replace("ESCAPE", re.escape(escape))) for escape in ("\\", "`")}
    for pattern in (
        rf"""(?P<variable>{_VARIABLE})|(?P<quote>["'])|ESCAPE.|(?P<operator>&&|\|\||<<-?|>>|[|;<>=\[\](),&])"""
        r"|(?P<number>(?<![\w./:@-])\d+(?:\.\d+)*(?![\w.-]))",
        rf"""ESCAPE.|(?P<variable>{_VARIABLE})|(?P<quote>")""",
    )
)


class Token(NamedTuple):
    """Line and columns count characters from 1; the end column is exclusive."""

    line: int
    start_column: int
    end_column: int
    kind: str


def tokens(text: str) -> list[Token]:
    """The tokens in order, without overlaps, none across a line end."""
    painter = _Painter()
    for number, line in enumerate(text.split("\n"), 1):
        painter.line(number, line.rstrip("\r"))
    return painter.found


def open_document(lines: Sequence[str]) -> Opening | None:
    """The heredoc that is open behind these lines of a text, None where the next line is one of Dockerfile."""
    painter = _Painter()
    for number, line in enumerate(lines, 1):
        painter.line(number, line.rstrip("\r"))
    return painter.documents[0] if painter.documents else None


class _Painter:
    """Goes down the lines and remembers what is open: an instruction, a quote, documents."""

    def __init__(self) -> None:
        self.found: list[Token] = []
        self.number = 0
        self.directives = Directives()
        self.stages: set[str] = set()
        self.documents: list[Opening] = []
        self.reset()

    def reset(self) -> None:
        """Ready for the next instruction."""
        self.inside = False
        self.keyword = ""
        self.flags_may_come = False
        self.quote = ""
        self.pieces: list[str] = []
        self.words = 0

    def add(self, start: int, end: int, kind: str) -> None:
        if end > start:
            self.found.append(Token(self.number, start + 1, end + 1, kind))

    def line(self, number: int, line: str) -> None:
        self.number = number
        if self.documents:
            self.document_line(line)
            return
        start = 1 if number == 1 and line.startswith(_BOM) else 0
        bare = line[start:].lstrip(SPACES)
        start = len(line) - len(bare)
        if bare.startswith("#"):
            self.comment(bare, start, len(line))
            return
        if not self.inside:
            self.directives.read(bare)
        if bare:
            self.code(line, start)

    def comment(self, bare: str, start: int, end: int) -> None:
        try:
            kind = "directive" if not self.inside and self.directives.read(bare) else "comment"
        except DirectiveError:
            kind = "error"
        self.add(start, end, kind)

    def code(self, line: str, start: int) -> None:
        """One line of an instruction."""
        escape = self.directives.escape
        shorn = line.rstrip(" \t")
        goes_on = shorn.endswith(escape) and shorn[-2:-1] != escape
        end = len(shorn) - 1 if goes_on else len(line.rstrip(SPACES))
        if not self.inside:
            start = self.begin(line, start, end)
        self.pieces.append(line[start:end] if goes_on else line[start:])
        self.inside = True
        self.arguments(line, start, end)
        if goes_on:
            self.add(end, end + 1, "operator")
        else:
            self.open_documents()
            self.reset()

    def begin(self, line: str, start: int, end: int) -> int:
        """The keyword; answers where its arguments begin."""
        position = start
        self.flags_may_come = True
        for match in _WORD.finditer(line, start, end):
            self.keyword = match.group().lower()
            position = match.end()
            self.add(match.start(), position, "keyword" if self.keyword in KEYWORDS else "error")
            if self.keyword != "onbuild":
                break
        return position

    def arguments(self, line: str, start: int, end: int) -> None:
        position = start
        while self.flags_may_come:
            word = _WORD.search(line, position, end)
            if word is None:
                return
            if not word.group().startswith("--"):
                self.flags_may_come = False
                position = word.start()
                break
            self.flag(line, word.start(), word.end())
            position = word.end()
        if self.keyword == "from":
            self.base(line, position, end)
        elif self.keyword == "healthcheck" and not self.words:
            word = _WORD.search(line, position, end)
            if word is not None:
                self.words = 1
                self.add(word.start(), word.end(), "keyword" if word.group().upper() in ("CMD", "NONE") else "error")
                self.scan(line, word.end(), end)
        elif self.keyword != "maintainer":
            self.scan(line, position, end)

    def flag(self, line: str, start: int, end: int) -> None:
        name = _FLAG.match(line, start, end)
        middle = name.end() if name is not None else start
        self.add(start, middle, "flag")
        if line[start:middle] == "--from" and line[middle + 1 : end].lower() in self.stages:
            self.add(middle, middle + 1, "operator")
            self.add(middle + 1, end, "stage")
        else:
            self.scan(line, middle, end)
            self.quote = ""

    def base(self, line: str, start: int, end: int) -> None:
        """What FROM says: image, AS, name."""
        for word in _WORD.finditer(line, start, end):
            self.words += 1
            if self.words == 2:
                self.add(word.start(), word.end(), "keyword" if word.group().lower() == "as" else "error")
            elif self.words == 3:
                self.stages.add(word.group().lower())
                self.add(word.start(), word.end(), "stage")
            elif self.words > 3:
                self.add(word.start(), word.end(), "error")
            elif word.group().lower() in self.stages:
                self.add(word.start(), word.end(), "stage")
            else:
                self.scan(line, word.start(), word.end())

    def scan(self, line: str, position: int, end: int) -> None:
        """Strings, variables, operators and numbers of one line; an open quote stays open for the next."""
        pattern = _CODE[self.directives.escape]
        while position < end:
            if self.quote:
                position = self.string(line, position, position, end)
                continue
            match = pattern.search(line, position, end)
            if match is None:
                return
            position = match.end()
            kind = match.lastgroup
            if kind == "quote":
                self.quote = match.group()
                position = self.string(line, match.start(), position, end)
            elif kind is not None:
                self.add(match.start(), position, kind)

    def string(self, line: str, start: int, position: int, end: int) -> int:
        """From `start` to the closing quote, variables apart; answers where it goes on."""
        if self.quote == "'":
            closing = line.find("'", position, end)
            position = end if closing < 0 else closing + 1
            self.quote = "'" if closing < 0 else ""
            self.add(start, position, "string")
            return position
        for match in _QUOTED[self.directives.escape].finditer(line, position, end):
            if match.lastgroup == "variable":
                self.add(start, match.start(), "string")
                self.add(match.start(), match.end(), "variable")
                start = match.end()
            elif match.lastgroup == "quote":
                self.quote = ""
                self.add(start, match.end(), "string")
                return match.end()
        self.add(start, end, "string")
        return end

    def open_documents(self) -> None:
        text = "".join(self.pieces)
        if self.keyword in ("add", "copy", "run") and "<<" in text:
            try:
                self.documents = openings(text)
            except WordError:
                self.documents = []

    def document_line(self, line: str) -> None:
        document = self.documents[0]
        if (line.lstrip("\t") if document.chomp else line) == document.name:
            self.documents.pop(0)
            self.add(len(line) - len(document.name), len(line), "operator")
            return
        start = 0
        for match in _VARIABLES.finditer(line) if document.expand else ():
            self.add(start, match.start(), "heredoc")
            self.add(match.start(), match.end(), "variable")
            start = match.end()
        self.add(start, len(line), "heredoc")
