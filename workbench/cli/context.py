"""`workbench context`: what a build would send, and the line of `.dockerignore` that decided."""

from __future__ import annotations

import argparse
import sys

from workbench.cli import output
from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.errors import UsageError


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="the context (default: here)")
    parser.add_argument(
        "-f", "--file", metavar="FILE", help="Dockerfile; its FILE.dockerignore goes before .dockerignore"
    )
    parser.add_switch("--sent", dest="sent", help="only what is sent")
    parser.add_switch("--ignored", dest="ignored", help="only what is not sent")


def run(args: argparse.Namespace, config: Config) -> int:
    from workbench.cli.source import dockerfile_path, local_context
    from workbench.context.ignore import IGNORE_FILE, load_rules
    from workbench.context.ignore_edit import line_for
    from workbench.context.rarely import rarely_sent
    from workbench.context.scan import scan
    from workbench.report.context import context_table, entry_json, totals
    from workbench.report.tables import json_lines

    if args.sent and args.ignored:
        raise UsageError("--sent and --ignored exclude each other")
    context = local_context(args.path)
    rules = load_rules(context, dockerfile_path(context, args.file, must_exist=False))
    if rules.has_exceptions and _builds_classic(config):
        rules = rules.as_classic()
    found = scan(context, rules)
    wanted = {True, False} if args.sent == args.ignored else {args.sent}
    entries = (entry for entry in found.entries if entry.sent in wanted)
    if args.format == "json":
        sys.stdout.write(json_lines(entry_json(entry) for entry in entries))
    else:
        sys.stdout.write(context_table(entries))
    output.talk(totals(found))
    for it in rarely_sent(found):
        output.talk(f"warning: {it.path}: {it.why}; a line {line_for(it.path)} in {IGNORE_FILE} leaves it out")
    return 0


def _builds_classic(config: Config) -> bool:
    """Whether the engine that would build goes into fewer excluded folders, as the classic builder's client does."""
    from workbench.build.engine import SENDING_AS_CLASSIC

    if config.engine != "auto":
        return config.engine in SENDING_AS_CLASSIC
    from workbench.engines.choose import decide

    return decide(config).name in SENDING_AS_CLASSIC
