"""Finished builds come back newest first, bounded, whole, and without a secret."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from workbench.build.events import BuildFinished, BuildStarted, PlannedStep, StepFinished, StepLog, StepStarted
from workbench.build.history import History, Record, StepRecord, record_of
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.config import state_dir


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
    return Record(when=float(number), revision=number, engine="embedded", outcome="succeeded", **fields)  # type: ignore[arg-type]


def test_a_record_has_names_and_no_values() -> None:
    request = BuildRequest(
        context=Path("/c"), tags=("genesis",), build_args={"TOKEN": "hunter2", "HTTP_PROXY": None}, target="final",
        labels={"key": "hunter2"}, secrets=("id=hunter2",), dockerfile_text="FROM scratch\n",
    )  # fmt: skip
    made = record_of(request, finished_build(), revision=7)
    assert "hunter2" not in repr(made)
    assert made.options == ("--tag", "--build-arg", "--label", "--target", "--secret")
    assert made.build_args == ("TOKEN", "HTTP_PROXY")
    assert made.steps == (StepRecord("FROM scratch", 0.25, True),)
    assert (made.when, made.revision, made.engine, made.seconds) == (1000.0, 7, "embedded", 1.5)
    assert (made.image, made.tags, made.dockerfile) == ("sha256:1", ("genesis:latest",), "Dockerfile")
    assert made.digest.startswith("sha256:") and len(made.digest) == 71


def test_a_build_that_runs_has_no_record() -> None:
    with pytest.raises(ValueError, match="not ended"):
        record_of(BuildRequest(context=Path("/c")), BuildProgress())


def test_records_come_back_newest_first_and_by_context(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    kept = record(1, tags=("a:1",), steps=(StepRecord("RUN é\udcff", 0.5, False),), options=("--target",))
    history.add(tmp_path / "one", kept)
    history.add(tmp_path / "one", record(2))
    history.add(tmp_path / "two", record(3))
    assert history.list(tmp_path / "one") == [record(2), kept]
    assert history.list(tmp_path / "one", limit=1) == [record(2)]
    assert history.list(tmp_path / "two") == [record(3)]
    assert history.list(tmp_path / "three") == []


def test_the_oldest_go(tmp_path: Path) -> None:
    history = History(tmp_path, kept=4)
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
    assert history.list(tmp_path) == [record(1)]
    history.add(tmp_path, record(3))
    assert history.list(tmp_path) == [record(3), record(1)]
    file.write_bytes(b'{"of": "another version"}\n\xff\n[]\n' + file.read_bytes())
    assert history.list(tmp_path) == [record(3), record(1)]


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
