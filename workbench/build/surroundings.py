"""What the checks of a Dockerfile may know of the context it stands in: its ignore file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.context.ignore import load_rules
from workbench.dockerfile.surroundings import NOTHING, Surroundings
from workbench.errors import InputError


def context_surroundings(
    context: Path | None,
    dockerfile: str | Path,
    *,
    base_config: Callable[[str], Mapping[str, Any] | None] | None = None,
    platform: str = "",
) -> Surroundings:
    """Reads the ignore file, so it blocks for a moment; without a context nothing is known of one.

    An ignore file that cannot be read counts as none here: sending the context says what is wrong with it.
    """
    ignored = _ignored(context, dockerfile) if context is not None else None
    if ignored is None and base_config is None and not platform:
        return NOTHING
    return Surroundings(base_config=base_config, ignored=ignored, platform=platform)


def _ignored(context: Path, dockerfile: str | Path) -> Callable[[str], str] | None:
    try:
        rules = load_rules(context, dockerfile)
    except InputError:
        return None
    if not len(rules) or any(rule.negated for rule in rules):
        return None  # an exception may bring back what lies below: whether a COPY finds something is for the scan

    def ignored(path: str) -> str:
        decision = rules.decide(path)
        rule = decision.rule
        return f"{rule.source}:{rule.line}: {rule}" if decision.excluded and rule is not None else ""

    return ignored
