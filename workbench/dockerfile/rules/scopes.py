"""What an instruction can refer to: the variables, arguments and directory that are in force above it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from workbench.dataclass import dataclass
from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.expand import EXPANDED
from workbench.dockerfile.instructions import Arg, Env, Expose, From, Instruction, Label, Run, Transfer, Workdir
from workbench.dockerfile.rules.places import words
from workbench.dockerfile.stages import Stage, base_stage, global_environment
from workbench.dockerfile.surroundings import Surroundings
from workbench.dockerfile.words import Lexer, WordError, Words
from workbench.errors import DockerfileError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DOCUMENT = Lexer(plain_quotes=True)
_EMPTY = Words("", (), frozenset(), frozenset())
_NAME = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_PLAIN = re.compile(r"(?:[^$'\\`]|\$[A-Za-z_][A-Za-z0-9_]*(?![^\x00-\x7f])|\$\{[A-Za-z_][A-Za-z0-9_]*\})*\Z")
"""Where every variable is a simple one: no need to read the text as a shell would."""


@dataclass(slots=True)
class Scope:
    """Changes from instruction to instruction. `complete`: the base image is known, and so nothing else is defined."""

    env: dict[str, str] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    """Every ARG so far, with and without a value."""
    complete: bool = True
    workdir: str = ""
    """"" where it is not known."""
    workdir_set: bool = False


def scopes(
    dockerfile: Dockerfile, surroundings: Surroundings, *, names_only: bool = False
) -> Iterator[tuple[Stage, Instruction, Scope]]:
    """Each instruction of each stage with what is in force above it. The scope is one object for a stage: read it
    before going on. A stage goes on where the stage it stands on ended, as in BuildKit: its ARGs count too.

    With `names_only` the variables have no values, which is quicker.
    """
    expand = _nothing if names_only else words
    outer = _global(dockerfile, surroundings)
    ended: dict[int, Scope] = {}
    for stage in dockerfile.stages:
        scope = _begin(dockerfile, stage, outer, ended, surroundings)
        for it in stage.instructions:
            yield stage, it, scope
            _step(it, scope, outer, dockerfile.escape, surroundings.build_args, expand)
        ended[stage.index] = scope


def used_words(it: Instruction, scope: Scope, escape: str) -> Words:
    """The names that an instruction speaks of, set and unset, as far as a builder fills them in and warns of them."""
    matched: set[str] = set()
    unmatched: set[str] = set()

    def env(name: str) -> str | None:
        return "1" if name in scope.env else None  # which names there are is what counts, and values can be long

    for text in _texts(it):
        if "$" in text and _PLAIN.match(text):
            names = set(_NAME.findall(text))
            matched |= names & scope.env.keys()
            unmatched |= names - scope.env.keys()
        elif "$" in text and (found := words(text, env, escape)) is not None:
            matched |= found.matched
            unmatched |= found.unmatched
    for heredoc in it.heredocs if isinstance(it, Transfer) else ():
        if heredoc.expand and "$" in heredoc.content:
            try:
                found = _DOCUMENT.process(heredoc.text, env)
            except WordError:
                continue
            matched |= found.matched
            unmatched |= found.unmatched
    return Words("", (), frozenset(matched), frozenset(unmatched))


def config_of(surroundings: Surroundings, image: str) -> Mapping[str, Any] | None:
    return surroundings.base_config(image) if surroundings.base_config is not None and image else None


def _texts(it: Instruction) -> Iterator[str]:
    # EXPOSE has variables too, but BuildKit does not look at which of them are there.
    for name in () if isinstance(it, Expose | From) else EXPANDED.get(type(it), ()):
        value = getattr(it, name)
        if isinstance(value, str):
            yield value
        elif isinstance(it, Run):
            yield from (mount.text for mount in it.mounts)
        elif isinstance(it, Arg | Env | Label):
            yield from (part for pair in value for part in pair if part)
        elif name != "heredocs":
            yield from value


def _global(dockerfile: Dockerfile, surroundings: Surroundings) -> dict[str, str]:
    try:
        return global_environment(dockerfile, surroundings.build_args)
    except DockerfileError:
        return {}


def _begin(
    dockerfile: Dockerfile, stage: Stage, outer: Mapping[str, str], ended: Mapping[int, Scope], around: Surroundings
) -> Scope:
    image = words(stage.base.image, outer, dockerfile.escape)
    name = image.text if image is not None else ""
    parent = base_stage(dockerfile, stage.index, name) if name else None
    if parent is not None:
        before = ended[parent.index]
        return replace(before, env=dict(before.env), declared=set(before.declared))
    if name == "scratch":
        return Scope({"PATH": PATH}, workdir="/")
    config = config_of(around, name)
    if config is None:
        return Scope({"PATH": PATH}, complete=False)
    inner = config.get("config") or {}
    env = dict(text.partition("=")[::2] for text in inner.get("Env") or ())
    return Scope({"PATH": PATH, **env}, workdir=inner.get("WorkingDir") or "/")


def _nothing(text: str, env: Mapping[str, str], escape: str) -> Words | None:
    """In place of the text with its variables filled in."""
    return _EMPTY


def _step(
    it: Instruction,
    scope: Scope,
    outer: Mapping[str, str],
    escape: str,
    build_args: Mapping[str, str],
    expand: Callable[..., Words | None],
) -> None:
    if isinstance(it, Env):
        new = {key: expand(value, scope.env, escape) for key, value in it.pairs}
        scope.env.update({key: value.text for key, value in new.items() if value is not None})
    elif isinstance(it, Arg):
        for name, default in it.pairs:
            scope.declared.add(name)
            value = build_args.get(name, default if default is not None else outer.get(name))
            expanded = expand(value, scope.env, escape) if value is not None else None
            if expanded is not None:
                scope.env[name] = expanded.text
    elif isinstance(it, Workdir):
        scope.workdir_set = True
        path = expand(it.path, scope.env, escape)
        known = path is not None and not path.unmatched and (scope.workdir or posixpath.isabs(path.text))
        scope.workdir = posixpath.join(scope.workdir or "/", path.text) if known and path is not None else ""
