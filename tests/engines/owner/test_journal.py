"""The journal of a build: whole for who reads along, bounded for who comes later."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    PlannedStep,
    StepFinished,
    StepLog,
    StepProgress,
    StepStarted,
)
from workbench.build.progress import BuildProgress
from workbench.engines.owner.journal import CUT_OFF, Journal, Reader, Span, ended_in, events_of, left_in, line_of

STARTED = BuildStarted(build="1", engine="replay", steps=(PlannedStep(1, "RUN a", 1, 1),))
BEGUN = StepStarted(step=1, total=1, text="RUN a", line=1, end_line=1)
ENDED = StepFinished(step=1, seconds=1.0)
SUCCEEDED = BuildFinished(outcome="succeeded", image="sha256:1", tags=("a:latest",))


def read(folder: Path, *spans: Span | None) -> list[BuildEvent]:
    reader = Reader(folder)
    try:
        return [event for span in spans if span is not None for part in reader.read(span) for event in part]
    finally:
        reader.close()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 3, at=1.5)
    odd = StepLog(step=1, text="\x1b[31m \udcff \0 \u2028 end\n")
    events = [STARTED, BEGUN, odd, StepLog(step=1, text="err", stream="stderr"), ENDED, SUCCEEDED]
    spans = []
    for event in events:
        journal.add(event)
        spans.append(journal.flush())
    assert read(tmp_path, *spans) == events == read(tmp_path, journal.whole)
    assert journal.flush() is None
    journal.close(remove=False)
    left = left_in(tmp_path)
    assert left is not None and (left.at, left.finished) == (1.5, SUCCEEDED)


def test_logs_that_came_at_once_are_one_and_of_progress_the_last_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1, at=1.0)
    for number in range(50_000):
        journal.add(StepLog(step=number // 25_000, text=f"{number}\n", stream="stdout"))
    for number in range(1000):
        journal.add(StepProgress(step=1, what="bytes", current=number, total=1000))
    events = read(tmp_path, journal.flush())
    assert len(events) < 20
    logs = BuildProgress().apply_all(events).logs
    assert "".join(str(logs[step]) for step in (0, 1)) == "".join(f"{number}\n" for number in range(50_000))
    assert isinstance(events[-1], StepProgress) and events[-1].current == 999


def test_beyond_its_bound_the_older_half_of_the_logs_goes_and_it_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1, at=1.0, bound=100_000)
    journal.add(STARTED)
    journal.add(BEGUN)
    reader, told = Reader(tmp_path), []
    for number in range(10_000):
        journal.add(StepLog(step=1, text=f"line {number}\n"))
        span = journal.flush()
        assert span is not None
        told += [event for part in reader.read(span) for event in part]
    journal.add(SUCCEEDED)
    assert journal.flush() is not None
    reader.close()
    whole = "".join(f"line {number}\n" for number in range(10_000))
    assert str(BuildProgress().apply_all(told).logs[1]) == whole, "who reads along loses nothing"
    assert [path.name for path in tmp_path.iterdir()] == [journal.name]
    assert journal.size < 110_000
    later = BuildProgress().apply_all(read(tmp_path, journal.whole))
    assert later.status == "succeeded" and later.steps[1].text == "RUN a"
    log = str(later.logs[1])
    assert "bytes of this log were let go" in log.split("\n", 1)[0] and whole.endswith(log.split("let go\n")[-1])


def test_who_comes_too_late_for_a_journal_begins_with_the_one_that_took_its_place(tmp_path: Path) -> None:
    """Each was written anew without the older half of its logs, before its reading began."""
    journal = Journal(tmp_path, 1, at=1.0, bound=20_000)
    journal.add(STARTED)
    journal.add(BEGUN)
    stopped, told, spans = Reader(tmp_path), [], [journal.flush()]
    told += [event for part in stopped.read(journal.whole) for event in part]
    while not journal.name.endswith("-3.journal"):
        journal.add(StepLog(step=1, text="a line\n"))
        spans.append(journal.flush())
    assert read(tmp_path, *spans) == [], "what took the place of the last one is told next"
    journal.add(ENDED)
    spans.append(journal.flush())
    told += [event for span in spans[1:] if span is not None for part in stopped.read(span) for event in part]
    stopped.close()
    anew = max(at for at, event in enumerate(told) if event == STARTED)
    assert anew > 2, "it read the journal that it had open to its end"
    assert told[anew:] == read(tmp_path, *spans) == read(tmp_path, journal.whole)
    assert told[-1] == ENDED and told[anew + 1] == BEGUN


def test_a_full_disk_is_said_and_who_reads_along_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, 1, at=1.0)
    journal.add(STARTED)
    spans = [journal.flush()]

    def full(*unused: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    journal.add(BEGUN)
    spans.append(journal.flush())
    monkeypatch.undo()
    journal.add(SUCCEEDED)
    spans.append(journal.flush())
    assert journal.trouble == "No space left on device"
    assert read(tmp_path, *spans) == [STARTED, BEGUN, SUCCEEDED]


def test_a_disk_that_is_full_from_the_start_keeps_no_build_from_who_reads_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*unused: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    journal = Journal(tmp_path, 1, at=1.0)
    monkeypatch.undo()
    assert journal.trouble == "No space left on device"
    spans = []
    for event in (STARTED, SUCCEEDED):
        journal.add(event)
        spans.append(journal.flush())
    assert read(tmp_path, *spans) == [STARTED, SUCCEEDED] and read(tmp_path, journal.whole) == []
    journal.close(remove=True)
    assert list(tmp_path.iterdir()) == [] and left_in(tmp_path) is None


def test_a_journal_whose_owner_was_killed_before_its_first_line_is_removed(tmp_path: Path) -> None:
    (tmp_path / "1-0.journal").touch()
    assert ended_in(tmp_path) == "" and left_in(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [b"", b'{"event": "StepLo'])
def test_a_build_that_was_cut_off_is_ended_as_lost(tmp_path: Path, cut: bytes) -> None:
    journal = Journal(tmp_path, 1, at=1.0)
    journal.add(STARTED)
    assert journal.flush() is not None
    journal.close(remove=False)
    path = tmp_path / journal.name
    path.write_bytes(path.read_bytes() + cut)
    left = left_in(tmp_path)
    assert left is not None and left.finished.lost and left.finished.error == CUT_OFF
    assert read(tmp_path, Span(left.path.name, 0, left.path.stat().st_size)) == [STARTED, left.finished]
    again = left_in(tmp_path)
    assert again == left


def test_only_the_youngest_is_kept_and_nonsense_is_removed(tmp_path: Path) -> None:
    assert left_in(tmp_path) is None
    for _ in range(3):
        journal = Journal(tmp_path, 1, at=1.0)
        journal.close(remove=False)
    left = left_in(tmp_path)
    assert left is not None and left.path.name == journal.name and list(tmp_path.iterdir()) == [left.path]
    left.path.write_text("nonsense\n")
    assert left_in(tmp_path) is None and list(tmp_path.iterdir()) == []


def test_a_line_that_is_no_event_is_told() -> None:
    assert events_of([line_of(SUCCEEDED)]) == [SUCCEEDED]
    with pytest.raises(ValueError):
        events_of([b'{"event": "Nonsense"}'])
