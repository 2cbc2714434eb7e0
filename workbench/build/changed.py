"""Whether anything that a build is made from was changed since a moment, without having watched it."""

from __future__ import annotations

from workbench.build.request import BuildRequest
from workbench.context.ignore import load_rules
from workbench.context.scan import scan
from workbench.errors import WorkbenchError

_TICK_NS = 10_000_000
"""How coarse the clock of a file system is: a change in the tick of the moment itself counts as later."""


def changed_since(request: BuildRequest, moment: float) -> bool:
    """True where it cannot be known. ctime cannot be set back, and a name that went changes its folder's. Blocks on
    the disk."""
    if request.context is None:
        return False
    since = int(moment * 1e9) - _TICK_NS
    dockerfile = request.context / request.dockerfile
    beside = (request.context, dockerfile, dockerfile.with_name(f"{dockerfile.name}.dockerignore"))
    try:
        if any(path.lstat().st_ctime_ns >= since for path in beside if path.exists()):
            return True
        found = scan(request.context, load_rules(request.context, request.dockerfile))
    except (OSError, WorkbenchError):
        return True
    return any(entry.ctime_ns >= since for entry in found.sent)
