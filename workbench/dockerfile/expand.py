"""Which fields of an instruction have variables, and filling them in: one rule for engines and forecasts.

As BuildKit's `Expand` and `ExpandRaw`, which are the classic builder's too. RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK,
MAINTAINER and ONBUILD stay as they are: there the shell of the container does it. `RUN --mount=` values are filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from workbench.dockerfile.instructions import (
    Add,
    Arg,
    Copy,
    Env,
    Expose,
    From,
    Instruction,
    Label,
    Run,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from workbench.dockerfile.mounts import MountError, parse_mount
from workbench.dockerfile.nodes import Heredoc
from workbench.dockerfile.words import Environment, Lexer, WordError, process
from workbench.errors import DockerfileError

EXPANDED: dict[type[Instruction], tuple[str, ...]] = {
    From: ("image", "platform"),
    Arg: ("pairs",),
    Env: ("pairs",),
    Label: ("pairs",),
    Add: ("sources", "destination", "chown", "chmod", "checksum", "heredocs"),
    Copy: ("sources", "destination", "chown", "chmod", "heredocs"),
    Workdir: ("path",),
    User: ("user",),
    Expose: ("ports",),
    Volume: ("paths",),
    Stopsignal: ("signal",),
    Run: ("mounts",),
}
"""The fields with variables. `pairs` are expanded on both sides, `ports` are split at spaces afterwards."""

_Some = TypeVar("_Some", bound=Instruction)
_DOCUMENT = Lexer(plain_quotes=True)


def expand(instruction: _Some, env: Environment, escape: str = "\\") -> tuple[_Some, frozenset[str]]:
    """The instruction with its variables filled in, and every name that it spoke of, set or not.

    All pairs of one ENV see the environment before it. Raises DockerfileError for a word that cannot be expanded.
    """
    used: set[str] = set()
    reading = ""

    def words(text: str) -> tuple[str, ...]:
        nonlocal reading
        reading = text
        result = Lexer(escape).process(text, env)
        used.update(result.used)
        return result.words

    def word(text: str) -> str:
        nonlocal reading
        reading = text
        result = process(text, env, escape)
        used.update(result.used)
        return result.text

    def document(heredoc: Heredoc) -> Heredoc:
        if not heredoc.expand:
            return heredoc
        result = _DOCUMENT.process(heredoc.text, env)
        used.update(result.used)
        return replace(heredoc, content=result.text, expand=False, chomp=False)

    changed: dict[str, Any] = {}
    try:
        for name in EXPANDED.get(type(instruction), ()):
            changed[name] = _expanded(name, getattr(instruction, name), word, words, document)
    except (WordError, MountError) as error:
        place = instruction.node.find(reading, len(instruction.keyword))
        raise DockerfileError(place.start_line, place.start_column, str(error)) from error
    return (replace(instruction, **changed) if changed else instruction), frozenset(used)


def _expanded(
    name: str,
    value: Any,
    word: Callable[[str], str],
    words: Callable[[str], tuple[str, ...]],
    document: Callable[[Heredoc], Heredoc],
) -> Any:
    if isinstance(value, str):
        return word(value)
    if name == "pairs":
        return tuple((word(key), None if text is None else word(text)) for key, text in value)
    if name == "ports":
        return tuple(port for text in value for port in words(text))
    if name == "heredocs":
        return tuple(map(document, value))
    if name == "mounts":
        return tuple(parse_mount(mount.text, word) for mount in value)
    return tuple(map(word, value))
