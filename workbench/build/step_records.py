"""The steps of finished builds on disk: what each was made of, for engines that keep no manifests themselves.

A folder for each context and engine below the state folder: `builds.json`, newest last, and one packed manifest for
each step by its identity. Bounded; losing it loses forecasts and explanations and nothing else. Values that may be
secrets are digests, see `build.manifest`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from workbench.build.change import Change
from workbench.build.manifest import Manifest, from_lines, nearest, to_lines
from workbench.build.request import BuildRequest
from workbench.build.steps import Step
from workbench.config import state_dir
from workbench.dataclass import dataclass
from workbench.files import replace_file

KEPT = 20
"""Builds of one context."""
MOST_BYTES = 64 << 20
"""Of packed manifests of one context; the oldest builds go first."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step that an earlier build ended well. `image` is the short ID of what it left, where the engine has one."""

    identity: str
    stands_on: str
    base: str
    stage: int
    image: str = ""


class StepRecords:
    """Of one request's context, Dockerfile and engine. Every method blocks; none raises for what is on the disk."""

    def __init__(self, request: BuildRequest, engine: str, folder: Path | None = None) -> None:
        where = json.dumps([str(request.context), request.dockerfile, engine])
        name = hashlib.sha256(where.encode()).hexdigest()[:32]
        self._folder = (state_dir() / "steps" if folder is None else folder) / name

    def load(self) -> list[list[Recorded]]:
        """Newest first."""
        try:
            builds = json.loads((self._folder / "builds.json").read_bytes())
            return [[Recorded(**step) for step in build] for build in reversed(builds)]
        except (OSError, ValueError, TypeError):
            return []

    def newest(self) -> float | None:
        """When the newest of them ended, in seconds since the epoch; None where there are none."""
        try:
            return (self._folder / "builds.json").stat().st_mtime
        except OSError:
            return None

    def manifest(self, identity: str) -> Manifest | None:
        try:
            with gzip.open(self._folder / f"{identity}.gz", "rt", encoding="ascii") as lines:
                return from_lines(lines)
        except (OSError, EOFError, ValueError):
            return None

    def add(self, steps: Sequence[tuple[Step, str]]) -> None:
        """A build's steps that ended well, each with the ID of its image. A disk that cannot be written keeps what
        it has."""
        if not steps:
            return
        build = [Recorded(it.identity, it.stands_on, it.manifest.base, it.stage, image) for it, image in steps]
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for step, _ in steps:
                self._keep(step)
            earlier = [it for it in self.load() if it != build]
            builds = self._bounded([build, *earlier[: KEPT - 1]])
            content = json.dumps([[asdict(step) for step in build] for build in reversed(builds)])
            replace_file(self._folder / "builds.json", content.encode(), 0o600, durable=False)
            self._forget({step.identity for build in builds for step in build})

    def _keep(self, step: Step) -> None:
        path = self._folder / f"{step.identity}.gz"
        if not path.exists():
            text = "".join(f"{line}\n" for line in to_lines(step.manifest))
            replace_file(path, gzip.compress(text.encode(), 1, mtime=0), 0o600, durable=False)

    def _bounded(self, builds: list[list[Recorded]]) -> list[list[Recorded]]:
        seen: set[str] = set()
        size = 0
        for at, build in enumerate(builds):
            for identity in {step.identity for step in build} - seen:
                seen.add(identity)
                with suppress(FileNotFoundError):
                    size += (self._folder / f"{identity}.gz").stat().st_size
            if size > MOST_BYTES and at:
                return builds[:at]
        return builds

    def _forget(self, kept: Collection[str]) -> None:
        for path in self._folder.glob("*.gz"):
            if path.stem not in kept:
                path.unlink(missing_ok=True)


class KnownSteps:
    """What earlier builds tell about steps. `present` are the short IDs of the images that the engine still has, None
    where it cannot say."""

    def __init__(
        self, builds: Iterable[Iterable[Recorded]], manifest: Callable[[str], Manifest | None],
        present: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        self._steps = [step for build in builds for step in build]
        self._manifest = manifest
        self._reusable = {
            step.identity for step in self._steps if present is None or not step.image or step.image in present
        }

    def has(self, step: Step) -> bool:
        """Whether an earlier build made the same."""
        return step.identity in self._reusable

    def why(self, step: Step) -> tuple[Change, ...]:
        """Why none did: compared with the steps that stood on the same, or on the same base."""
        if any(it.identity == step.identity for it in self._steps):
            return (Change("gone"),)
        found = [it for it in self._steps if it.stands_on == step.stands_on]
        base = step.manifest.base
        if not found and base:
            found = [it for it in self._steps if it.base == base] or [
                it for it in self._steps if it.base and it.stage == step.stage
            ]
        found.sort(key=lambda it: it.stage != step.stage)
        names = dict.fromkeys(it.identity for it in found)
        read = (self._manifest(name) for name in names)
        return nearest((it for it in read if it is not None), step.manifest)
