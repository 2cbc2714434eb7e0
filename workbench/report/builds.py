"""Finished builds as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from workbench.build.format import human_age, human_duration, human_size
from workbench.build.history import Record
from workbench.build.images import short_id
from workbench.build.text import one_line
from workbench.report.tables import table


def builds_table(builds: Sequence[Record], now: float) -> str:
    """One line a build, newest first."""
    return table(
        ["BUILD", "WHEN", "RESULT", "TIME", "STEPS", "SIZE", "IMAGE ID", "ENGINE", "TAGS"],
        (
            [
                str(it.number),
                human_age(max(0.0, now - it.when)),
                f"back to {it.rolled_back_to}" if it.rolled_back_to else it.outcome,
                "" if it.rolled_back_to else human_duration(it.seconds),
                _steps(it),
                "" if it.size is None else human_size(it.size),
                short_id(it.image),
                it.engine,
                ", ".join(map(one_line, it.tags)),
            ]
            for it in builds
        ),
    )


def _steps(it: Record) -> str:
    if it.rolled_back_to:
        return ""
    return f"{len(it.steps)} ({it.cached} cached)" if it.cached else str(len(it.steps))


def build_json(it: Record) -> dict[str, Any]:
    """Every field of the record, and how many steps were reused."""
    return {**asdict(it), "cached": it.cached}
