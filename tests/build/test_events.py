"""Events go to JSON and back, with the field names that scripts rely on."""

import json
from typing import get_args

import pytest

from workbench.build.change import Change
from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    BuildWarning,
    ContainerEvent,
    ContextSent,
    PlannedStep,
    StepFinished,
    StepLog,
    StepProgress,
    StepStarted,
    from_json,
    to_json,
)

EVENTS: list[BuildEvent] = [
    BuildStarted(
        build="b", engine="embedded", steps=(PlannedStep(1, "FROM scratch", 1, 1), PlannedStep(2, "RUN x", 2, 3))
    ),
    ContextSent(bytes=3, files=1, total_bytes=9),
    StepStarted(step=1, total=2, text="FROM scratch", line=1, end_line=1),
    StepLog(step=2, text="[bold]\x1b[31m caf\udce9\n", stream="stderr"),
    StepProgress(step=2, what="bytes", current=1),
    ContainerEvent(step=2, action="exited", container="c" * 64, exit_code=3),
    StepFinished(
        step=2, cached=True, seconds=0.5, error="it broke", image="", bytes=7, why=(Change("content", "caf\udce9"),)
    ),
    BuildWarning(message="mind", code="Care", step=1, line=2),
    BuildFinished(outcome="failed", tags=("a:latest",), error="it broke", step=2, line=2),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_there_and_back(event: BuildEvent) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_every_event_is_in_the_test() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(BuildEvent))


@pytest.mark.parametrize(
    ("name", "fields"),
    [("ContextSent", "bytes files"), ("StepStarted", "step text line"), ("StepFinished", "step cached seconds error"),
     ("ContainerEvent", "action container exit_code"), ("StepLog", "step text"),
     ("BuildFinished", "outcome image tags error")],
)  # fmt: skip
def test_what_scripts_rely_on(name: str, fields: str) -> None:
    data = next(to_json(event) for event in EVENTS if type(event).__name__ == name)
    assert data["event"] == name and {"at", *fields.split()} <= set(data)


@pytest.mark.parametrize(
    "data", [{}, {"event": "Nothing"}, {"event": 3}, {"event": "StepLog", "stpe": 1}, {"event": "StepLog"}]
)
def test_what_is_no_event_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        from_json(data)
