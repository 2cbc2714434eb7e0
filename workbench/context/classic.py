"""What the classic builder's client sends of a scan: it does not go into an excluded folder for a pattern.

`docker build` without BuildKit walks into an excluded folder only where an exception begins, letter by letter, with
the folder's path: `!a/b` brings something of `a` back, `!**/b` does not (moby, pkg/archive TarWithOptions; seen with
Docker 20.10 and 28). BuildKit goes further: for it every entry with `sent` counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from workbench.context.scan import Entry, Scan


def classic_sent(scan: Scan) -> Iterator[Entry]:
    """The entries that are sent, in order, folders included."""
    return map(scan.entries.__getitem__, classic_places(scan))


def classic_places(scan: Scan) -> Iterator[int]:
    """Where those entries stand in the scan."""
    exceptions = [f"{rule.pattern}/" for rule in scan.rules if rule.negated]
    if not exceptions:
        yield from scan.sent_places
        return
    pruned = ""
    for at, entry in enumerate(scan.entries):
        if pruned and entry.path.startswith(pruned):
            continue
        pruned = ""
        if entry.sent:
            yield at
        elif entry.kind == "directory":
            inside = f"{entry.path}/"
            if not any(exception.startswith(inside) for exception in exceptions):
                pruned = inside
