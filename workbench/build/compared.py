"""Which build the reasons of `--explain` compare with, where not every build leaves a record of its steps.

A Docker Engine keeps none. A build leaves one, but for a headless one that only wants its image: that does not pay for
a second look at the context.
"""

from __future__ import annotations

from workbench.build.format import human_age
from workbench.build.history import History
from workbench.build.request import BuildRequest
from workbench.build.step_records import StepRecords

_SAME = 1.0
"""Seconds between the record of a build's steps and the time of its end."""


def compared_with(request: BuildRequest, engine: str, now: float) -> str:
    """One line for a person; "" where there is nothing to say: a context that is fetched. Blocks."""
    if request.context is None:
        return ""
    when = StepRecords(request, engine).newest()
    if when is None:
        return "no build before left a record of its steps: there is nothing to compare with"
    builds = [
        it
        for it in History().list(request.context)
        if it.engine == engine and it.dockerfile == request.dockerfile and it.outcome == "succeeded"
    ]
    number = next((it.number for it in builds if it.when <= when + _SAME), 0)
    since = sum(it.when > when + _SAME for it in builds)
    told = f"compared with {f'build {number}' if number else 'a build'}, of {human_age(now - when)}"
    if not since:
        return told
    builds_since = "the build since left" if since == 1 else f"the {since} builds since left"
    return f"{told}: {builds_since} no record of steps, as -q has it"
