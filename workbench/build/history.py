"""Finished builds on disk: what was built, when, by which engine, how it ended, and how long each step took.

One file of JSON lines for each context, under the state folder, newest last, bounded; beside it, compressed, the text
of each Dockerfile and the logs. Fields that a newer version wrote are ignored. Secrets are never written: of `--secret`
and `--ssh` there is the name alone, and of build arguments and labels whose name speaks of a secret no value.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from workbench.build.details import Details, load_details, save_details
from workbench.build.events import Outcome
from workbench.build.masks import Masked
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.config import Config, kept_name, state_dir
from workbench.dataclass import dataclass

_DEFAULT = Config()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is kept of one context; beyond it the oldest go."""

    builds: int = _DEFAULT.builds_kept
    """When half as many again are there, they are brought down to this."""
    days: float = _DEFAULT.builds_days
    megabytes: float = _DEFAULT.builds_megabytes
    """Of texts and logs, compressed. A build whose log went keeps its record."""

    @staticmethod
    def of(config: Config) -> Bounds:
        return Bounds(config.builds_kept, config.builds_days, config.builds_megabytes)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step as it was: its text, seconds, and whether it was reused."""

    text: str
    seconds: float
    cached: bool
    step: int = 0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A layer of the image: its diff ID, and its bytes where they are known."""

    diff_id: str
    size: int | None = None


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
    """The flags that were given (`--target`)."""
    settings: tuple[tuple[str, str], ...] = ()
    """Flags with their values, masked where they are or may be secrets."""
    build_args: tuple[str, ...] = ()
    """Names of the build arguments that were given."""
    steps: tuple[StepRecord, ...] = ()
    number: int = 0
    """What a person calls it: counts the builds of this user on this machine, of all contexts. 0 before it is added."""
    context: str = ""
    """The folder; "" in a record of an old version."""
    context_digest: str = ""
    """`sha256:` of what was sent; "" where it is not known."""
    size: int | None = None
    layers: tuple[LayerRecord, ...] = ()
    rolled_back_to: int = 0
    """This is no build: the number of the build whose image its tags were given again. 0 for a build."""
    rolled_back_from: str = ""
    """The image that had them until then; "" for none."""

    @property
    def cached(self) -> int:
        """How many of its steps were reused."""
        return sum(step.cached for step in self.steps)


def record_of(
    request: BuildRequest,
    progress: BuildProgress,
    *,
    revision: int = 0,
    text: str | None = None,
    context_digest: str = "",
    size: int | None = None,
    layers: Sequence[LayerRecord] = (),
) -> Record:
    """The record of a build that ended. `text` is the Dockerfile as it was built. Raises ValueError for a build that
    has not ended."""
    finished, masked = progress.finished, Masked(request)
    if finished is None:
        raise ValueError("the build has not ended")
    text = request.dockerfile_text if text is None else text
    digest = "" if text is None else "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    steps = [
        StepRecord(masked(step.text), round(step.seconds or 0.0, 4), step.cached, step.step, step.status == "failed")
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
        error=masked(finished.error or ""),
        dockerfile=request.dockerfile,
        digest=digest,
        options=request.options_used(),
        settings=masked.settings(),
        build_args=tuple(request.build_args),
        steps=tuple(steps),
        context="" if request.context is None else str(request.context),
        context_digest=context_digest,
        size=size,
        layers=tuple(layers),
    )


class History:
    """The records below `folder` (by default the user's state folder). Several programs may write at once.

    Every method blocks on the disk, and raises OSError where it is full or read-only.
    """

    def __init__(self, folder: Path | None = None, *, bounds: Bounds | None = None) -> None:
        self._folder = state_dir() / "history" if folder is None else folder
        self._bounds = bounds or Bounds()

    def add(self, context: Path, record: Record, details: Details | None = None) -> int:
        """Appends `record` to the builds of `context`, and gives it its number. A reader sees the whole line or none
        of it; a kill leaves at most details that nobody names."""
        place = self._place(context)
        with self._locked():
            lines = _lines(place)
            record = replace(record, number=self._next_number(), context=record.context or str(context.resolve()))
            if details is not None:
                save_details(self._details(place, record.number), details)
            line = json.dumps(asdict(record)).encode() + b"\n"
            limit = record.when - self._bounds.days * 86400
            if self._is_full(lines, limit):
                self._trim(place, lines, line, limit)
            else:
                _append(place, line)
            self._bound_details(place)
        return record.number

    def list(self, context: Path, *, limit: int | None = None, rollbacks: bool = False) -> Sequence[Record]:
        """Newest first, with `rollbacks` these among the builds. A line that cannot be read (cut short, or of another
        version) is left out."""
        return [it for it in _records(self._place(context)) if rollbacks or not it.rolled_back_to][:limit]

    def stamp(self, context: Path) -> int:
        """Another number whenever the builds of `context` are others."""
        try:
            return self._place(context).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def all(self, *, rollbacks: bool = False) -> Sequence[Record]:
        """The builds of every context, newest first; with `rollbacks` these among them."""
        every = (record for place in self._folder.glob("*.jsonl") for record in _records(place))
        found = [record for record in every if rollbacks or not record.rolled_back_to]
        return sorted(found, key=lambda record: (record.when, record.number), reverse=True)

    def details(self, record: Record) -> Details | None:
        """The Dockerfile and the logs of a build, or of the one that was rolled back to; None where they were not kept,
        or are gone."""
        number = record.rolled_back_to or record.number
        return load_details(self._details(self._place(Path(record.context)), number))

    def _place(self, context: Path) -> Path:
        return self._folder / f"{kept_name(context)}.jsonl"

    @staticmethod
    def _details(place: Path, number: int) -> Path:
        return place.with_suffix(".d") / f"{number}.json.gz"

    def _next_number(self) -> int:
        """The lock is held. A counter that was lost goes on after the newest record."""
        counter = self._folder / "last"
        try:
            last = int(counter.read_text())
        except (OSError, ValueError):
            last = max((record.number for record in self.all(rollbacks=True)), default=0)
        _replace(counter, f"{last + 1}\n".encode())
        return last + 1

    def _is_full(self, lines: Sequence[bytes], limit: float) -> bool:
        if not lines:
            return False
        oldest = _record(lines[0])
        old = oldest is not None and oldest.when < limit
        return old or len(lines) + 1 > self._bounds.builds * 3 // 2 or not lines[-1].endswith(b"\n")

    def _trim(self, place: Path, lines: Sequence[bytes], line: bytes, limit: float) -> None:
        """Without what ended before `limit`, what was cut short, and the oldest of what is too many."""
        young = [old for old in lines if old.endswith(b"\n") and not ((it := _record(old)) and it.when < limit)]
        kept = young[-max(0, self._bounds.builds - 1) :] if len(young) >= self._bounds.builds else young
        _replace(place, b"".join([*kept, line]))
        numbers = {record.number for record in _records(place)}
        for file in self._details(place, 0).parent.glob("*.json.gz"):
            if int(file.name.partition(".")[0]) not in numbers:
                file.unlink(missing_ok=True)

    def _bound_details(self, place: Path) -> None:
        left = self._bounds.megabytes * 1_000_000
        with contextlib.suppress(FileNotFoundError), os.scandir(self._details(place, 0).parent) as files:
            sizes = {int(it.name.partition(".")[0]): it.stat().st_size for it in files if it.name.endswith(".json.gz")}
            newest = max(sizes, default=0)
            for number in sorted(sizes, reverse=True):
                left -= sizes[number]
                if left < 0 and number != newest:
                    self._details(place, number).unlink(missing_ok=True)

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


def _records(place: Path) -> list[Record]:
    """Newest first."""
    found = (_record(line) for line in reversed(_lines(place)))
    return [record for record in found if record is not None]


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
        data = _known(Record, json.loads(line))
        data["steps"] = tuple(StepRecord(**_known(StepRecord, step)) for step in data["steps"])
        data["layers"] = tuple(LayerRecord(**_known(LayerRecord, layer)) for layer in data.get("layers", ()))
        data["settings"] = tuple((str(flag), str(value)) for flag, value in data.get("settings", ()))
        for name in ("tags", "options", "build_args"):
            data[name] = tuple(data[name])
        return Record(**data)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _known(cls: type[Any], data: dict[str, Any]) -> dict[str, Any]:
    """Without the fields of a newer version."""
    names = {spec.name for spec in fields(cls)}
    return {name: value for name, value in data.items() if name in names}
