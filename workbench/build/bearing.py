"""Whether a change of a context bears on a build: on the image that stands, and on the one that is being built.

A change is let go only where that is certain: the same bytes as the last build read, or a path that no step takes. A
build may read a file at any time while it runs, so what happened meanwhile is never certain to be the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import Literal

from workbench.build.engine import Engine
from workbench.build.facts import Facts
from workbench.build.keeping import read_text
from workbench.build.request import BuildRequest
from workbench.build.taken import Taken, taken_by
from workbench.build.text import one_line
from workbench.config import state_dir
from workbench.context.digest import DigestCache
from workbench.context.ignore import IgnoreRules, load_rules
from workbench.context.scan import Cancelled
from workbench.context.watch import ContextChanged
from workbench.dataclass import dataclass
from workbench.dockerfile import Dockerfile, needed_stages, parse
from workbench.errors import WorkbenchError

_MOST_PATHS = 200
"""A batch of more paths than this is a change; nobody looks at each."""
_LOOKS_WITHIN = 2.0
"""Seconds that an engine has to say what its bases bring along."""

Kind = Literal["image", "context", "nothing"]


@dataclass(frozen=True, slots=True)
class Bearing:
    """What a change does: to the image, to the context alone, or nothing. `certain` is False where a running build
    may have read what was there in between."""

    kind: Kind
    certain: bool = True
    why: str = ""
    """For a person, where there is nothing to build: `the same bytes`."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What the last build was begun with. Everything but the request is None where it could not be read."""

    request: BuildRequest
    engine: Engine
    text: str | None
    dockerfile: Dockerfile | None
    taken: Taken | None
    rules: IgnoreRules | None
    at: float
    """When it had been read; the build may have read something else if it changed before."""


class Judge:
    """Judges changes for one loop. Every method is called on its thread; what blocks runs on others."""

    def __init__(self) -> None:
        self._digests = DigestCache(state_dir() / "digests")
        self._context: Path | None = None
        self._facts = Facts(self._digests)
        self._basis: asyncio.Task[Basis] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._changed: set[str] | None = set()  # while somebody looks; None: anything
        self._halt = False
        self._gives_way = False
        self._bases: dict[str, bool] = {}

    def begin(self, request: BuildRequest, engine: Engine) -> None:
        """A build of `request` begins: reads, beside it, what it is made from. A look that still goes on at what the
        build before was made from gives way, and is begun anew after this one."""
        self._gives_way = True
        if request.context != self._context:
            self._context, self._facts = request.context, Facts(self._digests)
        self._bases.clear()
        self._basis = asyncio.create_task(asyncio.to_thread(_read_basis, request, engine), name="basis of a build")

    @property
    def basis(self) -> asyncio.Task[Basis] | None:
        """What the build that began last was begun with, as soon as it is known."""
        return self._basis

    async def settle(self) -> None:
        """A build has ended: looks at what is there, for the next change to be judged by. One at a time."""
        while self._looking is not None and not self._looking.done():
            await asyncio.wait({self._looking})
        if self._basis is not None and not self._halt:
            basis = await self._basis
            self._gives_way = False
            self._looking = asyncio.create_task(self._look(basis), name="look at the context")
            await asyncio.wait({self._looking})

    async def stop(self) -> None:
        """Ends what still looks."""
        self._halt = True
        for task in (self._looking, self._basis):
            if task is not None:
                await asyncio.wait({task})

    def digest(self) -> str:
        """`sha256:` of the context that the last build was made from; "" while it is not known."""
        return self._facts.digest()

    def forget(self, paths: frozenset[str] | None) -> None:
        """These changed; None: anything may have."""
        self._facts.forget(paths)
        if paths is None or self._changed is None:
            self._changed = None
        else:
            self._changed |= paths

    async def judge(self, change: ContextChanged, *, last_end: float | None) -> Bearing:
        """What `change` does to the build that began last. `last_end` is when it ended, None while it runs."""
        whys = None
        if change.since is not None and self._basis is not None and len(change.paths) <= _MOST_PATHS:
            basis = await self._basis
            if basis.taken is not None:
                whys = await self._whys(change.paths, change.since, basis)
        if whys != {_SAME_BYTES}:
            self.forget(change.paths if change.since is not None else None)
        if not whys:
            return Bearing("image")
        idle = last_end is not None and change.since is not None and change.since > last_end
        why = next(why for why in (_LATER_STAGE, _SAME_STEPS, _SAME_SENT, _NOT_TAKEN, _SAME_BYTES) if why in whys)
        return Bearing("nothing" if why == _SAME_BYTES else "context", idle or whys == {_NOT_TAKEN}, why)

    async def _whys(self, paths: frozenset[str], since: float, basis: Basis) -> set[str] | None:
        try:
            whys = await asyncio.to_thread(self._compare, paths, since, basis)
        except (WorkbenchError, OSError):
            return None
        if whys and _NOT_TAKEN in whys and not await self._bases_take_nothing(basis):
            return None
        return whys

    def _compare(self, paths: frozenset[str], since: float, basis: Basis) -> set[str] | None:
        """Why each of the paths changes no image, None where one may. On another thread. Raises InputError for what
        cannot be read."""
        context, rules = basis.request.context, basis.rules
        assert context is not None and rules is not None and basis.taken is not None
        whys: set[str] = set()
        of_build = {basis.request.dockerfile, f"{basis.request.dockerfile}.dockerignore", ".dockerignore"}
        for path in paths:
            sent = not os.path.isabs(path) and not rules.decide(path).excluded  # noqa: PTH117
            known, before = self._facts.known(path, since) if sent else (False, None)
            same = known and before == self._facts.fact(context, rules, path)
            if path == basis.request.dockerfile:
                if since <= basis.at or (why := _same_steps(basis)) is None:
                    return None
                whys.add(why)
            elif path in of_build and not same:
                if not self._sends_the_same(context, basis):
                    return None
                whys.add(_SAME_SENT)
            elif not sent:
                return None  # the rules were others when the build began
            if same:
                whys.add(_SAME_BYTES)
            elif sent and not basis.taken.takes(path) and not _has_other_names(context / path):
                whys.add(_NOT_TAKEN)
            elif sent:
                return None
        return whys

    def _sends_the_same(self, context: Path, basis: Basis) -> bool:
        """Whether the ignore rules of now send what those of the last build sent."""
        before = self._facts.sent()
        if before is None:
            return False
        rules = load_rules(context, basis.request.dockerfile)
        after = self._facts.look(context, rules, None)
        return after is not None and before == frozenset(after.facts)

    async def _bases_take_nothing(self, basis: Basis) -> bool:
        """Whether no base has an ONBUILD trigger; False where that is not known."""
        assert basis.taken is not None
        for base in basis.taken.bases:
            if base not in self._bases:
                try:
                    async with asyncio.timeout(_LOOKS_WITHIN):
                        inspected = await basis.engine.images.inspect(base)
                except (WorkbenchError, TimeoutError):
                    return False
                self._bases[base] = not (inspected.get("Config") or {}).get("OnBuild")
            if not self._bases[base]:
                return False
        return True

    async def _look(self, basis: Basis) -> None:
        context, rules = basis.request.context, basis.rules
        if context is None or rules is None:
            return
        stale = self._facts.stale
        self._changed = set()
        try:
            looked = await asyncio.to_thread(self._facts.look, context, rules, stale, self._halted)
        except (WorkbenchError, OSError, Cancelled):
            return  # what is not known is a change
        if looked is not None and self._changed is not None:
            self._facts.take(looked, self._changed)
            if looked.whole:
                with contextlib.suppress(WorkbenchError):  # a full disk: the digests are taken again next time
                    await asyncio.to_thread(self._facts.save)

    def _halted(self) -> bool:
        return self._halt or self._gives_way


_SAME_BYTES = "the same bytes"
_LATER_STAGE = "only later stages, which are not built"
_SAME_STEPS = "the same instructions"
_SAME_SENT = "the same files are sent"
_NOT_TAKEN = "no step takes it"


def in_words(bearing: Bearing, paths: frozenset[str]) -> str:
    """`nothing to rebuild: the same bytes (src/app.py)`."""
    name = one_line(min(paths, default=""))
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"nothing to rebuild: {bearing.why} ({name}{more})"


def _has_other_names(path: Path) -> bool:
    """Whether what is there may also be seen at another place of the context."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return found.st_nlink > 1 and not path.is_dir()


def _read_basis(request: BuildRequest, engine: Engine) -> Basis:
    """Everything is None where it cannot be read: then every change matters."""
    text = dockerfile = taken = rules = None
    try:
        if request.context is not None:
            rules = load_rules(request.context, request.dockerfile)
        text = read_text(request)
        dockerfile = parse(text)
        if request.context is not None:
            every = engine.name not in ("embedded", "buildkit")
            taken = taken_by(
                dockerfile, request.context, target=request.target, build_args=request.build_args, every_stage=every
            )
    except (WorkbenchError, OSError):
        pass  # the build says what is wrong
    return Basis(request, engine, text, dockerfile, taken, rules, time.monotonic())


def _same_steps(basis: Basis) -> str | None:
    """Whether the Dockerfile of now says the same on the same lines, and how far it is the same; None where not.
    Comments may differ: no step moves, so that what is said of a line stays true of it."""
    now = read_text(basis.request)
    if now == basis.text:
        return _SAME_BYTES
    if basis.dockerfile is None:
        return None
    before, after = basis.dockerfile, parse(now)
    if _meaning(before) == _meaning(after):
        return _SAME_STEPS
    ends = _end(before, basis.request), _end(after, basis.request)
    return _LATER_STAGE if _meaning(before, ends[0]) == _meaning(after, ends[1]) else None


def _meaning(dockerfile: Dockerfile, end: int | None = None) -> list[object]:
    """Up to the line `end`."""
    nodes = [
        (node.keyword, node.text, node.flags, node.heredocs, node.line, node.end_line)
        for node in dockerfile.nodes
        if end is None or node.line <= end
    ]
    return [dict(dockerfile.directives), *nodes]


def _end(dockerfile: Dockerfile, request: BuildRequest) -> int:
    """The last line of the stages that are built. Raises UsageError where the target is not there."""
    given = {name: value for name, value in request.build_args.items() if value is not None}
    return dockerfile.stages[max(needed_stages(dockerfile, request.target, given))].range.end_line
