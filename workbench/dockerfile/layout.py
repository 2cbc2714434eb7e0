"""The canonical layout of a Dockerfile: capital keywords, single spaces, aligned continuations. What it means stays.

Each instruction is laid out on its own and read again; one that would then mean something else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.dockerfile.arguments import KEYWORDS
from workbench.dockerfile.document import Dockerfile, parse
from workbench.dockerfile.lexical import SPACES
from workbench.dockerfile.nodes import Node
from workbench.dockerfile.parser import parse_tree
from workbench.errors import DockerfileError

_INDENT = 4
_PIECE = re.compile(r"""('[^']*'|"(?:\\.|[^"\\])*"|\\.)|\s+""", re.DOTALL)
_FROM = re.compile(r"(\s)as(\s+\S+)\Z", re.IGNORECASE)
_CHECK = re.compile(r"((?:--\S+\s+)*)(cmd|none)\b", re.IGNORECASE)


def layout(text: str) -> str:
    """The text, laid out; doing it again changes nothing. Raises DockerfileError for a text that does not parse."""
    if "\r\n" in text:
        return layout(text.replace("\r\n", "\n")).replace("\n", "\r\n")
    dockerfile = parse(text)
    lines = text.split("\n")
    pieces: list[str] = []
    at = 0
    for node in dockerfile.nodes:
        pieces += _between(lines[at : node.line - 1], at == 0)
        pieces += _instruction(dockerfile, node, lines[node.line - 1 : node.end_line])
        at = node.end_line
    pieces += _between(lines[at:], False)
    while len(pieces) > 1 and not pieces[-1].strip():
        pieces.pop()
    laid = "\n".join(_single_blanks(pieces)) + "\n"
    try:
        again = parse(laid)
        same = _meaning(again.nodes) == _meaning(dockerfile.nodes) and again.directives == dockerfile.directives
        return laid if same else text
    except DockerfileError:
        return text


def _between(lines: list[str], first: bool) -> Iterator[str]:
    """Comments and blank lines; the directives on the first lines stay as they are."""
    for line in lines:
        yield line if first and line.startswith("#") and "=" in line else line.rstrip(SPACES)


def _single_blanks(lines: list[str]) -> Iterator[str]:
    """At most one blank line in a row; instructions come as one piece each, so that theirs stay."""
    blank = False
    for line in lines:
        if line or not blank:
            yield line
        blank = not line


def _instruction(dockerfile: Dockerfile, node: Node, lines: list[str]) -> list[str]:
    documents = sum(it.range.end_line - it.range.start_line + 1 for it in node.heredocs)
    code, tail = lines[: len(lines) - documents], lines[len(lines) - documents :]
    whole = "\n".join(lines)
    if whole.startswith("\ufeff"):
        return [whole]
    laid = "\n".join([*_code(dockerfile.escape, node, code), *tail])
    head = "" if dockerfile.escape == "\\" else f"# escape={dockerfile.escape}\n"
    try:
        same = _meaning(parse_tree(f"{head}{laid}\n").nodes) == _meaning((node,))
    except DockerfileError:
        same = False
    return [laid if same else whole]


def _code(escape: str, node: Node, lines: list[str]) -> list[str]:
    first, *rest = (line.rstrip(SPACES) for line in lines)
    kept = [line for line in rest if line.strip(SPACES)]
    smallest = min(
        (len(it) - len(it.lstrip(SPACES)) for it in kept if not it.lstrip(SPACES).startswith("#")), default=0
    )
    out = [_head(_spaced(first, escape))]
    for line in kept:
        bare = line.lstrip(SPACES)
        deeper = 0 if bare.startswith("#") else len(line) - len(bare) - smallest
        out.append(" " * (_INDENT + deeper) + _spaced(bare, escape))
    if out[-1].endswith(escape) and not lines[-1].rstrip(SPACES).endswith(escape):
        return lines
    return out


def _spaced(line: str, escape: str) -> str:
    """One space before the mark that goes on, where there was any."""
    if not line.endswith(escape) or line.lstrip(SPACES).startswith("#"):
        return line
    bare = line[: -len(escape)].rstrip(SPACES)
    return f"{bare} {escape}" if bare != line[: -len(escape)] else line


def _head(line: str) -> str:
    """Keyword, flags and the words that belong to the language; what stands behind them is left alone."""
    line = line.lstrip(SPACES)
    keyword, _, rest = line.partition(" ") if "\t" not in line.split(" ")[0] else line.partition("\t")
    rest = rest.lstrip(SPACES)
    name = keyword.lower()
    if name not in KEYWORDS:
        return line
    flags = []
    while (match := re.match(r"(--\S+)\s+(?=\S)", rest)) is not None and name != "onbuild":
        flags.append(match[1])
        rest = rest[match.end() :]
    if name == "onbuild":
        rest = _head(rest)
    elif name == "from":
        rest = _FROM.sub(r" AS\2", " ".join(rest.split()))
    elif name == "healthcheck":
        rest = _CHECK.sub(lambda match: match[1] + match[2].upper(), rest, count=1)
    return " ".join(filter(None, [name.upper(), *flags, rest]))


def _meaning(nodes: tuple[Node, ...]) -> list[object]:
    """What has to stay: everything but the case of keywords, and white space that a shell does not see."""
    return [_of(node) for node in nodes]


def _of(node: Node) -> object:
    args: tuple[str, ...] = node.args
    if node.name == "from":
        args = tuple("as" if at == 1 else it for at, it in enumerate(args[:2])) + args[2:]
        args = tuple(it.lower() if at == 1 else it for at, it in enumerate(args))
    if node.name == "healthcheck" and args:
        args = (args[0].upper(), *args[1:])
    if not node.json:
        args = tuple(_PIECE.sub(lambda match: match[1] or " ", it) for it in args)
    child = _of(node.child) if node.child is not None else None
    documents = tuple((it.name, it.content, it.expand, it.chomp, it.descriptor) for it in node.heredocs)
    return node.name, node.flags, args, node.json, child, documents, node.comments
