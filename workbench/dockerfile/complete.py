"""What may stand at a place of a Dockerfile: keywords, flags, stages, variables, paths of the context.

Pure, and for any text, broken too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from workbench.dockerfile.arguments import KEYWORDS
from workbench.dockerfile.mounts import SHARING, TYPES
from workbench.dockerfile.rules.places import PLATFORM_VARIABLES
from workbench.dockerfile.surroundings import NOTHING, Surroundings
from workbench.dockerfile.tokens import open_document
from workbench.dockerfile.typed import FLAGS

Kind = Literal["instruction", "flag", "value", "stage", "variable", "path", "image"]

_VARIABLE = re.compile(r"\$\{?(\w*)\Z", re.ASCII)
_STAGE = re.compile(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_NAMES = re.compile(r"\s*(?:ARG|ENV)\s+(.*)", re.IGNORECASE)
_ASSIGNED = re.compile(r"(?:\A|\s)([A-Za-z_]\w*)(?==|\s|\Z)", re.ASCII)
_LEGACY = re.compile(r"\s*ENV\s+([A-Za-z_]\w*)\s+[^\s=]", re.IGNORECASE)
_VALUES = {
    "network": ("default", "none", "host"),
    "security": ("sandbox", "insecure"),
    "mount": tuple(f"type={name}" for name in TYPES),
    "platform": ("$BUILDPLATFORM", "$TARGETPLATFORM", "linux/amd64", "linux/arm64"),
}
_MOST = 200
"""Candidates that anybody would look through."""
_MOUNT_KEYS: Mapping[str, tuple[str, ...]] = {
    "bind": ("target=", "source=", "from=", "rw"),
    "cache": ("target=", "id=", "sharing=", "from=", "source=", "mode=", "uid=", "gid=", "ro"),
    "tmpfs": ("target=", "size="),
    "secret": ("id=", "target=", "env=", "required", "mode=", "uid=", "gid="),
    "ssh": ("id=", "target=", "required", "mode=", "uid=", "gid="),
}
_MOUNT_VALUES = {"type": TYPES, "sharing": SHARING}


class Candidate(NamedTuple):
    """`text` in place of the `replaces` characters before the cursor."""

    text: str
    kind: Kind
    replaces: int


def complete(text: str, line: int, column: int, surroundings: Surroundings = NOTHING) -> list[Candidate]:
    """What begins as the word before that place does, best first; line and column count from 1."""
    lines = text.split("\n")
    if not 0 < line <= len(lines):
        return []
    before = lines[line - 1][: max(0, column - 1)]
    if before.lstrip().startswith("#"):
        return []
    document = open_document(lines[: line - 1])
    if document is not None:
        found = _VARIABLE.search(before) if document.expand else None
        return list(_matching(dict.fromkeys(_variables(lines[: line - 1])), found[1], "variable")) if found else []
    first = first_line(lines, line)
    head = "".join([*(it.rstrip().rstrip("\\`") + " " for it in lines[first - 1 : line - 1]), before])
    above = lines[: first - 1]
    return list(_candidates(head, above, surroundings))[:_MOST]


def _candidates(head: str, above: list[str], surroundings: Surroundings) -> Iterator[Candidate]:
    words = head.split()
    word = "" if not head or head[-1].isspace() else words[-1]
    done = words[: len(words) - bool(word)]
    while done and done[0].lower() == "onbuild":
        done = done[1:]
    if not done:
        lower = bool(word) and word.islower()
        yield from _matching((it.lower() if lower else it.upper() for it in sorted(KEYWORDS)), word, "instruction")
        return
    keyword, behind = done[0].lower(), done[1:]
    if (variable := _VARIABLE.search(word)) is not None:
        known = [*_variables(above)] if keyword != "from" else [*_variables(_before_from(above)), *PLATFORM_VARIABLES]
        yield from _matching(dict.fromkeys(known), variable[1], "variable")
        return
    stages = _stages(above)
    plain = [it for it in behind if not it.startswith("--")]
    if word.startswith("--") and not plain:
        yield from _flag(keyword, word, stages, surroundings)
    elif keyword == "from" and not plain:
        yield from _matching((*stages, "scratch"), word, "stage")
        yield from _matching(surroundings.images, word, "image")
    elif keyword == "from" and len(plain) == 1:
        yield from _matching(("as" if done[0].islower() else "AS",), word, "instruction")
    elif keyword == "healthcheck" and not plain:
        yield from _matching(("CMD", "NONE"), word, "instruction")
    elif keyword in ("copy", "add") and not any(it.startswith("--from=") for it in behind):
        yield from _paths(surroundings, word)


def _flag(keyword: str, word: str, stages: list[str], surroundings: Surroundings) -> Iterator[Candidate]:
    name, equals, value = word[2:].partition("=")
    flags = FLAGS.get(keyword, {})
    if not equals:
        written = (f"--{it}" if kind == "bool" else f"--{it}=" for it, kind in sorted(flags.items()))
        yield from _matching(written, word, "flag")
    elif name == "from" and name in flags:
        yield from _matching(stages, value, "stage")
        yield from _matching(surroundings.images, value, "image")
    elif name == "mount" and name in flags and "," in value:
        yield from _mount(value, stages, surroundings)
    elif name in flags:
        yield from _matching(_VALUES.get(name, ("true", "false") if flags[name] == "bool" else ()), value, "value")


def _mount(value: str, stages: list[str], surroundings: Surroundings) -> Iterator[Candidate]:
    """What comes behind the first comma of a mount."""
    *done, field = value.split(",")
    fields = dict(it.partition("=")[::2] for it in done)
    key, equals, written = field.partition("=")
    if not equals:
        keys = _MOUNT_KEYS.get(fields.get("type", "bind"), ())
        yield from _matching((it for it in keys if it.rstrip("=") not in fields), field, "value")
    elif key == "from":
        yield from _matching(stages, written, "stage")
        yield from _matching(surroundings.images, written, "image")
    elif key in ("source", "src") and "from" not in fields and fields.get("type", "bind") == "bind":
        yield from _paths(surroundings, written)
    else:
        yield from _matching(_MOUNT_VALUES.get(key, ()), written, "value")


def _paths(surroundings: Surroundings, word: str) -> Iterator[Candidate]:
    paths = surroundings.paths() if surroundings.paths is not None else ()
    shorn = word.removeprefix("./").removeprefix("/")
    return _matching(_next_parts(paths, shorn), shorn, "path")


def _matching(names: Iterable[str], word: str, kind: Kind) -> Iterator[Candidate]:
    """Those that begin so, in whatever case; not the word itself."""
    lowered = word.lower()
    return (Candidate(it, kind, len(word)) for it in names if it.lower().startswith(lowered) and it != word)


def _next_parts(paths: Iterable[str], word: str) -> list[str]:
    """One folder level at a time: what stands right below the folder that was written."""
    folder = word.rpartition("/")[0]
    depth = folder.count("/") + 2 if folder else 1
    start = f"{folder}/" if folder else ""
    found: dict[str, None] = {}
    for path in paths:
        if path.startswith(start) and path != start:
            parts = path.split("/")
            found["/".join(parts[:depth]) + ("/" if len(parts) > depth else "")] = None
    return list(found)


def first_line(lines: list[str], number: int) -> int:
    """The line that the instruction begins on, as far as continuation marks tell."""
    while number > 1 and lines[number - 2].rstrip().endswith(("\\", "`")):
        number -= 1
    return number


def _stages(above: list[str]) -> list[str]:
    found = (_STAGE.match(line) for line in above)
    return list(dict.fromkeys(it[2] for it in found if it is not None and it[2]))


def _before_from(above: list[str]) -> list[str]:
    first = next((at for at, line in enumerate(above) if _STAGE.match(line)), len(above))
    return above[:first]


def _variables(above: list[str]) -> Iterator[str]:
    for line in above:
        if (legacy := _LEGACY.match(line)) is not None:
            yield legacy[1]
        elif (names := _NAMES.match(line)) is not None:
            yield from _ASSIGNED.findall(names[1])
