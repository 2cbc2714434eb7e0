"""The reducer: events in, the state of a display out."""

from __future__ import annotations

import pytest

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
from workbench.build.progress import BuildProgress, ContainerState

PLAN = (
    PlannedStep(1, "FROM scratch", 1, 1, "base"),
    PlannedStep(2, "ADD a /", 2, 2, "base"),
    PlannedStep(3, "RUN x", 3, 4, "base"),
)


def started(step: int, at: float = 0.0) -> StepStarted:
    plan = PLAN[step - 1]
    return StepStarted(step=step, total=3, text=plan.text, line=plan.line, end_line=plan.end_line, stage="base", at=at)


def whole_build() -> list[BuildEvent]:
    return [
        BuildStarted(build="b1", engine="embedded", steps=PLAN, at=10.0),
        ContextSent(bytes=100, files=2),
        started(1),
        StepFinished(step=1, cached=True),
        started(2),
        StepProgress(step=2, what="bytes", current=5, total=10),
        StepFinished(step=2, seconds=0.5, bytes=7, image="sha256:2"),
        BuildWarning(message="old", code="MaintainerDeprecated", line=2),
        started(3, at=20.0),
        ContainerEvent(step=3, action="created", container="c"),
        StepLog(step=3, text="hal"),
        StepLog(step=3, text="lo\n", stream="stderr"),
        ContainerEvent(step=3, action="exited", container="c", exit_code=1),
        ContainerEvent(step=3, action="removed", container="c"),
        StepFinished(step=3, seconds=1.0, error="exit 1"),
        BuildFinished(outcome="failed", error="exit 1", step=3, line=3),
    ]


def test_a_whole_build() -> None:
    progress = BuildProgress().apply_all(whole_build())
    assert [step.status for step in progress] == ["cached", "done", "failed"]
    assert (progress.status, progress.total, progress.done, progress.started) == ("failed", 3, 2, 10.0)
    assert progress.failed_step is progress.current is progress.steps[3]
    assert progress.steps[3].containers == (ContainerState("c", ("created", "exited", "removed"), 1),)
    assert (progress.steps[2].image, progress.steps[2].bytes, progress.steps[2].progress) == ("sha256:2", 7, None)
    assert str(progress.logs[3]) == "hallo\n"
    assert progress.context == ContextSent(bytes=100, files=2, at=progress.context.at if progress.context else 0)
    assert [warning.code for warning in progress.warnings] == ["MaintainerDeprecated"]


def test_the_plan_stands_before_anything_ran() -> None:
    progress = BuildProgress().apply_all(whole_build()[:1])
    assert [(step.text, step.status, step.stage) for step in progress] == [
        (plan.text, "pending", "base") for plan in PLAN
    ]
    assert progress.current is None and progress.failed_step is None


def test_steps_without_a_plan_appear_as_they_start() -> None:
    progress = BuildProgress().apply_all([BuildStarted(build="b", engine="docker"), started(2), started(1)])
    assert [step.step for step in progress] == [1, 2]
    assert progress.total == 3
    assert progress.current is progress.steps[1]


def test_facts_of_a_step_that_was_never_started_are_kept() -> None:
    progress = BuildProgress().apply_all(
        [ContainerEvent(step=4, action="created", container="c"), StepFinished(step=5, seconds=1.0)]
    )
    assert progress.steps[4].containers == (ContainerState("c", ("created",)),)
    assert progress.steps[5].status == "done"


def test_a_container_that_was_told_before_its_step_stays() -> None:
    progress = BuildProgress().apply_all([ContainerEvent(step=3, action="created", container="c"), started(3)])
    assert progress.steps[3].containers == (ContainerState("c", ("created",)),)


@pytest.mark.parametrize(
    ("end", "statuses"),
    [
        (BuildFinished(outcome="cancelled", at=23.0), ["cancelled", "cancelled"]),
        (BuildFinished(outcome="failed", error="gone", lost=True, at=23.0), ["failed", "failed"]),
        (BuildFinished(outcome="failed", error="x", step=3, at=23.0), ["cancelled", "failed"]),
    ],
)
def test_steps_that_ran_when_the_build_ended_end_with_it(end: BuildFinished, statuses: list[str]) -> None:
    progress = BuildProgress().apply_all([started(2, at=20.0), started(3, at=21.0), end])
    assert [step.status for step in progress] == statuses
    assert [step.seconds for step in progress] == [3.0, 2.0]


def test_a_step_is_replaced_and_the_others_stay_the_same_objects() -> None:
    progress = BuildProgress().apply_all([*whole_build()[:1], started(1)])
    before = dict(progress.steps)
    progress.apply(StepFinished(step=1))
    assert progress.steps[1] is not before[1]
    assert progress.steps[2] is before[2]


def test_events_are_json_and_back() -> None:
    for event in whole_build():
        data = to_json(event)
        assert data["event"] == type(event).__name__
        assert from_json(data) == event


@pytest.mark.parametrize("data", [{}, {"event": "Nothing"}, {"event": 1}, {"event": "StepLog", "wrong": 1}])
def test_what_is_no_event_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        from_json(data)
