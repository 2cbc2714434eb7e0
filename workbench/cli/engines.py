"""`workbench engines`: each engine, usable here or not."""

from __future__ import annotations

import argparse
import asyncio
import sys

from workbench.cli import signals
from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.engines.choose import decide, survey
from workbench.errors import EngineError


def add_arguments(parser: Parser, name: str) -> None:
    """None of its own."""


def run(args: argparse.Namespace, config: Config) -> int:
    from workbench.report.engines import engine_json, engines_table
    from workbench.report.tables import json_lines

    async def work(stop: signals.Stop) -> int:
        found = await survey(config)
        chosen = await asyncio.to_thread(_chosen, config)
        if args.format == "json":
            sys.stdout.write(json_lines(engine_json(name, state, chosen) for name, state in found))
        else:
            sys.stdout.write(engines_table(found, chosen))
        return 0

    return signals.run(work)


def _chosen(config: Config) -> str:
    """What a build would take: the engine asked for, or what `auto` finds."""
    try:
        return decide(config).name
    except EngineError:
        return ""
