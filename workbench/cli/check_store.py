"""`workbench check-store`: whether the embedded engine's store is whole, and what is damaged where it is not."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from workbench.build.format import human_size
from workbench.cli import output
from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.engines.embedded.checking.findings import Report


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_switch("--quick", dest="quick", help="sizes only: no blob is read")
    parser.add_switch("--repair", dest="repair", help="set what is damaged apart; healthy images keep their names")


def run(args: argparse.Namespace, config: Config) -> int:
    """0 where the store is whole (after `--repair`), 1 where it is not."""
    from workbench.engines.embedded.checking.examine import examine
    from workbench.engines.embedded.store import Store

    if args.engine not in (None, "auto", "embedded"):
        raise UsageError(f"the {args.engine} engine has no store to check", hint="The embedded engine has one.")
    if args.repair and args.quick:
        raise UsageError("--repair reads everything: it cannot be --quick")
    store = Store(config.store)
    if not store.root.exists() and not args.root:
        output.talk(f"there is no store at {store.root} yet")
        return 0
    done: list[str] = []
    if args.repair:
        from workbench.engines.embedded.checking.repair import repair

        report, done = repair(store)
    else:
        report = examine(store, quick=args.quick)
    if args.format == "json":
        print(json.dumps({**report.json(), "repaired": done}))
    else:
        sys.stdout.write(_told(report, done))
    if not report.whole and not args.repair:
        output.hint("`workbench check-store --repair` sets what is damaged apart.")
    return 0 if report.whole else 1


def _told(report: Report, done: list[str]) -> str:
    from workbench.build.text import one_line

    lines = [f"repaired: {one_line(line)}" for line in done]
    for finding in sorted(report.findings, key=lambda finding: finding.harmless):
        who = f" (images: {', '.join(finding.images)})" if finding.images else ""
        kind = "note" if finding.harmless else "damaged"
        lines.append(one_line(f"{kind}: {finding.subject}: {finding.message}{who}"))
    state = "is whole" if report.whole else f"is damaged ({len(report.damage)} findings)"
    lines.append(
        f"{report.root} {state}: {report.images} images, {report.blobs} blobs ({human_size(report.bytes)}), "
        f"{report.layers} unpacked layers, {report.steps} cached steps"
    )
    return "".join(f"{line}\n" for line in lines)
