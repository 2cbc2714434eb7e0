"""Vertices and steps: by name, and over whole builds as BuildKit told them (see record.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from workbench.build.events import BuildEvent, BuildWarning, StepFinished, StepLog, StepStarted
from workbench.build.progress import BuildProgress
from workbench.dockerfile import parse
from workbench.engines.buildkit.messages import messages
from workbench.engines.buildkit.plan import Plan, familiar, make_plan
from workbench.engines.buildkit.vertices import Vertices
from workbench.errors import UsageError

RECORDINGS = Path(__file__).parent / "recordings"

TEXT = """\
ARG BASE=busybox
FROM ${BASE} AS Build
ENV A=1
RUN make \\
    all
WORKDIR /srv
FROM alpine:3 AS unwanted
RUN false
FROM scratch
LABEL a=b
COPY --from=build /a /a
ADD b /b
"""


def plan_of(text: str, target: str | None = None, **arguments: str) -> Plan:
    return make_plan(parse(text), target, arguments)


def tell(name: str) -> tuple[Vertices, list[BuildEvent]]:
    """The events of a recorded build."""
    first, *lines = [json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines()]
    vertices = Vertices(plan_of(first["dockerfile"]))
    events: list[BuildEvent] = []
    for line in lines:
        events += vertices.take(json_format.ParseDict(line, messages().StatusResponse()))
    return vertices, events


def test_the_plan_has_what_is_built() -> None:
    plan = plan_of(TEXT)
    assert [step.text.split()[0] for step in plan.steps] == [
        "ARG", "FROM", "ENV", "RUN", "WORKDIR", "FROM", "LABEL", "COPY", "ADD",
    ]  # fmt: skip
    assert [(step.step, step.line, step.end_line, step.stage) for step in plan.steps[3:6]] == [
        (4, 4, 5, "build"),
        (5, 6, 6, "build"),
        (6, 9, 9, ""),
    ]
    assert plan.uses_context and not plan_of(TEXT, "build").uses_context
    assert (plan_of(TEXT, "BUILD").target, plan.target) == ("build", "")
    with pytest.raises(UsageError):
        plan_of(TEXT, "nosuch")


@pytest.mark.parametrize(
    ("vertex", "step"),
    [
        ("[build 1/3] FROM docker.io/library/busybox", 2),
        ("[build 2/3] RUN make     all", 4),
        ("[build  3/3] WORKDIR /srv", 5),
        ("[stage-2 1/2] COPY --from=build /a /a", 8),
        ("[linux/arm64 stage-2 2/2] ADD b /b", 9),
        ("[internal] load metadata for docker.io/library/busybox:latest", 2),
        ("[internal] load metadata for docker.io/library/alpine:3", None),
        ("[internal] load build context", None),
        ("exporting to image", None),
        ("[other 1/2] RUN x", None),
    ],
)
def test_a_vertex_by_its_name(vertex: str, step: int | None) -> None:
    assert plan_of(TEXT).find(vertex) == step


def test_the_only_stage_may_have_a_name() -> None:
    plan = plan_of("FROM busybox AS it\nRUN a\n")
    assert [plan.find(f"[{name}2/2] RUN a") for name in ("", "it ", "stage-0 ")] == [2, 2, 2]


def test_triggers_of_the_base_belong_to_from() -> None:
    plan = plan_of("FROM base\nRUN a\nCOPY b /\n")
    assert plan.find("[1/5] FROM docker.io/library/base") == 1
    assert [plan.find(f"[{n}/5] RUN trigger") for n in (2, 3)] == [1, 1]
    assert (plan.find("[4/5] RUN a"), plan.find("[5/5] COPY b /")) == (2, 3)
    # Docker 20.10 numbers them, and does not count them in the total.
    assert [plan.find(f"[{n}/3] RUN a", {"": 5}) for n in (2, 3, 4)] == [1, 1, 2]
    assert plan.find("[2/3] COPY trigger /") == 1


@pytest.mark.parametrize(
    "name",
    ["busybox", "busybox:latest", "docker.io/library/busybox:latest", "library/busybox", "index.docker.io/busybox"],
)
def test_one_image_has_many_names(name: str) -> None:
    assert familiar(name) == "busybox:latest"


def test_other_images_have_other_names() -> None:
    assert familiar("localhost:5000/busybox") == "localhost:5000/busybox:latest"
    assert familiar("docker.io/me/it:1@sha256:00") == "me/it:1@sha256:00"


@pytest.mark.parametrize("engine", ["20.10", "26"])
def test_a_recorded_build_of_stages(engine: str) -> None:
    vertices, events = tell(f"stages-{engine}")
    events += vertices.finish()
    started = [event.step for event in events if isinstance(event, StepStarted)]
    ended = [event.step for event in events if isinstance(event, StepFinished)]
    assert sorted(started) == sorted(ended) == list(range(1, 13))
    for stage in ((2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12)):
        assert [step for step in started if step in stage] == list(stage)
        assert [step for step in ended if step in stage] == list(stage)
    progress = BuildProgress().apply_all(events)
    assert [step.text.split()[0] for step in progress][:4] == ["ARG", "FROM", "ENV", "RUN"]
    assert (progress.steps[7].line, progress.steps[7].stage) == (7, "two")
    assert {step.step for step in progress if step.cached} == {6}
    assert sorted(str(progress.logs[7]).split()) == ["to-err", "to-out"]
    assert {event.text: event.stream for event in events if isinstance(event, StepLog)} == {
        "to-out\n": "stdout",
        "to-err\n": "stderr",
    }
    assert (progress.steps[7].seconds or 0) > 0.3
    assert vertices.failure is None and vertices.step is None


@pytest.mark.parametrize("engine", ["20.10", "26"])
def test_stages_run_side_by_side(engine: str) -> None:
    _, events = tell(f"stages-{engine}")
    kinds = [(type(event), event.step) for event in events if isinstance(event, StepStarted | StepFinished)]
    first_end = min(kinds.index((StepFinished, step)) for step in (4, 7))
    assert max(kinds.index((StepStarted, step)) for step in (4, 7)) < first_end


@pytest.mark.parametrize("engine", ["20.10", "26"])
def test_a_recorded_failure(engine: str) -> None:
    vertices, events = tell(f"failing-{engine}")
    assert vertices.failure is not None and vertices.failure.step == 3
    assert vertices.failure.error.endswith("exit code: 7")
    failed = [event for event in events if isinstance(event, StepFinished) and event.error]
    assert [event.step for event in failed] == [3]
    assert not any(isinstance(event, StepStarted) and event.step == 4 for event in events)


def said(**fields: Any) -> Any:
    return json_format.ParseDict(fields, messages().StatusResponse())


def vertex(digest: str, name: str, state: str = "", **fields: Any) -> dict[str, Any]:
    stamps = {"started": {"seconds": 1}} if state else {}
    stamps |= {"completed": {"seconds": 3}} if state == "done" else {}
    return {"digest": digest, "name": name, **stamps, **fields}


def test_what_was_stopped_by_a_failure_is_not_the_failure() -> None:
    vertices = Vertices(plan_of("FROM busybox\nCOPY --from=there a /\n"))
    name = "[internal] load metadata for docker.io/library/busybox:latest"
    events = [*vertices.take(said(vertexes=[vertex("m", name, "done", error="context canceled")]))]
    assert [type(event) for event in events] == [StepStarted]
    assert vertices.failure is None
    [*_] = vertices.take(said(vertexes=[vertex("c", "[context there] http://it/", "done", error="no such host")]))
    assert vertices.failure is not None and vertices.failure.error == "no such host"


def test_an_image_that_is_resolved_and_then_pulled_is_one_step() -> None:
    vertices = Vertices(plan_of("FROM busybox\nRUN a\n"))
    name = "[1/2] FROM docker.io/library/busybox"
    events = [*vertices.take(said(vertexes=[vertex("f", name, "done")]))]
    events += vertices.take(said(vertexes=[vertex("f", name, "running")]))
    assert [type(event) for event in events] == [StepStarted]
    events += vertices.take(said(vertexes=[vertex("f", name, "done")]))
    events += vertices.take(said(vertexes=[vertex("r", "[2/2] RUN a", "running")]))
    assert [(type(event), event.step) for event in events if isinstance(event, StepStarted | StepFinished)] == [
        (StepStarted, 1), (StepFinished, 1), (StepStarted, 2),
    ]  # fmt: skip
    assert vertices.step == 2


def test_an_image_that_cannot_be_had_fails_its_from() -> None:
    vertices = Vertices(plan_of("ARG A\nFROM nosuch\nRUN a\n"))
    name = "[internal] load metadata for docker.io/library/nosuch:latest"
    events = [*vertices.take(said(vertexes=[vertex("m", name, "done", error="not found")]))]
    failed = [event for event in events if isinstance(event, StepFinished) and event.error]
    assert [(event.step, event.error) for event in failed] == [(2, "not found")]
    others = [*vertices.take(said(vertexes=[vertex("r", "[2/2] RUN a", "done", error="context canceled")]))]
    assert not [event for event in others if isinstance(event, StepFinished) and event.error]


def test_a_character_in_two_pieces() -> None:
    import base64

    vertices = Vertices(plan_of("FROM busybox\nRUN a\n"))
    [*vertices.take(said(vertexes=[vertex("r", "[2/2] RUN a", "running")]))]
    pieces = ["é".encode()[:1], "é".encode()[1:] + b"\xff", b"\xe2"]
    logs = [{"vertex": "r", "stream": 1, "msg": base64.b64encode(piece).decode()} for piece in pieces]
    events = [*vertices.take(said(logs=logs)), *vertices.finish()]
    assert "".join(event.text for event in events if isinstance(event, StepLog)) == "é\ufffd\ufffd"


def test_warnings_of_checks_have_code_and_line() -> None:
    import base64

    short = base64.b64encode(b"FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 2)").decode()
    warning = {
        "vertex": "b", "level": 1, "short": short, "ranges": [{"start": {"line": 2}, "end": {"line": 2}}],
        "url": "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
    }  # fmt: skip
    vertices = Vertices(plan_of("FROM busybox\n"))
    events = [*vertices.take(said(warnings=[warning, warning]))]
    assert [(event.code, event.line) for event in events if isinstance(event, BuildWarning)] == [("FromAsCasing", 2)]


def test_a_clipped_log_is_said() -> None:
    import base64

    vertices = Vertices(plan_of("FROM busybox\nRUN a\n"))
    message = base64.b64encode(b"\n[output clipped, log limit 1MiB reached]\n").decode()
    events = [
        *vertices.take(said(vertexes=[vertex("r", "[2/2] RUN a", "running")], logs=[{"vertex": "r", "msg": message}]))
    ]
    warning = next(event for event in events if isinstance(event, BuildWarning))
    assert (warning.code, warning.step) == ("log-clipped", 2)
    assert "1MiB" in warning.message
