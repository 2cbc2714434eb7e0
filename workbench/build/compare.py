"""Two builds side by side: which steps, times, layers and lines of the Dockerfile differ. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal

from workbench.build.history import LayerRecord, Record, StepRecord
from workbench.dataclass import dataclass

Sign = Literal[" ", "-", "+"]


@dataclass(frozen=True, slots=True)
class StepPair:
    """A step in both builds, or in one of them."""

    before: StepRecord | None
    after: StepRecord | None

    @property
    def sign(self) -> Sign:
        """Whether it came, went or stayed; its time is no part of that."""
        return "+" if self.before is None else "-" if self.after is None else " "


@dataclass(frozen=True, slots=True)
class Comparison:
    """From one build to another."""

    before: Record
    after: Record
    steps: tuple[StepPair, ...]
    layers: tuple[tuple[Sign, LayerRecord], ...]
    dockerfile: tuple[str, ...]
    """A unified diff; empty where they are the same, or one is not known."""


def compare(before: Record, after: Record, texts: tuple[str | None, str | None]) -> Comparison:
    """`texts` are the Dockerfiles of the two, None where one was not kept."""
    old, new = texts
    diff: list[str] = []
    if old is not None and new is not None:
        names = f"{before.dockerfile} of build {before.number}", f"{after.dockerfile} of build {after.number}"
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")
        diff = list(lines)
    return Comparison(before, after, _steps(before.steps, after.steps), _layers(before, after), tuple(diff))


def _steps(before: Sequence[StepRecord], after: Sequence[StepRecord]) -> tuple[StepPair, ...]:
    found: list[StepPair] = []
    matcher = difflib.SequenceMatcher(None, [it.text for it in before], [it.text for it in after], autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            found += [StepPair(*pair) for pair in zip(before[start:end], after[new_start:new_end], strict=True)]
            continue
        found += [StepPair(it, None) for it in before[start:end]]
        found += [StepPair(None, it) for it in after[new_start:new_end]]
    return tuple(found)


def _layers(before: Record, after: Record) -> tuple[tuple[Sign, LayerRecord], ...]:
    """Layers are a stack: what stands on another layer is another, whatever is in it."""
    same = 0
    for old, new in zip(before.layers, after.layers, strict=False):
        if old.diff_id != new.diff_id:
            break
        same += 1
    kept: list[tuple[Sign, LayerRecord]] = [(" ", it) for it in after.layers[:same]]
    return (*kept, *(("-", it) for it in before.layers[same:]), *(("+", it) for it in after.layers[same:]))
