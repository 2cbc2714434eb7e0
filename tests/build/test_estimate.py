"""How long a running build may take, by the times of its steps' last runs."""

from __future__ import annotations

import pytest

from workbench.build.by_stage import taken_from
from workbench.build.estimate import Estimate, estimate
from workbench.build.events import BuildFinished, BuildStarted, PlannedStep, StepFinished, StepStarted
from workbench.build.progress import BuildProgress, StepState

TEXTS = ("FROM a AS base", "RUN base", "FROM b AS docs", "RUN docs", "FROM base", "COPY --from=docs /x /", "RUN last")
STAGES = ("base", "base", "docs", "docs", "", "", "")
BEFORE = {"RUN base": 10.0, "RUN docs": 30.0, "RUN last": 5.0, "COPY --from=docs /x /": 1.0}
FROMS = dict.fromkeys((TEXTS[0], TEXTS[2], TEXTS[4]), 0.0)


def started(engine: str) -> BuildProgress:
    plan = tuple(PlannedStep(at, text, at, at, STAGES[at - 1]) for at, text in enumerate(TEXTS, 1))
    return BuildProgress().apply_all([BuildStarted(build="b", engine=engine, steps=plan, at=100.0)])


@pytest.mark.parametrize(("engine", "seconds"), [("docker", 46.0), ("embedded", 36.0), ("buildkit", 36.0)])
def test_stages_side_by_side_count_as_the_longest_way_through_them(engine: str, seconds: float) -> None:
    assert estimate(started(engine), BEFORE | FROMS, 100.0) == Estimate(seconds, whole=True)


def test_what_ran_already_counts_and_what_is_overdue_counts_nothing() -> None:
    progress = started("embedded")
    progress.apply(StepFinished(step=1, cached=True))
    progress.apply(StepStarted(step=4, total=7, text="RUN docs", line=4, end_line=4, stage="docs", at=100.0))
    assert estimate(progress, BEFORE | FROMS, 110.0) == Estimate(36.0, whole=True)
    assert estimate(progress, BEFORE | FROMS, 150.0) == Estimate(66.0, whole=True)  # base is still to come
    assert estimate(progress, {}, 110.0) is None
    assert estimate(progress, {"RUN last": 5.0}, 110.0) == Estimate(15.0, whole=False)
    progress.apply(BuildFinished(outcome="failed"))
    assert estimate(progress, BEFORE, 150.0) is None


def test_where_only_a_step_without_a_last_run_takes_time_nothing_is_said() -> None:
    plan = (PlannedStep(1, "RUN new", 1, 1), PlannedStep(2, "COPY src /", 2, 2), PlannedStep(3, "RUN last", 3, 3))
    progress = BuildProgress().apply_all(
        [
            BuildStarted(build="b", engine="embedded", steps=plan, at=100.0),
            StepStarted(step=1, total=3, text="RUN new", line=1, end_line=1, at=100.0),
        ]
    )
    assert estimate(progress, {"COPY src /": 0.002, "RUN last": 0.002}, 110.0) is None
    assert estimate(progress, {"COPY src /": 0.25, "RUN last": 5.0}, 110.0) == Estimate(15.25, whole=False)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("FROM --platform=linux/amd64 Golang:1 AS x", {"golang:1"}),
        ("COPY --chown=1 --from=Docs a b", {"docs"}),
        (
            "RUN --mount=type=bind,from=one,target=/x --mount=from=two,target=/c make --from=x",
            {"one", "two"},
        ),
        ('RUN --mount="type=bind,from=Quoted,target=/x" <<EOF', {"quoted"}),
        ("RUN --mount=type=cache,target=/c,source=from=me,id=from=me make", set()),
        ("RUN --mount=type=nothing,from=x true", set()),
        ("COPY a b", set()),
        ("COPY a --from=me b", set()),
        ("RUN echo --from=me", set()),
    ],
)
def test_what_a_step_takes_from(text: str, names: set[str]) -> None:
    assert taken_from(StepState(1, text, 1, 1)) == names
