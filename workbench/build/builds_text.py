"""Finished builds in words: one of them, and two side by side, a line at a time and safe to show."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.build.compare import Comparison
from workbench.build.format import human_duration, human_size, timestamp
from workbench.build.history import Record, StepRecord
from workbench.build.images import short_id
from workbench.build.text import clean, one_line


def build_lines(it: Record) -> list[str]:
    """A build for a person: what it was made from, and its steps."""
    if it.rolled_back_to:
        return _rollback_lines(it)
    facts = [
        ("Build", f"{it.number}{f' (revision {it.revision})' if it.revision else ''}"),
        ("When", timestamp(it.when)),
        ("Context", one_line(it.context)),
        ("Context digest", it.context_digest or "not known"),
        ("Dockerfile", f"{one_line(it.dockerfile)}  {it.digest or 'not known'}"),
        ("Engine", it.engine),
        ("Options", " ".join(f"{flag}={one_line(value)}" for flag, value in it.settings) or "none"),
        ("Result", f"{it.outcome}{f': {one_line(it.error)}' if it.error else ''}"),
        ("Time", human_duration(it.seconds)),
        ("Image", it.image or "none"),
        ("Tags", ", ".join(map(one_line, it.tags))),
        ("Size", "not known" if it.size is None else human_size(it.size)),
    ]
    lines = [f"{name:<16}{value}".rstrip() for name, value in facts]
    return [*lines, "", *_steps(it)]


def _rollback_lines(it: Record) -> list[str]:
    """What was rolled back to what, and when."""
    facts = [
        ("Rollback", str(it.number)),
        ("When", timestamp(it.when)),
        ("Context", one_line(it.context)),
        ("Tags", ", ".join(map(one_line, it.tags))),
        ("From", it.rolled_back_from or "nothing"),
        ("To", f"{it.image} (build {it.rolled_back_to})"),
        ("Engine", it.engine),
    ]
    return [f"{name:<16}{value}".rstrip() for name, value in facts]


def _steps(it: Record) -> Iterator[str]:
    for step in it.steps:
        how = "failed" if step.failed else "cached" if step.cached else human_duration(step.seconds)
        yield f"{step.step:>4}  {how:>8}  {one_line(step.text)}"


def comparison_lines(it: Comparison) -> Iterator[str]:
    """From one build to another: sums, steps, layers, and the diff of the Dockerfiles."""
    before, after = it.before, it.after
    yield f"{'':<12}{f'build {before.number}':>18}{f'build {after.number}':>18}"
    yield f"{'Result':<12}{before.outcome:>18}{after.outcome:>18}"
    yield f"{'Time':<12}{human_duration(before.seconds):>18}{human_duration(after.seconds):>18}"
    yield f"{'Cached':<12}{_cached(before):>18}{_cached(after):>18}"
    yield f"{'Size':<12}{_size(before.size):>18}{_size(after.size):>18}"
    yield f"{'Image':<12}{short_id(before.image):>18}{short_id(after.image):>18}"
    same = before.context_digest == after.context_digest if before.context_digest and after.context_digest else None
    yield f"{'Context':<12}{'the same' if same else 'another' if same is False else 'not known':>18}"
    yield ""
    yield f"  {'before':>8}  {'after':>8}  Steps"
    for pair in it.steps:
        step = pair.after or pair.before
        assert step is not None, "a pair has one step at least"
        yield f"{pair.sign} {_took(pair.before):>8}  {_took(pair.after):>8}  {one_line(step.text)}"
    yield ""
    yield "  Layers" if it.layers else "  Layers: not known"
    for sign, layer in it.layers:
        yield f"{sign} {short_id(layer.diff_id)}  {_size(layer.size):>8}"
    yield ""
    if it.dockerfile:
        yield from map(clean, it.dockerfile)
    else:
        alike = before.digest != "" and before.digest == after.digest
        yield "The Dockerfiles are the same." if alike else "The Dockerfiles are not both kept."


def _cached(it: Record) -> str:
    return f"{it.cached} of {len(it.steps)}"


def _size(size: int | None) -> str:
    return "not known" if size is None else human_size(size)


def _took(step: StepRecord | None) -> str:
    if step is None:
        return ""
    return "failed" if step.failed else "cached" if step.cached else human_duration(step.seconds)
