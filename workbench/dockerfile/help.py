"""Help for the word at a place of a Dockerfile: its instruction, its flag, its mount, its directive."""

from __future__ import annotations

import re
from typing import NamedTuple

from workbench.dockerfile.complete import first_line
from workbench.dockerfile.help_texts import DIRECTIVES, FLAGS, INSTRUCTIONS, MOUNTS
from workbench.dockerfile.tokens import open_document

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=", re.ASCII)
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?", re.IGNORECASE)
_TYPE = re.compile(r"(?:\A|,)type=(\w+)", re.ASCII)
_WORD = re.compile(r"\S+")


class Help(NamedTuple):
    """How it is written, and one paragraph about it."""

    syntax: str
    text: str


def help_at(text: str, line: int, column: int) -> Help | None:
    """For the flag there, else for the instruction that the line is a part of; None for comments and documents.
    Line and column count from 1."""
    lines = text.split("\n")
    if not 0 < line <= len(lines) or open_document(lines[: line - 1]) is not None:
        return None
    here = lines[line - 1]
    if here.lstrip().startswith("#"):
        directive = _DIRECTIVE.match(here.lstrip())
        known = DIRECTIVES.get(directive[1].lower()) if directive else None
        return Help(f"# {directive[1].lower()}=...", known) if directive and known else None
    words = lines[first_line(lines, line) - 1].split()
    while len(words) > 1 and words[0].lower() == "onbuild" and not _on_word(here, column, words[0]):
        words = words[1:]
    keyword = words[0].lower() if words else ""
    word = next((it for it in _WORD.finditer(here) if it.start() < column <= it.end() + 1), None)
    flag = _FLAG.fullmatch(word[0]) if word is not None else None
    if flag is not None and (found := _of_flag(keyword, flag[1].lower(), flag[2] or "")) is not None:
        return found
    return Help(*INSTRUCTIONS[keyword]) if keyword in INSTRUCTIONS else None


def _on_word(line: str, column: int, word: str) -> bool:
    start = line.find(word)
    return start >= 0 and start < column <= start + len(word)


def _of_flag(keyword: str, name: str, value: str) -> Help | None:
    text = FLAGS.get((keyword, name)) or (FLAGS.get(("copy", name)) if keyword == "add" else None)
    if text is None or (keyword == "add" and name in ("from", "parents")):
        return None
    if name == "mount":
        kind = _TYPE.search(value)
        kind_name = kind[1] if kind is not None else "bind"
        if kind_name in MOUNTS and value:
            return Help(f"RUN --mount=type={kind_name},...", MOUNTS[kind_name])
    return Help(f"{keyword.upper()} --{name}", text)
