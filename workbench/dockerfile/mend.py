"""What a Dockerfile that does not parse is told: the parser's refusal as a diagnostic, with a fix where one is near."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from workbench.dockerfile.arguments import KEYWORDS
from workbench.dockerfile.document import parse
from workbench.dockerfile.fix import Fix, apply, replacing
from workbench.dockerfile.lint import Diagnostic
from workbench.dockerfile.nodes import Range
from workbench.dockerfile.suggest import nearest
from workbench.dockerfile.typed import FLAGS
from workbench.errors import DockerfileError

PARSE_ERROR = "ParseError"
_WORD = re.compile(r"[^\s=]+")
_OPENING = re.compile(r"<<-?\s*([\"']?)([\w.-]+)\1", re.ASCII)


def refusal(text: str, error: DockerfileError) -> Diagnostic:
    """The error as a diagnostic of its line; the fix is a guess, proven to bring the parser past this place."""
    lines = text.split("\n")
    line = min(max(error.line, 1), len(lines))
    end = max(len(lines[line - 1].rstrip()) + 1, error.column + 1)
    place = Range(line, error.column, line, end)
    return Diagnostic(place, PARSE_ERROR, error.message, "error", mend(text, error), error.hint)


def mend(text: str, error: DockerfileError) -> Fix | None:
    """The first guess after which this error is gone."""
    for fix in _guesses(text, error):
        try:
            parse(apply(text, fix))
        except DockerfileError as after:
            if (after.line, after.column) <= (error.line, error.column):
                continue
        return fix
    return None


def _guesses(text: str, error: DockerfileError) -> Iterator[Fix]:
    lines = text.split("\n")
    if not 0 < error.line <= len(lines):
        return
    line = lines[error.line - 1]
    word = _WORD.match(line, error.column - 1)
    if word is None:
        return
    place = Range(error.line, word.start() + 1, error.line, word.end() + 1)
    written = word[0]
    keyword = _keyword(lines, error.line)
    if not written.startswith("-") and (meant := nearest(written, [name.upper() for name in KEYWORDS])):
        yield replacing(f"write {meant}", place, meant, safe=False)
    if written.startswith("--") and (flag := nearest(written[2:], FLAGS.get(keyword, {}))):
        yield replacing(f"write --{flag}", place, f"--{flag}", safe=False)
    if keyword == "healthcheck" and not written.startswith("--"):
        start = Range(error.line, word.start() + 1, error.line, word.start() + 1)
        yield replacing("put CMD before the command", start, "CMD ", safe=False)
    if keyword == "shell" and (words := line.split()[1:]):
        rest = line.index(words[0], len(keyword))
        whole = Range(error.line, rest + 1, error.line, len(line.rstrip()) + 1)
        yield replacing("write it as a JSON array", whole, json.dumps(words, ensure_ascii=False), safe=False)
    if (opening := _OPENING.match(line, error.column - 1)) is not None:
        last = Range(len(lines), len(lines[-1]) + 1, len(lines), len(lines[-1]) + 1)
        before = "\n" if lines[-1] else ""
        yield replacing(f"close the document: {opening[2]}", last, f"{before}{opening[2]}\n", safe=False)


def _keyword(lines: list[str], number: int) -> str:
    """The keyword of the instruction that this line is a part of, as far as lines alone tell."""
    while number > 1 and lines[number - 2].rstrip().endswith(("\\", "`")):
        number -= 1
    return lines[number - 1].split(maxsplit=1)[0].lower()
