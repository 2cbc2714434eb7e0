"""Finished builds come back newest first, bounded, whole, and without a secret."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.build.details import Details, details_of
from workbench.build.events import BuildFinished, BuildStarted, PlannedStep, StepFinished, StepLog, StepStarted
from workbench.build.history import Bounds, History, LayerRecord, Record, StepRecord, record_of
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.config import state_dir

_NOW = time.time()


def finished_build(outcome: str = "succeeded") -> BuildProgress:
    return BuildProgress().apply_all(
        [
            BuildStarted(
                build="1",
                engine="embedded",
                steps=(PlannedStep(1, "FROM scratch", 1, 1), PlannedStep(2, "RUN x", 2, 2)),
            ),
            StepStarted(step=1, total=2, text="FROM scratch", line=1, end_line=1),
            StepFinished(step=1, cached=True, seconds=0.25),
            StepLog(step=2, text="hunter2"),
            BuildFinished(outcome=outcome, image="sha256:1", seconds=1.5, at=1000.0),  # type: ignore[arg-type]
        ]
    )


def record(number: int, **fields: object) -> Record:
    return Record(when=_NOW + number, revision=number, engine="embedded", outcome="succeeded", **fields)  # type: ignore[arg-type]


def test_a_record_has_names_and_no_values() -> None:
    request = BuildRequest(
        context=Path("/c"), tags=("genesis",), build_args={"TOKEN": "hunter2", "HTTP_PROXY": None}, target="final",
        labels={"key": "hunter2"}, secrets=("id=hunter2",), dockerfile_text="FROM scratch\n",
    )  # fmt: skip
    made = record_of(request, finished_build(), revision=7)
    assert "hunter2" not in repr(made)
    assert made.options == ("--tag", "--build-arg", "--label", "--target", "--secret")
    assert made.build_args == ("TOKEN", "HTTP_PROXY")
    assert made.settings == (
        ("--tag", "genesis:latest"), ("--build-arg", "TOKEN=***"), ("--build-arg", "HTTP_PROXY"),
        ("--label", "key=***"), ("--target", "final"), ("--secret", "***"),
    )  # fmt: skip
    assert made.steps == (StepRecord("FROM scratch", 0.25, True, 1),)
    assert (made.when, made.revision, made.engine, made.seconds) == (1000.0, 7, "embedded", 1.5)
    assert (made.image, made.tags, made.dockerfile) == ("sha256:1", ("genesis:latest",), "Dockerfile")
    assert made.digest.startswith("sha256:") and len(made.digest) == 71


def test_a_build_that_runs_has_no_record() -> None:
    with pytest.raises(ValueError, match="not ended"):
        record_of(BuildRequest(context=Path("/c")), BuildProgress())


def test_records_come_back_newest_first_and_by_context(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    kept = record(
        1, tags=("a:1",), steps=(StepRecord("RUN é\udcff", 0.5, False),), options=("--target",),
        settings=(("--target", "x"),), layers=(LayerRecord("sha256:1", 5), LayerRecord("sha256:2")), context="/one",
    )  # fmt: skip
    assert [history.add(tmp_path / "one", kept), history.add(tmp_path / "one", record(2))] == [1, 2]
    assert history.add(tmp_path / "two", record(3)) == 3
    newest, oldest = history.list(tmp_path / "one")
    assert oldest == replace(kept, number=1) and newest.context == str(tmp_path / "one")
    assert history.list(tmp_path / "one", limit=1) == [newest]
    assert [found.number for found in history.list(tmp_path / "two")] == [3]
    assert [found.number for found in history.all()] == [3, 2, 1]
    assert history.list(tmp_path / "three") == []


def test_the_oldest_go(tmp_path: Path) -> None:
    history = History(tmp_path, bounds=Bounds(builds=4, days=36500))
    for number in range(20):
        history.add(tmp_path, record(number))
        assert len(history.list(tmp_path)) <= 6
    assert [found.revision for found in history.list(tmp_path, limit=4)] == [19, 18, 17, 16]


def test_a_line_cut_short_costs_itself_only(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    history.add(tmp_path, record(1))
    history.add(tmp_path, record(2))
    (file,) = (tmp_path / "history").glob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-5])
    assert [found.revision for found in history.list(tmp_path)] == [1]
    history.add(tmp_path, record(3))
    assert [found.revision for found in history.list(tmp_path)] == [3, 1]
    newer = file.read_bytes().replace(b'{"when"', b'{"of": "a newer version", "when"')
    file.write_bytes(b'{"of": "another version"}\n\xff\n[]\n' + newer)
    assert [found.revision for found in history.list(tmp_path)] == [3, 1]


def add_many(folder: Path, first: int) -> None:
    for number in range(first, first + 25):
        History(folder).add(folder, record(number))


def test_several_programs_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=add_many, args=(tmp_path, first)) for first in (0, 100, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = [record.revision for record in History(tmp_path).list(tmp_path)]
    assert sorted(found) == [*range(25), *range(100, 125), *range(200, 225)]


def test_the_place_is_the_users_state_and_private(tmp_path: Path) -> None:
    History().add(tmp_path, record(1))
    (file,) = (state_dir() / "history").glob("*.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600


def test_dockerfile_and_logs_come_back_without_what_is_secret(tmp_path: Path) -> None:
    request = BuildRequest(context=tmp_path, build_args={"TOKEN": "hunter2"}, dockerfile_text="FROM scratch\n")
    details = details_of(request, finished_build(), None)
    assert details == Details("FROM scratch\n", {2: "***"})
    history = History(tmp_path / "history")
    history.add(tmp_path, record(1), details)
    history.add(tmp_path, record(2))
    without, kept = history.list(tmp_path)
    assert history.details(kept) == details and history.details(without) is None
    (file,) = (tmp_path / "history").glob("*.d/*")
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"damaged")
    assert history.details(kept) is None


def test_a_log_beyond_its_bound_keeps_its_end_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.build.details.LOG_BOUND", 5)
    progress = finished_build()
    progress.apply(StepLog(step=1, text="the first"))
    logs = details_of(BuildRequest(context=Path("/c")), progress, "").logs
    assert logs == {
        1: "(9 characters before this were not kept)\n",
        2: "(2 characters before this were not kept)\nnter2",
    }


def test_what_is_old_and_what_is_large_goes(tmp_path: Path) -> None:
    history = History(tmp_path, bounds=Bounds(days=1, megabytes=0.0005))
    history.add(tmp_path, record(-100_000), Details("old"))
    history.add(tmp_path, record(1), Details("x"))
    assert [found.revision for found in history.list(tmp_path)] == [1]
    for number in range(2, 12):
        history.add(tmp_path, record(number), Details("x"))
    found = history.list(tmp_path)
    kept = [it.revision for it in found if history.details(it) is not None]
    assert len(found) == 11 and kept == list(range(11, 11 - len(kept), -1)) and 1 < len(kept) < 11


def test_a_lost_counter_goes_on_after_the_newest(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(tmp_path, record(1))
    history.add(tmp_path, record(2))
    (tmp_path / "last").unlink()
    assert history.add(tmp_path, record(3)) == 3
