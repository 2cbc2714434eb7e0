"""What stands in the rows of the list of steps: stages with their steps below them, folded or not, and the warnings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from rich.style import Style
from rich.text import Text

from workbench.build.by_stage import StageGroup, stages_of
from workbench.build.progress import StepState, StepStatus
from workbench.dataclass import dataclass
from workbench.tui.widgets.build_text import SIGNS, added_of, instruction_of, stage_of, time_of

WARNINGS = 0
"""The key of the row that counts the warnings. Steps have their own numbers, from 1; stages count down from -1."""

_SHOWS_BYTES = 40
_SHOWS_WORDS = 58

Styles = Callable[[str], Style]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list: a step, the heading of a stage (`group`) or the warnings (`key` is WARNINGS)."""

    key: int
    step: StepState | None = None
    text: str = ""
    status: StepStatus = "pending"
    indent: int = 0
    group: StageGroup | None = None
    folded: bool = False
    before: float | None = None
    """Seconds of the step's last run, where they are known."""


def rows_of(
    steps: Sequence[StepState], warnings: int, folded: Collection[str], before: Mapping[str, float]
) -> list[Row]:
    """The rows of a build. Stages have headings where there are two; `folded` names those whose steps are not shown."""
    groups = list(stages_of(steps))
    headed = sum(bool(group.name) for group in groups) > 1
    rows: list[Row] = []
    for number, group in enumerate(groups, 1):
        heading = headed and bool(group.name)
        shut = heading and group.name in folded
        if heading:
            rows.append(Row(-number, None, group.name, group.status, group=group, folded=shut))
        if not shut:
            indent = 2 if heading else 0
            rows += [
                Row(it.step, it, instruction_of(it), it.status, indent, before=before.get(it.text))
                for it in group.steps
            ]
    if warnings:
        rows.append(Row(WARNINGS, None, f"{warnings} warning{'' if warnings == 1 else 's'}"))
    return rows


def draw(row: Row, width: int, now: float, digits: int, style: Styles) -> Text:
    """The row as text of at most `width` cells. `digits` is the width of the steps' numbers."""
    if row.step is not None:
        return _draw_step(row, row.step, width, now, digits, style)
    if row.group is not None:
        return _draw_stage(row, row.group, width, now, style)
    line = Text(f"! {row.text}", no_wrap=True, end="")
    line.truncate(width, overflow="ellipsis")
    line.stylize(style("warnings"))
    return line


def _draw_stage(row: Row, group: StageGroup, width: int, now: float, style: Styles) -> Text:
    detail = f"  {stage_of(group, now)}"
    line = Text(f"{'▸' if row.folded else '▾'} {SIGNS[row.status]} {row.text}", end="")
    line.truncate(max(1, width - len(detail)), overflow="ellipsis", pad=True)
    line.stylize(style("heading"))
    line.stylize(style(row.status), 2, 3)
    line.append(detail, style("running" if row.status == "running" else "detail"))
    return line


def _draw_step(row: Row, step: StepState, width: int, now: float, digits: int, style: Styles) -> Text:
    time = time_of(step, now, word=width >= _SHOWS_WORDS, before=row.before if width >= _SHOWS_BYTES else None)
    right = [added_of(step), time] if width >= _SHOWS_BYTES else [time]
    detail = "".join(f"  {part}" if part else "" for part in right)
    indent = row.indent if width >= _SHOWS_BYTES else row.indent // 2
    left = Text(f"{' ' * indent}{SIGNS[step.status]} {step.step:>{digits}} {row.text}", end="")
    left.truncate(max(1, width - len(detail)), overflow="ellipsis", pad=True)
    left.stylize(style(row.status), indent, indent + 1)
    if row.status in ("pending", "cached"):
        left.stylize(style(row.status), indent + 1, len(left))
    if detail:
        left.append(detail, style("detail" if row.status in ("done", "cached", "pending") else row.status))
    return left
