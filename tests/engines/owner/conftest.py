"""Contexts whose owner tells recorded builds: one that takes long, and one that is over at once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.engines.owner.display import owners_of
from workbench.build.events import BuildEvent, BuildFinished, BuildStarted, StepFinished, StepLog, StepStarted, to_json
from workbench.config import Config

IMAGE = "sha256:" + "a" * 64


def recorded(lines: int, seconds: float) -> list[BuildEvent]:
    """A build of one step that says its lines at once and then takes `seconds`."""
    return [
        BuildStarted(at=1.0, build="1", engine="replay"),
        StepStarted(at=1.0, step=1, total=1, text="RUN make", line=1, end_line=1),
        *(StepLog(at=1.0, step=1, text=f"line {number}\n") for number in range(lines)),
        StepFinished(at=1.0 + seconds, step=1, seconds=seconds),
        BuildFinished(at=1.0 + seconds, outcome="succeeded", image=IMAGE, tags=("x:latest",), seconds=seconds),
    ]


Record = Callable[..., Config]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """What builds are made of from now on, by the configuration that it returns: an owner makes each engine once."""
    monkeypatch.setenv("WORKBENCH_REPLAY_SPEED", "1")

    def of(lines: int = 3, seconds: float = 0.0) -> Config:
        place = tmp_path / f"{lines}-{seconds}.jsonl"
        place.write_text("".join(json.dumps(to_json(event)) + "\n" for event in recorded(lines, seconds)))
        monkeypatch.setenv("WORKBENCH_REPLAY", str(place))
        return Config(engine="replay", root=place.with_suffix(""))

    of()
    return of


@pytest.fixture
def config(record: Record) -> Config:
    return record()


@pytest.fixture
def context(tmp_path: Path, record: Record) -> Iterator[Path]:
    """A folder whose owner, should a test leave one, is ended."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    yield folder
    for process in owners_of(folder):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
