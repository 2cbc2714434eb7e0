"""The events of one build on disk, as JSON lines that several displays read while they are written.

A journal is bounded: beyond its bound it is written anew under another name, without the older half of the logs, and
says so in them. Who reads the old file goes on to its end; nothing that was told is lost to him.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.build.events import BuildEvent, BuildFinished, StepLog, StepProgress, from_json, to_json
from workbench.dataclass import dataclass

BOUND = 64 * 1024 * 1024
"""Bytes of a journal, beyond which the older half of its logs goes."""

_TOGETHER = 64 * 1024
"""Characters of log that become one line at most, where they came at once."""
_CHUNK = 256 * 1024
_LOG = b'{"event": "StepLog", "step": '
_STEP = re.compile(rb'\{"event": "StepLog", "step": (\d+)')
_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class Span:
    """New bytes of the journal of that name; they are in `text` where the disk would not take them."""

    name: str
    start: int
    end: int
    text: str = ""


class Journal:
    """Writes the journal of a build of `revision`, asked for `at` (seconds since the epoch), into `folder`. From one
    thread."""

    def __init__(self, folder: Path, revision: int, *, at: float, bound: int = BOUND) -> None:
        self.revision = revision
        self.trouble = ""
        """Why the disk no longer takes it: displays that are attached still see all, later ones do not."""
        self._folder = folder
        self._bound = bound
        self._generation = 0
        self._waiting: list[BuildEvent] = []
        self._texts: list[str] = []  # of the last one that waits, where that is a log
        self._length = 0
        self._header = json.dumps({"revision": revision, "at": at}).encode() + b"\n"
        self._born = time.time_ns()
        self._file: int | None = None
        self.size = 0
        try:
            self._file, self.size = self._begin(self._header)
        except OSError as error:
            self.trouble = _why(error)

    @property
    def name(self) -> str:
        """No journal of the context ever had it before: a reader goes by it."""
        return f"{self._born:020}-{self._generation}{_SUFFIX}"

    @property
    def whole(self) -> Span:
        """All that was flushed."""
        return Span(self.name, 0, self.size)

    def add(self, event: BuildEvent) -> None:
        """Takes an event; `flush` writes. Logs of one step that came at once become one, and of a step's progress the
        last one stays."""
        last = self._waiting[-1] if self._waiting else None
        if isinstance(event, StepLog):
            same = isinstance(last, StepLog) and (last.step, last.stream) == (event.step, event.stream)
            if same and self._length < _TOGETHER:
                self._texts.append(event.text)
                self._length += len(event.text)
                return
            self._close_text()
            self._texts, self._length = [event.text], len(event.text)
        else:
            self._close_text()
            if isinstance(event, StepProgress) and isinstance(last, StepProgress) and last.step == event.step:
                self._waiting.pop()
        self._waiting.append(event)

    def _close_text(self) -> None:
        if len(self._texts) > 1:
            first = self._waiting[-1]
            assert isinstance(first, StepLog)
            self._waiting[-1] = StepLog(step=first.step, text="".join(self._texts), stream=first.stream, at=first.at)
        self._texts = []

    def flush(self) -> Span | None:
        """Writes what waits. None where nothing did."""
        self._close_text()
        events, self._waiting = self._waiting, []
        if not events:
            return None
        data = b"".join(map(line_of, events))
        if self._file is not None and not self.trouble:
            try:
                _write(self._file, data, self.size)
            except OSError as error:
                self.trouble = _why(error)
        if self.trouble:
            return Span(self.name, self.size, self.size, data.decode())
        span = Span(self.name, self.size, self.size + len(data))
        self.size = span.end
        if self.size > self._bound:
            self._shorten()
        return span

    def _shorten(self) -> None:
        """A new file with all that is no log, and the younger half of the logs."""
        kept, dropped = _younger_half(self._folder / self.name, self.size)
        said = [
            StepLog(step=step, text=f"… {size:,} bytes of this log were let go\n") for step, size in dropped.items()
        ]
        old = self._folder / self.name
        self._generation += 1
        at = next((at for at, line in enumerate(kept) if line.startswith(_LOG)), len(kept))
        kept[at:at] = map(line_of, said)
        try:
            file, self.size = self._begin(b"".join(kept))
        except OSError as error:
            self._generation -= 1
            self.trouble = _why(error)
            return
        self._end()
        self._file = file
        old.unlink(missing_ok=True)

    def _begin(self, data: bytes) -> tuple[int, int]:
        path = self._folder / self.name
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write(file, data, 0)
        except BaseException:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        return file, len(data)

    def close(self, *, remove: bool) -> None:
        """Ends the writing; what has been seen needs no keeping."""
        self._end()
        if remove:
            (self._folder / self.name).unlink(missing_ok=True)

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def line_of(event: BuildEvent) -> bytes:
    """The event as a line of a journal, the step of a log in a fixed place."""
    if isinstance(event, StepLog):
        facts = {"event": "StepLog", "step": event.step, "text": event.text, "stream": event.stream, "at": event.at}
        return json.dumps(facts).encode() + b"\n"
    return json.dumps(to_json(event)).encode() + b"\n"


def _write(file: int, data: bytes, at: int) -> None:
    """All of it, or nothing."""
    rest, place = memoryview(data), at
    try:
        while rest:
            done = os.pwrite(file, rest, place)
            rest, place = rest[done:], place + done
    except OSError:
        os.ftruncate(file, at)
        raise


def _younger_half(path: Path, size: int) -> tuple[list[bytes], Counter[int]]:
    """The lines to keep, and the bytes of log that go, by step."""
    kept: list[bytes] = []
    dropped: Counter[int] = Counter()
    at = 0
    with path.open("rb") as file:
        for line in file:
            at += len(line)
            if at < size // 2 and (found := _STEP.match(line)):
                dropped[int(found[1])] += len(line)
            else:
                kept.append(line)
    return kept, dropped


class Reader:
    """Reads spans of the journals in `folder`. One whose reading has begun stays readable. Of one that is gone before,
    nothing can be told: the journal that took its place is then read from its beginning. Blocks on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = ""
        self._file: int | None = None
        self._missed = False

    def read(self, span: Span) -> Iterator[Sequence[BuildEvent]]:
        """The events, in pieces of about a quarter of a megabyte."""
        if span.text:
            yield events_of(span.text.encode().splitlines())
            return
        try:
            file = self._open(span.name)
        except FileNotFoundError:
            self._missed = True
            return
        at, rest = 0 if self._missed else span.start, b""
        self._missed = False
        while at < span.end:
            data = os.pread(file, min(_CHUNK, span.end - at), at)
            if not data:
                raise ValueError(f"{span.name} is shorter than {span.end} bytes")
            at += len(data)
            *lines, rest = (rest + data).split(b"\n")
            yield events_of(lines)

    @property
    def build(self) -> str:
        """That of the journal that was read last (see `build_of`)."""
        return build_of(self._name)

    def _open(self, name: str) -> int:
        if self._file is None or name != self._name:
            file = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
            self.close()
            self._file, self._name = file, name
        return self._file

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def events_of(lines: Sequence[bytes]) -> list[BuildEvent]:
    """The events of whole lines, logs that follow each other in one. Raises ValueError for what is no event."""
    found: list[BuildEvent] = []
    log: tuple[object, ...] = ()
    texts: list[str] = []
    for line in lines:
        data = json.loads(line)
        name = data.get("event")
        if name == "StepLog" and (data["step"], data["stream"]) == log:
            texts.append(data["text"])
            continue
        _end_log(found, texts)
        log = ()
        if name is None:
            continue  # the header
        found.append(from_json(data))
        if name == "StepLog":
            log, texts = (data["step"], data["stream"]), [data["text"]]
    _end_log(found, texts)
    return found


def _end_log(found: list[BuildEvent], texts: list[str]) -> None:
    if len(texts) > 1:
        first = found[-1]
        assert isinstance(first, StepLog)
        found[-1] = StepLog(step=first.step, text="".join(texts), stream=first.stream, at=first.at)
    texts.clear()


CUT_OFF = "the process that ran the build was killed"


@dataclass(frozen=True, slots=True)
class Left:
    """A journal that an earlier owner left: the build that began `at`."""

    path: Path
    revision: int
    at: float
    finished: BuildFinished

    @property
    def build(self) -> str:
        """See `build_of`."""
        return build_of(self.path.name)


def build_of(name: str) -> str:
    """What the names of all journals of one build have in common, and of no other."""
    return name.partition("-")[0]


def _add(path: Path, at: int, line: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(file, at)
        _write(file, line, at)
    finally:
        os.close(file)


def left_in(folder: Path) -> Left | None:
    """The youngest journal in the folder; older ones, and one that cannot be read, are removed.

    Where its owner was killed, a last line that was cut short is taken away, and the build's end is written: lost."""
    found = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.name)
    for path in found[:-1]:
        path.unlink(missing_ok=True)
    if not found:
        return None
    young = found[-1]
    try:
        data = young.read_bytes()
        *lines, cut = data.split(b"\n")
        if not lines:
            raise ValueError("it has not even begun")
        header = json.loads(lines[0])
        finished = _end_of(lines)
        if finished is None:
            finished = BuildFinished(outcome="failed", error=CUT_OFF, hint="Build again (F5).", lost=True)
            _add(young, len(data) - len(cut), line_of(finished))
        return Left(young, int(header["revision"]), float(header["at"]), finished)
    except (OSError, ValueError, KeyError, TypeError):
        young.unlink(missing_ok=True)
        return None


def ended_in(folder: Path) -> str:
    """The build (see `build_of`) of the youngest journal in the folder, where that build has ended; "" else. Changes
    nothing. Blocks."""
    young = max(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.name, default=None)
    try:
        ended = young is not None and _end_of(young.read_bytes().split(b"\n")[:-1]) is not None
    except (OSError, ValueError):
        ended = False
    return build_of(young.name) if young is not None and ended else ""


def _end_of(lines: Sequence[bytes]) -> BuildFinished | None:
    """How the build ended whose whole lines these are; None where it has not."""
    events = events_of(lines[-1:])
    return events[-1] if events and isinstance(events[-1], BuildFinished) else None
