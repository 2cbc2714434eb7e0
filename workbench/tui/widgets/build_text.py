"""What the build panel says, as plain text: pure functions of the build's state and the clock.

Nothing here is markup and most of it is a stranger's text: whoever puts it into a title escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.build.by_stage import StageGroup
from workbench.build.change import sentence
from workbench.build.estimate import Estimate, seconds_of
from workbench.build.events import BuildWarning
from workbench.build.format import human_duration, human_size
from workbench.build.progress import BuildProgress, StepState, StepStatus
from workbench.build.text import clean, one_line

SIGNS: dict[StepStatus, str] = {
    "done": "✔",
    "cached": "✔",
    "running": "●",
    "failed": "✘",
    "pending": "○",
    "cancelled": "–",
}
SHORT_ID = 12
_MOMENT = 0.05
"""Seconds below which a time is not worth comparing: it is written as 0.0s."""


def instruction_of(step: StepState) -> str:
    """The instruction on one line, its runs of blanks as one: continuation lines are indented in the file."""
    return one_line(" ".join(step.text.split()))


def time_of(step: StepState, now: float, *, word: bool, before: float | None = None) -> str:
    """The right end of a row: `cached`, `0.8s`, or with `word` also the state (`running 0.8s`, `pending`).

    With `before`, the seconds of its last run: `0.8s of ~3.4s` while it runs, `~3.4s` before, and when it is done
    `0.8s -2.6s`, or with `word` `0.8s (was 3.4s)`.
    """
    if step.status == "cached":
        return "cached"
    seconds = seconds_of(step, now)
    duration = human_duration(seconds) if seconds is not None and step.status != "pending" else ""
    if before is not None:
        duration = " ".join(part for part in (duration, _against(step, seconds, before, word=word)) if part)
    return f"{step.status} {duration}".strip() if word else duration


def _against(step: StepState, seconds: float | None, before: float, *, word: bool) -> str:
    if max(before, seconds or 0.0) < _MOMENT:
        return ""
    if step.status == "pending":
        return f"~{human_duration(before)}"
    if step.status == "running":
        return f"of ~{human_duration(before)}"
    if step.status != "done" or seconds is None:
        return ""
    if word:
        return f"(was {human_duration(before)})"
    change = seconds - before
    if abs(change) < 0.1:
        return ""
    return f"{'+' if change > 0 else '-'}{human_duration(abs(change))}"


def stage_of(group: StageGroup, now: float) -> str:
    """The right end of a stage's row: `2/3  4.1s`: its steps that ended well, and the seconds of all together."""
    seconds = [took for step in group.steps if (took := seconds_of(step, now)) is not None]
    counted = f"{group.done}/{len(group.steps)}"
    return f"{counted}  {human_duration(sum(seconds))}" if any(seconds) else counted


def added_of(step: StepState) -> str:
    """`+1.1MB`, or for a running step how far it is (`42%`); empty where neither is known."""
    if step.progress is not None and step.progress.total:
        return f"{min(100, 100 * step.progress.current // step.progress.total)}%"
    return f"+{human_size(step.bytes, digits=2)}" if step.bytes else ""


def container_of(step: StepState) -> str:
    """The life of a step's last intermediate container: `container b83affeca271 created, started, exited 1, removed`;
    one that was started last is running. Empty where it had none."""
    if not step.containers:
        return ""
    container = step.containers[-1]
    life = [f"exited {container.exit_code}" if action == "exited" else action for action in container.life]
    if container.action == "started":
        life[-1] = "running"
    return f"container {one_line(short_id(container.id))} {', '.join(life)}"


def status_of(progress: BuildProgress, step: StepState | None) -> str:
    """One line about the step: its progress, container and image; about the context where there is no step."""
    if step is None:
        sent = progress.context
        return f"context {human_size(sent.bytes, digits=4)}, {sent.files:,} files" if sent is not None else ""
    parts = [one_line(sentence(step.why)) if step.why else "", container_of(step)]
    if step.progress is not None:
        total = f" of {human_size(step.progress.total)}" if step.progress.total else ""
        parts.insert(0, f"{one_line(step.progress.what)} {human_size(step.progress.current)}{total}")
    if step.image:
        parts.append(f"image {one_line(short_id(step.image))}")
    return " · ".join(part for part in parts if part)


def problem_of(progress: BuildProgress) -> tuple[str, str]:
    """Why the build failed and what to do about it; two empty texts where it did not."""
    failed, finished = progress.failed_step, progress.finished
    error = hint = ""
    if finished is not None and finished.outcome == "failed":
        error, hint = finished.error or "the build failed", finished.hint
    elif failed is not None and progress.status != "cancelled":
        error = failed.error or "failed"
    if not error:
        return "", ""
    number = failed.step if failed is not None else finished.step if finished is not None else None
    where = f"step {number}: " if number is not None else ""
    return f"{SIGNS['failed']} {where}{clean(error).strip()}", clean(hint).strip()


def warnings_text(warnings: Sequence[BuildWarning]) -> str:
    """Each warning on a line of its own, with its code and its line of the Dockerfile."""
    return "".join(
        f"{f'{warning.code}: ' if warning.code else ''}{warning.message}"
        f"{f' (line {warning.line})' if warning.line else ''}\n"
        for warning in warnings
    )


def short_id(identifier: str) -> str:
    """Twelve digits of an ID, without its algorithm."""
    return identifier.rpartition(":")[2][:SHORT_ID]


def _head(progress: BuildProgress, revision: int | None) -> str:
    return "Build" if revision is None else f"Build r{revision}"


def _count(progress: BuildProgress) -> str:
    current = progress.current
    at = current.step if current is not None else progress.done
    return f"{at}/{progress.total}" if progress.total else ""


def _seconds(progress: BuildProgress, now: float) -> str:
    if progress.finished is not None:
        return human_duration(progress.finished.seconds)
    return human_duration(now - progress.started) if progress.started is not None else ""


def title_of(progress: BuildProgress, revision: int | None, now: float, expected: Estimate | None = None) -> str:
    """The title of the panel: `Build r8  3/5 · 1.2s of ~1.9s`, `Build r8  ✘ failed 5/5 · 1.3s`; our own words only.
    `expected` is how long a running build may take; with a `+` where a step to come has never run."""
    if progress.status == "idle":
        return _head(progress, revision)
    sign = {"succeeded": "✔", "failed": "✘ failed", "cancelled": "– cancelled"}.get(progress.status, "")
    counted = " ".join(part for part in (sign, _count(progress)) if part)
    seconds = _seconds(progress, now)
    if seconds and expected is not None and progress.finished is None:
        seconds = f"{seconds} of ~{human_duration(expected.seconds)}{'' if expected.whole else '+'}"
    rest = " · ".join(part for part in (counted, seconds) if part)
    return f"{_head(progress, revision)}  {rest}".rstrip()


def strip_of(progress: BuildProgress, revision: int | None, now: float) -> str:
    """The panel in one line: `Build r8 3/5 ADD busybox.tar.xz`; when it ended, how. May hold a stranger's text."""
    head = " ".join(part for part in (_head(progress, revision), _count(progress)) if part)
    if progress.status == "succeeded" and progress.finished is not None:
        named = progress.finished.tags[0] if progress.finished.tags else short_id(progress.finished.image)
        return f"{head} ✔ {one_line(named)} · {_seconds(progress, now)}"
    if progress.status == "cancelled":
        return f"{head} – cancelled"
    error, _ = problem_of(progress)
    if error:
        return f"{head} {one_line(error)}"
    current = progress.current
    return f"{head} {instruction_of(current)}" if current is not None else head
