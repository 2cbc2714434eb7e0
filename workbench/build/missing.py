"""Why COPY or ADD does not find a source: it is not there, or a line of `.dockerignore` leaves it out."""

from __future__ import annotations

import os
import posixpath

from workbench.context.scan import Scan
from workbench.dockerfile.suggest import did_you_mean


def why_missing(scan: Scan, source: str) -> str:
    """One sentence about `source`, a path without wildcards, as a COPY has it; "" where it is sent."""
    path = posixpath.normpath("/" + source).lstrip("/")
    entry = scan.get(path)
    if not path or (entry is not None and entry.sent):
        return ""
    rule = None
    above = path
    while above and rule is None:
        entry = scan.get(above)
        rule = entry.rule if entry is not None and not entry.sent else None
        above = above.rpartition("/")[0]
    if rule is None and not os.path.lexists(scan.root / path):
        folder = path.rpartition("/")[0]
        names = [entry.path for entry in scan.sent if entry.path.rpartition("/")[0] == folder]
        guess = did_you_mean(path, names).strip()
        return f"There is no {path} in {scan.root}.{' ' + guess if guess else ''}"
    rule = rule or scan.rules.decide(path).rule
    if rule is not None:
        where = f"line {rule.line} of {rule.source}" if rule.line else rule.source
        return f"{path} is there, but {where} leaves it out: {rule}"
    if entry is not None and entry.kind == "socket":
        return f"{path} is a socket, and sockets are not sent."
    return f"{path} is there, but leads to nothing that is sent."
