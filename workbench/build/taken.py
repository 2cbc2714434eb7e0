"""Which paths of a context the steps of a build take: what COPY, ADD and bind mounts name. In doubt, all of them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from workbench.build.platforms import here, platform_arguments
from workbench.context.ignore import IgnoreRules
from workbench.dataclass import dataclass
from workbench.dockerfile import (
    Dockerfile,
    Instruction,
    WordError,
    base_stage,
    find_stage,
    global_environment,
    needed_stages,
    process_word,
)
from workbench.dockerfile.heredocs import is_heredoc
from workbench.dockerfile.instructions import Add, Copy, Onbuild, Run, Transfer
from workbench.errors import InputError

_ELSEWHERE = ("http://", "https://", "git://", "ssh://", "git@")
_IN_CONTEXT = ("oci:", "oci-archive:", "docker-archive:")
"""Images that the embedded engine reads from the context itself."""
_FRONTEND = "docker/dockerfile"
"""Another frontend (`# syntax=`) may read the text, and take files, in ways of its own."""
_PLATFORM = re.compile(r"\$\{?(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source leads: `parts` of a path, each of which may have the wildcards of a shell, and all below it but
    what `exclude` (the patterns of `--exclude`) leaves out. They are read from the place on, with `--parents` from the
    context on."""

    parts: tuple[str, ...]
    exclude: IgnoreRules | None = None
    parents: bool = False

    def takes(self, parts: list[str]) -> bool:
        for part, pattern in zip(parts, self.parts, strict=False):
            if "**" in pattern:
                return True
            if not _matches(part, pattern):
                return False
        below = "/".join(parts if self.parents else parts[len(self.parts) :])
        if self.exclude is None or not below:
            return True
        return not self.exclude.decide(below).excluded or self.exclude.may_include_below(below)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a build takes. `bases` are the images that its stages stand on: their ONBUILD triggers may take more."""

    everything: bool
    places: tuple[Place, ...] = ()
    bases: frozenset[str] = frozenset()

    def takes(self, path: str) -> bool:
        """Whether a step may see that `path` of the context came, went or changed."""
        if self.everything or path in ("", "."):
            return True
        parts = path.split("/")
        return any(place.takes(parts) for place in self.places)


def _matches(part: str, pattern: str) -> bool:
    """Go and Python agree on `*` and `?`; what else a pattern may have is taken to match."""
    return "[" in pattern or "\\" in pattern or fnmatchcase(part, pattern)


ALL = Taken(everything=True)


def _for_platforms(dockerfile: Dockerfile) -> bool:
    """Whether a stage's base depends on a platform: only the engine knows its own."""
    defaults = [default or "" for arg in dockerfile.global_args for _, default in arg.pairs]
    return any(map(_PLATFORM.search, [*defaults, *(stage.base.image for stage in dockerfile.stages)]))


def taken_by(
    dockerfile: Dockerfile,
    context: Path,
    *,
    target: str | None = None,
    build_args: Mapping[str, str | None] | None = None,
    every_stage: bool = False,
) -> Taken:
    """What the stages that `target` is made of take from `context`; with `every_stage` also those before it that it
    does not need, which the classic builder builds as well. Looks at the links that the sources lead through."""
    if dockerfile.syntax and not dockerfile.syntax.startswith(_FRONTEND):
        return ALL
    given = {name: value for name, value in (build_args or {}).items() if value is not None}
    indexes = needed_stages(dockerfile, target, given)
    if every_stage or _for_platforms(dockerfile):
        indexes = tuple(range(find_stage(dockerfile, target).index + 1))
    env = global_environment(dockerfile, given, platform_arguments(here()))
    sources: set[Source] = set()
    bases: set[str] = set()
    for index in indexes:
        stage = dockerfile.stages[index]
        try:
            base = process_word(stage.base.image, env, dockerfile.escape)
        except WordError:
            return ALL
        if base != "scratch" and base_stage(dockerfile, index, base) is None:
            bases.add(base)
        sources.update(_sources(stage.instructions))
    if any(base.startswith(_IN_CONTEXT) for base in bases):
        return ALL
    return replace(_taken(context, sources), bases=frozenset(bases))


@dataclass(frozen=True, slots=True)
class Taker:
    """An instruction that takes something from the context; `line` counts from 1."""

    line: int
    text: str
    taken: Taken


def takers(dockerfile: Dockerfile, context: Path) -> tuple[Taker, ...]:
    """The instructions of all stages that take files from `context`, in order. Looks at links as `taken_by` does."""
    found: list[Taker] = []
    for stage in dockerfile.stages:
        for it in stage.instructions:
            sources = set(_sources((it,)))
            if sources:
                found.append(Taker(it.range.start_line, it.original, _taken(context, sources)))
    return tuple(found)


class Source(NamedTuple):
    """As written; `.` for what may be anything."""

    text: str
    exclude: tuple[str, ...] = ()
    parents: bool = False


def _taken(context: Path, sources: Iterable[Source]) -> Taken:
    places: list[Place] = []
    for source in sorted(sources):
        if "$" in source.text:
            return ALL
        exclude = _exclude(source)
        for name in sorted(_places(context, source.text)):
            if name == "." and exclude is None:
                return ALL
            places.append(Place(() if name == "." else tuple(name.split("/")), exclude, source.parents))
    return Taken(False, tuple(places))


def _exclude(source: Source) -> IgnoreRules | None:
    """The rules of `--exclude`; None where nothing is certain to be left out."""
    from_elsewhere = source.parents and "/./" in source.text
    if not source.exclude or from_elsewhere or any("$" in pattern for pattern in source.exclude):
        return None
    try:
        return IgnoreRules(source.exclude)
    except InputError:
        return None  # the build says so


def _sources(instructions: tuple[Instruction, ...]) -> Iterator[Source]:
    for it in instructions:
        step = it.trigger if isinstance(it, Onbuild) else it
        if isinstance(step, Copy) and step.from_:
            if step.from_.startswith(_IN_CONTEXT) or "$" in step.from_:
                yield Source(".")
        elif isinstance(step, Transfer):
            parents = isinstance(step, Copy) and step.parents
            for source in step.sources:
                remote = isinstance(step, Add) and source.startswith(_ELSEWHERE)
                if not remote and not (step.heredocs and is_heredoc(source)):
                    yield Source(source, step.exclude, parents)
        elif isinstance(step, Run):
            for mount in step.mounts:
                if "$" in mount.text or mount.from_.startswith(_IN_CONTEXT):
                    yield Source(".")
                elif mount.type == "bind" and not mount.from_:
                    yield Source(mount.source or ".")


def _places(context: Path, source: str) -> set[str]:
    """A source's clean path, and where the links on its way lead within the context."""
    place = posixpath.normpath(source.lstrip("/") or ".")
    places = {place}
    wild = any(letter in place for letter in "*?[\\")
    root = os.path.realpath(context)
    found: Iterable[str] = [place]
    if wild:
        import glob

        found = glob.glob(place, root_dir=root, include_hidden=True)  # noqa: PTH207
    for name in found:
        real = os.path.realpath(os.path.join(root, name))  # noqa: PTH118
        if real == root:
            places.add(".")
        elif real.startswith(f"{root}/") and real != f"{root}/{name}":
            places.add(real[len(root) + 1 :])
    return places
