"""Whether anything that a build is made from was changed since a moment, without having watched it."""

from __future__ import annotations

from math import inf

from workbench.build.request import BuildRequest
from workbench.context.ignore import load_rules
from workbench.context.scan import scan
from workbench.errors import WorkbenchError

_TICK_NS = 10_000_000
"""How coarse the clock of a file system is: a change in the tick of the moment itself counts as later."""


def changed_since(request: BuildRequest, moment: float, until: float = inf) -> bool:
    """True where it cannot be known. ctime cannot be set back, and a name that went changes its folder's. What changed
    again after `until` does not count: whoever asks sees that himself. Blocks on the disk."""
    if request.context is None:
        return False
    since, before = moment * 1e9 - _TICK_NS, until * 1e9 + _TICK_NS
    dockerfile = request.context / request.dockerfile
    beside = (request.context, dockerfile, dockerfile.with_name(f"{dockerfile.name}.dockerignore"))
    try:
        if any(since <= path.lstat().st_ctime_ns <= before for path in beside if path.exists()):
            return True
        found = scan(request.context, load_rules(request.context, request.dockerfile))
    except (OSError, WorkbenchError):
        return True
    return any(since <= entry.ctime_ns <= before for entry in found.sent)
