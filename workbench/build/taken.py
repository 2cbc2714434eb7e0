"""Which paths of a context the steps of a build take: what COPY, ADD and bind mounts name. In doubt, all of them."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

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

_ELSEWHERE = ("http://", "https://", "git://", "ssh://", "git@")
_IN_CONTEXT = ("oci:", "oci-archive:", "docker-archive:")
"""Images that the embedded engine reads from the context itself."""
_FRONTEND = "docker/dockerfile"
"""Another frontend (`# syntax=`) may read the text, and take files, in ways of its own."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a build takes. `bases` are the images that its stages stand on: their ONBUILD triggers may take more."""

    everything: bool
    patterns: tuple[tuple[str, ...], ...] = ()
    """Paths part by part; a part may have the wildcards of a shell."""
    bases: frozenset[str] = frozenset()

    def takes(self, path: str) -> bool:
        """Whether a step may see that `path` of the context came, went or changed."""
        if self.everything or path in ("", "."):
            return True
        parts = path.split("/")
        return any(all(map(_matches, parts, pattern)) for pattern in self.patterns)


def _matches(part: str, pattern: str) -> bool:
    """Go and Python agree on `*` and `?`; what else a pattern may have is taken to match."""
    return "[" in pattern or "\\" in pattern or fnmatchcase(part, pattern)


ALL = Taken(everything=True)


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
    if every_stage:
        indexes = tuple(range(find_stage(dockerfile, target).index + 1))
    env = global_environment(dockerfile, given)
    sources: set[str] = set()
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
    if any(base.startswith(_IN_CONTEXT) for base in bases) or any("$" in source for source in sources):
        return ALL
    places = {place for source in sources for place in _places(context, source)}
    patterns = tuple(tuple(place.split("/")) for place in sorted(places))
    return Taken("." in places, patterns, frozenset(bases))


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
            if not sources:
                continue
            anything = any("$" in source for source in sources)
            places = set() if anything else {place for source in sources for place in _places(context, source)}
            patterns = tuple(tuple(place.split("/")) for place in sorted(places))
            found.append(Taker(it.range.start_line, it.original, Taken(anything or "." in places, patterns)))
    return tuple(found)


def _sources(instructions: tuple[Instruction, ...]) -> Iterator[str]:
    """As written; `.` for what may be anything."""
    for it in instructions:
        step = it.trigger if isinstance(it, Onbuild) else it
        if isinstance(step, Copy) and step.from_:
            if step.from_.startswith(_IN_CONTEXT) or "$" in step.from_:
                yield "."
        elif isinstance(step, Transfer):
            documents = bool(step.heredocs)
            for source in step.sources:
                remote = isinstance(step, Add) and source.startswith(_ELSEWHERE)
                if not remote and not (documents and is_heredoc(source)):
                    yield source
        elif isinstance(step, Run):
            for mount in step.mounts:
                if "$" in mount.text or mount.from_.startswith(_IN_CONTEXT):
                    yield "."
                elif mount.type == "bind" and not mount.from_:
                    yield mount.source or "."


def _places(context: Path, source: str) -> set[str]:
    """A source's clean path, and where the links on its way lead within the context."""
    place = posixpath.normpath(source.lstrip("/") or ".")
    places = {place}
    wild = any(letter in place for letter in "*?[\\")
    root = os.path.realpath(context)
    found = glob.glob(place, root_dir=root, include_hidden=True) if wild else [place]  # noqa: PTH207
    for name in found:
        real = os.path.realpath(os.path.join(root, name))  # noqa: PTH118
        if real == root:
            places.add(".")
        elif real.startswith(f"{root}/") and real != f"{root}/{name}":
            places.add(real[len(root) + 1 :])
    return places
