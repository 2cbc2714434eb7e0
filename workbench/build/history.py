"""Finished builds on disk: what was built, when, by which engine, how it ended, and how long each step took.

One file of JSON lines for each context, under the state folder, newest last, bounded. Values of build arguments,
secrets and logs are never written: a record has the names only.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.build.events import Outcome
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.config import state_dir

KEPT = 200
"""Records of one context; when half as many again are there, the oldest go."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step as it was: its text, seconds, and whether it was reused."""

    text: str
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A finished build."""

    when: float
    """Seconds since the epoch, at its end."""
    revision: int
    """As the live loop counts; 0 for a headless build."""
    engine: str
    outcome: Outcome
    image: str = ""
    tags: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""
    dockerfile: str = ""
    """Its path, relative to the context or absolute."""
    digest: str = ""
    """`sha256:` of the Dockerfile's text; empty where it was not known."""
    options: tuple[str, ...] = ()
    """The flags that were given (`--target`), without their values."""
    build_args: tuple[str, ...] = ()
    """Names of the build arguments that were given, without their values."""
    steps: tuple[StepRecord, ...] = ()


def record_of(request: BuildRequest, progress: BuildProgress, *, revision: int = 0, text: str | None = None) -> Record:
    """The record of a build that ended. `text` is the Dockerfile as it was built. Raises ValueError for a build that
    has not ended."""
    finished = progress.finished
    if finished is None:
        raise ValueError("the build has not ended")
    text = request.dockerfile_text if text is None else text
    digest = "" if text is None else "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    steps = [
        StepRecord(step.text, round(step.seconds or 0.0, 4), step.cached)
        for step in progress
        if step.status not in ("pending", "cancelled")
    ]
    return Record(
        when=finished.at,
        revision=revision,
        engine=progress.engine,
        outcome=finished.outcome,
        image=finished.image,
        tags=finished.tags or request.tags,
        seconds=round(finished.seconds, 4),
        error=finished.error or "",
        dockerfile=request.dockerfile,
        digest=digest,
        options=request.options_used(),
        build_args=tuple(request.build_args),
        steps=tuple(steps),
    )


class History:
    """The records below `folder` (by default the user's state folder). Several programs may write at once.

    Every method blocks on the disk, and raises OSError where it is full or read-only.
    """

    def __init__(self, folder: Path | None = None, *, kept: int = KEPT) -> None:
        self._folder = state_dir() / "history" if folder is None else folder
        self._kept = kept

    def add(self, context: Path, record: Record) -> None:
        """Appends `record` to the builds of `context`; a reader sees the whole line or none of it."""
        line = json.dumps(asdict(record)).encode() + b"\n"
        place = self._place(context)
        with self._locked():
            lines = _lines(place)
            if len(lines) < self._kept + self._kept // 2 and (not lines or lines[-1].endswith(b"\n")):
                _append(place, line)
            else:
                whole = [line for line in lines if line.endswith(b"\n")]
                _replace(place, b"".join([*whole[-self._kept + 1 :], line]))

    def list(self, context: Path, *, limit: int | None = None) -> Sequence[Record]:
        """Newest first. A line that cannot be read (cut short, or of another version) is left out."""
        records = (_record(line) for line in reversed(_lines(self._place(context))))
        return [record for record in records if record is not None][:limit]

    def _place(self, context: Path) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(context.resolve())).hexdigest()}.jsonl"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _lines(place: Path) -> list[bytes]:
    try:
        return place.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []


def _append(place: Path, line: bytes) -> None:
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def _replace(place: Path, content: bytes) -> None:
    new = place.with_suffix(".new")
    new.touch(0o600)
    new.write_bytes(content)
    new.replace(place)


def _record(line: bytes) -> Record | None:
    try:
        data: dict[str, Any] = json.loads(line)
        data["steps"] = tuple(StepRecord(**step) for step in data["steps"])
        for name in ("tags", "options", "build_args"):
            data[name] = tuple(data[name])
        return Record(**data)
    except (ValueError, TypeError, KeyError):
        return None
