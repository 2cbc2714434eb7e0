"""What a build would send, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench.build.format import human_size
from workbench.build.text import one_line
from workbench.context.ignore import Rule
from workbench.context.scan import Entry, Scan
from workbench.report.tables import table


def context_table(entries: Iterable[Entry]) -> str:
    """SENT  SIZE  DECIDED BY  PATH; directories end in `/`, links say where they lead."""
    return table(
        ["SENT", "SIZE", "DECIDED BY", "PATH"],
        (
            [
                "yes" if entry.sent else "no",
                human_size(entry.size) if entry.kind == "file" else entry.kind,
                one_line(_decided_by(entry.rule)),
                one_line(_name(entry)) + (f"  ({one_line(entry.error)})" if entry.error else ""),
            ]
            for entry in entries
        ),
    )


def _decided_by(rule: Rule | None) -> str:
    """`.dockerignore:3 !*.md`, the way a compiler names a place."""
    if rule is None:
        return "-"
    return f"{rule.source}:{rule.line} {rule}" if rule.line else str(rule)


def _name(entry: Entry) -> str:
    if entry.kind == "directory":
        return f"{entry.path}/"
    return f"{entry.path} -> {entry.link}" if entry.kind == "symlink" else entry.path


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry as scripts read it. `rule` is null where no line decided."""
    rule = entry.rule
    return {
        "path": entry.path,
        "kind": entry.kind,
        "size": entry.size,
        "mode": f"{entry.mode:04o}",
        "sent": entry.sent,
        "rule": None
        if rule is None
        else {"source": rule.source, "line": rule.line, "pattern": str(rule), "negated": rule.negated},
        "link": entry.link or None,
        "error": entry.error or None,
    }


def totals(scan: Scan) -> str:
    """`12 files, 3.4kB sent; 5 files, 1.2MB not sent`."""
    left_files = scan.files - scan.sent_files
    left = f"{_files(left_files)}, {human_size(scan.bytes - scan.sent_bytes)} not sent" if left_files else "all of it"
    return f"{_files(scan.sent_files)}, {human_size(scan.sent_bytes)} sent; {left}"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
