"""The live line: it never mixes with the transcript, and is gone at the end."""

import io

from tests.report.test_plain import LAB, genesis, started
from workbench.build.events import BuildFinished, StepFinished, StepLog, StepProgress
from workbench.report.live import LiveTranscript

ERASE = "\r\x1b[2K"


def seen(text: str) -> str:
    """What a terminal shows at the end: whatever stood before an erase on the same line is gone."""
    return "\n".join(line.rpartition(ERASE)[2] for line in text.split("\n"))


def test_at_the_end_only_the_transcript_is_left() -> None:
    out = io.StringIO()
    live = LiveTranscript(out, lambda: 80)
    for event in genesis():
        live.feed(event)
        live.tick()
    assert seen(out.getvalue()) == LAB


def test_the_line_says_which_step_how_long_and_how_far() -> None:
    out = io.StringIO()
    now = 1000.0
    live = LiveTranscript(out, lambda: 60, clock=lambda: now)
    live.feed(started(2, "RUN make\x1b[2J"))
    live.feed(StepProgress(step=2, what="bytes", current=1_500_000, total=3_000_000))
    out.truncate(0)
    live.tick()
    assert "[2/4] " in out.getvalue() and "1.5MB/3MB" in out.getvalue() and "RUN make" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()


def test_it_never_wraps() -> None:
    out = io.StringIO()
    live = LiveTranscript(out, lambda: 20)
    live.feed(started(1, "RUN " + "x" * 200))
    live.tick()
    assert all(len(line) < 20 for line in out.getvalue().split("\n")[-1].split(ERASE))


def test_output_without_a_newline_is_not_lost() -> None:
    out = io.StringIO()
    live = LiveTranscript(out, lambda: 80)
    for event in (started(1, "RUN a"), StepLog(step=1, text="half a line"), StepFinished(step=1, error="x"),
                  BuildFinished(outcome="failed", error="x")):  # fmt: skip
        live.feed(event)
    assert seen(out.getvalue()).endswith("half a line\n")
