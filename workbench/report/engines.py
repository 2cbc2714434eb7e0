"""Each engine: usable here or not, and if not, why and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.build.engine import EngineInfo
from workbench.build.text import one_line
from workbench.errors import EngineUnavailable
from workbench.report.tables import table

Found = Sequence[tuple[str, EngineInfo | EngineUnavailable]]


def engines_table(found: Found, chosen: str) -> str:
    """The table, then a line or two for each engine that needs a word. `*` marks the one that auto takes."""
    rows = []
    notes = []
    for name, state in found:
        mark = " *" if name == chosen else ""
        if isinstance(state, EngineInfo):
            about = ", ".join([*([state.address] if state.address else []), *state.details])
            rows.append([name + mark, "yes", state.version or "-", one_line(about)])
            notes += [f"{name}: {one_line(warning)}" for warning in state.warnings]
        else:
            rows.append([name + mark, "no", "-", one_line(str(state))])
            if state.hint:
                notes.append(f"{name}: {state.hint}")
    text = table(["ENGINE", "USABLE", "VERSION", "ABOUT"], rows)
    return text + ("\n" + "".join(f"{note}\n" for note in notes) if notes else "")


def engine_json(name: str, state: EngineInfo | EngineUnavailable, chosen: str) -> dict[str, Any]:
    """An engine as scripts read it."""
    usable = isinstance(state, EngineInfo)
    return {
        "name": name,
        "usable": usable,
        "chosen": name == chosen,
        "version": state.version if isinstance(state, EngineInfo) else None,
        "address": state.address if isinstance(state, EngineInfo) else None,
        "details": list(state.details) if isinstance(state, EngineInfo) else [],
        "warnings": list(state.warnings) if isinstance(state, EngineInfo) else [],
        "why_not": None if isinstance(state, EngineInfo) else str(state),
        "hint": None if isinstance(state, EngineInfo) else state.hint,
    }
