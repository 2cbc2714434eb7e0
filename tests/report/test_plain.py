"""The transcript, word for word as Docker's classic builder has it."""

import io
from collections.abc import Iterable

from workbench.build.change import Change
from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    ContainerEvent,
    ContextSent,
    PlannedStep,
    StepFinished,
    StepLog,
    StepProgress,
    StepStarted,
)
from workbench.report.plain import PlainTranscript, failure_line

ID = "sha256:" + "0123456789abcdef" * 4


def told(*events: BuildEvent) -> str:
    out = io.StringIO()
    transcript = PlainTranscript(out)
    for event in events:
        transcript.feed(event)
    return out.getvalue()


def started(step: int, text: str, total: int = 4) -> StepStarted:
    return StepStarted(step=step, total=total, text=text, line=step, end_line=step)


def container(step: int, action: str, identifier: str, code: int | None = None) -> ContainerEvent:
    return ContainerEvent(step=step, action=action, container=identifier + "f" * 52, exit_code=code)  # type: ignore[arg-type]


def genesis(engine: str = "docker") -> Iterable[BuildEvent]:
    return [
        BuildStarted(build="1", engine=engine),
        ContextSent(bytes=597_504, files=2),
        started(1, "FROM scratch"),
        StepFinished(step=1),
        started(2, "MAINTAINER byjeon <mysummit@gmail.com>"),
        container(2, "created", "b83affeca271"),
        container(2, "removed", "b83affeca271"),
        StepFinished(step=2, image="sha256:d15161ed7223" + "0" * 52),
        started(3, "ADD busybox.tar.xz /"),
        StepProgress(step=3, what="bytes", current=1),
        StepFinished(step=3, image="sha256:9c2d0b6ea2b5" + "0" * 52, cached=True),
        started(4, 'CMD ["sh"]'),
        container(4, "created", "0f0e0d0c0b0a"),
        container(4, "exited", "0f0e0d0c0b0a", 0),
        container(4, "committed", "0f0e0d0c0b0a"),
        container(4, "removed", "0f0e0d0c0b0a"),
        StepFinished(step=4, image="sha256:c5de1cf67f83" + "0" * 52),
        BuildFinished(outcome="succeeded", image="sha256:c5de1cf67f83" + "0" * 52, tags=("genesis:latest",)),
    ]


LAB = """\
Sending build context to Docker daemon  597.5kB
Step 1/4 : FROM scratch
 --->
Step 2/4 : MAINTAINER byjeon <mysummit@gmail.com>
 ---> Running in b83affeca271
Removing intermediate container b83affeca271
 ---> d15161ed7223
Step 3/4 : ADD busybox.tar.xz /
 ---> Using cache
 ---> 9c2d0b6ea2b5
Step 4/4 : CMD ["sh"]
 ---> Running in 0f0e0d0c0b0a
Removing intermediate container 0f0e0d0c0b0a
 ---> c5de1cf67f83
Successfully built c5de1cf67f83
Successfully tagged genesis:latest
"""


def test_the_transcript_of_the_lab() -> None:
    assert told(*genesis()) == LAB


def test_the_embedded_engine_says_its_name() -> None:
    assert told(*genesis("embedded")).splitlines()[0] == "Sending build context to embedded engine  597.5kB"


def test_an_argument_before_the_first_from_leaves_nothing() -> None:
    assert told(started(1, "ARG X=1"), StepFinished(step=1), started(2, "FROM busybox"),
                StepFinished(step=2, image=ID, cached=True)) == (
        "Step 1/4 : ARG X=1\nStep 2/4 : FROM busybox\n ---> 0123456789ab\n"
    )  # fmt: skip


def test_our_lines_begin_at_the_margin() -> None:
    text = told(
        started(1, "RUN printf x"), container(1, "created", "b83affeca271"), StepLog(step=1, text="no new"),
        StepLog(step=1, text="line"), container(1, "removed", "b83affeca271"), StepFinished(step=1, image=ID),
    )  # fmt: skip
    assert text.splitlines()[2:] == ["no newline", "Removing intermediate container b83affeca271", " ---> 0123456789ab"]


def test_control_sequences_of_the_output_are_dropped_even_when_cut() -> None:
    pieces = ["a\x1b[3", "1mred\x1b]0;title", "\x07 b\n", "[bold]kept[/bold] \x1b[2J\n"]
    text = told(
        started(1, "RUN x\x1b[2J"), *(StepLog(step=1, text=it) for it in pieces), StepFinished(step=1, image=ID)
    )
    assert text == "Step 1/4 : RUN x\nared b\n[bold]kept[/bold] \n ---> 0123456789ab\n"


def test_steps_side_by_side_are_told_one_after_the_other() -> None:
    text = told(
        started(1, "RUN a"), started(3, "RUN c"), StepLog(step=3, text="c1\n"), StepLog(step=1, text="a1\n"),
        started(4, "RUN d"), StepFinished(step=3, image=ID), StepLog(step=4, text="d1\n"), StepLog(step=1, text="a2\n"),
        StepFinished(step=1, image=ID), StepLog(step=4, text="d2\n"), StepFinished(step=4, image=ID),
        BuildFinished(outcome="succeeded", image=ID),
    )  # fmt: skip
    assert text.splitlines() == [
        "Step 1/4 : RUN a", "a1", "a2", " ---> 0123456789ab", "Step 3/4 : RUN c", "c1", " ---> 0123456789ab",
        "Step 4/4 : RUN d", "d1", "d2", " ---> 0123456789ab", "Successfully built 0123456789ab",
    ]  # fmt: skip


def test_a_failure_loses_no_output_of_any_step() -> None:
    text = told(
        started(1, "RUN a"), started(2, "RUN b"), StepLog(step=2, text="from b"), StepLog(step=1, text="from a"),
        StepFinished(step=2, error="code 1"), BuildFinished(outcome="failed", error="code 1", step=2, line=7),
    )  # fmt: skip
    assert text.splitlines() == ["Step 1/4 : RUN a", "from a", "Step 2/4 : RUN b", "from b"]


def test_the_line_of_a_failure_names_the_place() -> None:
    assert failure_line(BuildFinished(outcome="failed", error="it broke", line=3), "a/Dockerfile") == (
        "a/Dockerfile:3: it broke"
    )
    assert failure_line(BuildFinished(outcome="failed", error="it broke"), "Dockerfile") == "it broke"


def test_a_step_that_was_not_reused_says_why_only_where_asked() -> None:
    events = (
        started(1, "COPY a /"),
        StepFinished(step=1, image=ID, why=(Change("content", "a\x1b[2J\n"),)),
        started(2, "RUN x"),
        StepFinished(step=2, error="no", why=(Change("previous", "1"),)),
    )
    out = io.StringIO()
    transcript = PlainTranscript(out, explain=True)
    for event in events:
        transcript.feed(event)
    assert out.getvalue() == (
        "Step 1/4 : COPY a /\n ---> Not reused: a\\x1b[2J\\n changed\n ---> 0123456789ab\n"
        "Step 2/4 : RUN x\n ---> Not reused: step 1 before it was not reused\n"
    )
    assert "Not reused" not in told(*events)


def test_stages_side_by_side_stay_together_in_the_order_of_their_numbers() -> None:
    plan = tuple(PlannedStep(n, text, n, n) for n, text in enumerate(("FROM a", "RUN b", "FROM c", "RUN d"), 1))
    events = (
        BuildStarted(build="1", engine="embedded", steps=plan),
        started(1, "FROM a"),
        started(3, "FROM c"),
        StepFinished(step=3, image=ID),
        StepFinished(step=1, image=ID),
        started(4, "RUN d"),
        StepLog(step=4, text="d 1\n"),
        started(2, "RUN b"),
        StepLog(step=2, text="b\n"),
        StepLog(step=4, text="d 2\n"),
        StepFinished(step=2, image=ID),
        StepLog(step=4, text="d 3\n"),
        StepFinished(step=4, image=ID),
    )
    whole = (
        "Step 1/4 : FROM a\n ---> 0123456789ab\nStep 2/4 : RUN b\nb\n ---> 0123456789ab\n"
        "Step 3/4 : FROM c\n ---> 0123456789ab\nStep 4/4 : RUN d\nd 1\nd 2\nd 3\n ---> 0123456789ab\n"
    )
    assert told(*events) == whole
    failed = (*events[:-3], BuildFinished(outcome="failed", error="no", step=4))
    assert told(*failed) == (
        "Step 1/4 : FROM a\n ---> 0123456789ab\nStep 2/4 : RUN b\nb\n"
        "Step 3/4 : FROM c\n ---> 0123456789ab\nStep 4/4 : RUN d\nd 1\nd 2\n"
    )
