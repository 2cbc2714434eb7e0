"""Names that a Dockerfile gives, stages and variables: where each is given, where it is used, and giving it another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from workbench.dataclass import dataclass
from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import Edit, Fix
from workbench.dockerfile.heredocs import is_heredoc
from workbench.dockerfile.instructions import Arg, Env, Instruction, Onbuild, Run
from workbench.dockerfile.nodes import Range
from workbench.dockerfile.rules.places import behind_flags, last, rename_stage
from workbench.dockerfile.stages import Stage
from workbench.dockerfile.tokens import tokens

_QUOTED = re.compile(r"""'[^']*'?|"(?:\\.|[^"\\])*"?""", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name, where it was given first, and every place of it, that one included. `range`s hold the name alone."""

    kind: Literal["stage", "variable"]
    name: str
    given: Range
    places: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the outline: a stage, an ARG. `level` is 1 for what stands in a stage."""

    kind: Literal["stage", "argument"]
    text: str
    line: int
    level: int


def outline(dockerfile: Dockerfile) -> list[Entry]:
    """Stages and arguments in the order of the file."""
    found = [_argument(arg, 0) for arg in dockerfile.global_args]
    for stage in dockerfile.stages:
        name = f"{stage.name} (" if stage.name else f"stage {stage.index} ("
        found.append(Entry("stage", f"{name}from {stage.base.image})", stage.base.line, 0))
        found += [_argument(it, 1) for it in stage.instructions if isinstance(it, Arg)]
    return found


def rough_outline(text: str) -> list[Entry]:
    """The same line by line, for a text that does not parse."""
    found: list[Entry] = []
    stages = 0
    for number, line in enumerate(text.split("\n"), 1):
        words = [word for word in line.split() if not word.startswith("--")]
        keyword = words[0].upper() if len(words) > 1 else ""
        if keyword == "FROM":
            name = words[3].lower() if len(words) == 4 and words[2].upper() == "AS" else f"stage {stages}"
            found.append(Entry("stage", f"{name} (from {words[1]})", number, 0))
            stages += 1
        elif keyword == "ARG":
            found.append(Entry("argument", " ".join(words[1:]), number, int(stages > 0)))
    return found


def _argument(arg: Arg, level: int) -> Entry:
    words = (name if default is None else f"{name}={default}" for name, default in arg.pairs)
    return Entry("argument", " ".join(words), arg.line, level)


def symbols(dockerfile: Dockerfile) -> list[Symbol]:
    """All names that the file itself gives."""
    found = [_stage(dockerfile, stage) for stage in dockerfile.stages if stage.name]
    given = _given(dockerfile)
    for name, places in given.items():
        found.append(Symbol("variable", name, places[0], tuple(sorted({*places, *_uses(dockerfile, name)}))))
    return found


def symbol_at(dockerfile: Dockerfile, line: int, column: int) -> Symbol | None:
    """The name that stands there, counted from 1; the place right behind it counts, too."""
    for it in symbols(dockerfile):
        for place in it.places:
            if place.start_line == line and place.start_column <= column <= place.end_column:
                return it
    return None


def rename(dockerfile: Dockerfile, symbol: Symbol, name: str) -> Fix:
    """The same file with another name, in all places. Raises ValueError, saying why, for a name that will not do."""
    if complaint := rename_complaint(dockerfile, symbol, name):
        raise ValueError(complaint)
    return Fix(f"rename {symbol.name} to {name}", tuple(Edit(place, name) for place in symbol.places))


def rename_complaint(dockerfile: Dockerfile, symbol: Symbol, name: str) -> str:
    """Why the symbol cannot be called that, "" where it can."""
    pattern, what = (_STAGE_NAME, "a stage") if symbol.kind == "stage" else (_NAME, "a variable")
    if not pattern.match(name):
        return f"{name!r} is no name of {what}"
    taken = {it.name.lower() if symbol.kind == "stage" else it.name for it in symbols(dockerfile)
             if it.kind == symbol.kind and it is not symbol and it.name != symbol.name}  # fmt: skip
    if (name.lower() if symbol.kind == "stage" else name) in taken:
        return f"there is {what} called {name} already"
    if symbol.kind == "stage" and name.lower() in ("scratch", "context"):
        return f"{name} means something else"
    return ""


def _stage(dockerfile: Dockerfile, stage: Stage) -> Symbol:
    places = [edit.range for edit in rename_stage(dockerfile, stage.index, stage.name)]
    written = stage.base.node.args[2]
    return Symbol("stage", written, last(stage.base, written), tuple(sorted(set(places))))


def _given(dockerfile: Dockerfile) -> dict[str, list[Range]]:
    """Where ARG and ENV name each variable."""
    found: dict[str, list[Range]] = {}
    for written in dockerfile:
        it: Instruction = written.trigger if isinstance(written, Onbuild) else written
        if not isinstance(it, Arg | Env):
            continue
        start = behind_flags(it.node)
        hidden = _QUOTED.sub(lambda match: "\0" * len(match[0]), it.original[start:])
        for name in dict.fromkeys(name for name, _ in it.pairs):
            ends = (
                r"(?=\s)" if isinstance(it, Env) and it.legacy else "(?==)" if isinstance(it, Env) else r"(?==|\s|\Z)"
            )
            pattern = re.compile(rf"(?:(?<=\s)|\A){re.escape(name)}{ends}")
            for match in pattern.finditer(hidden):
                found.setdefault(name, []).append(it.node.span(start + match.start(), start + match.end()))
                if isinstance(it, Env) and it.legacy:
                    break
    return found


def _uses(dockerfile: Dockerfile, name: str) -> Iterator[Range]:
    """`$name` and `${name...}`, nested too, wherever a builder or a shell fills it in: not in single quotes, not in
    documents that stay as they are."""
    lines = dockerfile.text.split("\n")
    pattern = re.compile(rf"\$\{{?({re.escape(name)})(?!\w)", re.ASCII)
    for token in tokens(dockerfile.text):
        if token.kind == "variable":
            piece = lines[token.line - 1][token.start_column - 1 : token.end_column - 1]
            for match in pattern.finditer(piece):
                start = token.start_column + match.start(1)
                yield Range(token.line, start, token.line, start + len(name))
    for it in dockerfile:
        if isinstance(it, Run) and it.heredocs and not it.script and it.args and is_heredoc(it.args[0]):
            document = it.heredocs[0]
            if not document.expand:  # the shell that runs it fills variables in all the same
                first = document.range.start_line
                for number, line in enumerate(document.content.split("\n"), first):
                    bare = re.sub(r"'[^']*'|\\.", lambda match: "\0" * len(match[0]), line)
                    for match in pattern.finditer(bare):
                        yield Range(number, match.start(1) + 1, number, match.end(1) + 1)
