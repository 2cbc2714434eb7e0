"""What may stand next on a command line, read off the parsers themselves: options, commands, stages, images."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from workbench.cli.commands import COMMANDS, SCREEN, WITH_VALUE, find
from workbench.cli.parser import Parser, command_parser, configured
from workbench.config import ENGINES
from workbench.dataclass import dataclass
from workbench.errors import WorkbenchError

_PATIENCE = 2.0
"""Seconds that an engine has to name its images: who pressed a key waits for it."""

_FILES = frozenset({"FILE", "FILE|-", "WHERE"})
_FOLDERS = frozenset({"CONTEXT", "DIR", "PATH", "PATH|-", "PATH | URL | -"})
_IMAGES = frozenset({"IMAGE", "IMAGE:TAG", "NAME[:TAG]", "REPOSITORY[:TAG]", "SOURCE_IMAGE[:TAG]",
                     "TARGET_IMAGE[:TAG]", "TAG"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Line:
    """What stands before the word that is typed: the option that waits for its value, the values of the options
    so far by their names, and the arguments."""

    waits: argparse.Action | None
    options: dict[str, str]
    arguments: tuple[str, ...]


def answer(words: Sequence[str]) -> str:
    """First `words`, `files` or `folders` (which of them may stand there beside what follows), then a line for each
    candidate: the whole word, a tab, what it means. Only candidates that begin as the last of `words` does.

    Never raises a WorkbenchError: where an engine or a file cannot be asked, there are none of its names.
    """
    before, typed = list(words[:-1]), words[-1] if words else ""
    command, arguments = find(before)
    command = command or SCREEN
    parser = command_parser(command, command.load())
    line = _read(parser, arguments)
    found: list[tuple[str, str]]
    kind, prefix = "words", ""
    if line.waits is not None:
        kind, found = _values(line.waits, parser, line)
    elif typed.startswith("-") and "=" in typed and (action := _option(parser, typed.split("=", 1)[0])):
        prefix = typed.split("=", 1)[0] + "="
        kind, found = _values(action, parser, line)
    elif typed.startswith("-"):
        found = list(_options(parser))
    else:
        if (action := _argument(parser, len(line.arguments))) is not None:
            kind, found = _values(action, parser, line)
        else:
            found = []
        if command is SCREEN and not line.arguments:
            found += [(it.name, it.summary) for it in COMMANDS]
    lines = [f"{prefix}{value}\t{text}" for value, text in found if f"{prefix}{value}".startswith(typed)]
    return "\n".join([kind, *lines]) + "\n"


def _read(parser: Parser, words: Iterable[str]) -> _Line:
    waits: argparse.Action | None = None
    options: dict[str, str] = {}
    arguments: list[str] = []
    for word in words:
        if waits is not None:
            options[waits.dest], waits = word, None
            continue
        name, equals, value = word.partition("=")
        action = _option(parser, name) if word.startswith("-") else None
        if action is None:
            if not word.startswith("-") or word == "-":
                arguments.append(word)
        elif action.nargs != 0:
            if equals:
                options[action.dest] = value
            else:
                waits = action
    return _Line(waits, options, tuple(arguments))


def _option(parser: Parser, name: str) -> argparse.Action | None:
    return parser._option_string_actions.get(name)


def _options(parser: Parser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if action.help != argparse.SUPPRESS:
            yield from ((name, action.help or "") for name in action.option_strings if name.startswith("--"))


def _argument(parser: Parser, number: int) -> argparse.Action | None:
    """The positional that takes that argument, counted from 0."""
    taking = [it for it in parser._actions if not it.option_strings and it.help != argparse.SUPPRESS]
    for action in taking:
        if action.nargs in ("*", "+") or number == 0:
            return action
        number -= 1
    return None


def _values(action: argparse.Action, parser: Parser, line: _Line) -> tuple[str, list[tuple[str, str]]]:
    """What that option or argument takes."""
    wants = action.metavar if isinstance(action.metavar, str) else ""
    if action.choices is not None:
        return "words", [(str(it), "") for it in action.choices]
    if action.dest == "engine":
        return "words", [(name, "") for name in ENGINES if name != "replay"]
    if parser.prog == "workbench demo" and action.dest == "name":
        from workbench.cli.samples import SUMMARIES

        return "words", list(SUMMARIES.items())
    if parser.prog == "workbench completion":
        from workbench.cli.completion import SCRIPTS

        return "words", [(shell, "") for shell in SCRIPTS]
    if wants == "STAGE":
        return "words", _stages(line)
    if wants in _IMAGES:
        return "words", _images(line)
    if wants in _FOLDERS or wants.startswith("CONTEXT"):
        return "folders", []
    return ("files", []) if wants in _FILES else ("words", [])


def _stages(line: _Line) -> list[tuple[str, str]]:
    """The named stages of the Dockerfile that the line means."""
    from workbench.cli.source import DOCKERFILE
    from workbench.dockerfile import parse

    context = Path(line.arguments[0] if line.arguments else ".")
    path = Path(line.options["file"]) if "file" in line.options else context / DOCKERFILE
    try:
        stages = parse(path.read_text(encoding="utf-8", errors="replace")).stages
    except (OSError, WorkbenchError):
        return []
    return [(stage.name, f"line {stage.base.range.start_line}") for stage in stages if stage.name]


def _images(line: _Line) -> list[tuple[str, str]]:
    """The names of the engine's images, without the trash."""
    from workbench.build.format import human_size
    from workbench.build.images import ImageStore
    from workbench.build.text import one_line
    from workbench.build.trash import without_trash
    from workbench.cli.engine import with_images

    names: list[tuple[str, str]] = []

    async def work(images: ImageStore) -> int:
        for image in without_trash(await asyncio.wait_for(images.list(), _PATIENCE)):
            names.extend((one_line(tag), human_size(image.size)) for tag in image.tags)
        return 0

    common = {name.lstrip("-").replace("-", "_") for name in WITH_VALUE if name.startswith("--")} - {"format"}
    try:
        config = configured(argparse.Namespace(**{name: line.options.get(name) for name in common}), aloud=False)
        with_images(config, work, quiet=True)
    except (WorkbenchError, TimeoutError):
        return []
    return sorted(names)
