"""`workbench demo`: a sample context copied to `./workbench-NAME`, with what it needs, and the workbench open there."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from workbench.cli import output
from workbench.cli.busybox import ARCHIVE, make_archive
from workbench.cli.parser import Parser
from workbench.cli.samples import SUMMARIES, needs_busybox, sample
from workbench.config import Config
from workbench.errors import StoreError


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("name", nargs="?", default="genesis", metavar="NAME", help=f"{', '.join(SUMMARIES)}")
    parser.add_switch("--list", dest="list", help="the samples, and what each is for")
    parser.add_switch("--no-open", dest="no_open", help="only prepare the folder")
    parser.add_argument("--make", metavar="PATH", help=f"only make the {ARCHIVE} that the context PATH wants, in place")


def run(args: argparse.Namespace, config: Config) -> int:
    if args.list:
        return _list(args.format == "json")
    if args.make is not None:
        from workbench.cli.source import local_context

        make(local_context(args.make))
        return 0
    context = prepare(args.name, Path.cwd())
    if args.no_open:
        print(context.relative_to(Path.cwd()))
        return 0
    from workbench.cli.screen import open_screen, sample_request

    return open_screen(sample_request(context, args.name), config)


def _list(as_json: bool) -> int:
    from workbench.report.tables import json_lines, table

    if as_json:
        sys.stdout.write(json_lines({"name": name, "summary": text} for name, text in SUMMARIES.items()))
    else:
        sys.stdout.write(table(["SAMPLE", "SHOWS"], SUMMARIES.items()))
    return 0


def prepare(name: str, where: Path) -> Path:
    """Copies the sample, or takes the folder that is there as it is; then makes what is missing. Raises UsageError
    for a sample that does not exist, InputError where there is no busybox, StoreError where nothing can be written."""
    source = sample(name)
    context = where / f"workbench-{name}"
    if context.is_dir():
        output.talk(f"taking ./{context.name} as it is")
    else:
        copy(source, context)
        output.talk(f"copied the sample {name} to ./{context.name}")
    make(context)
    return context


def make(context: Path, say: Callable[[str], None] = output.talk) -> None:
    """Makes what the context's Dockerfile wants and is not there. Raises InputError where there is no busybox."""
    if needs_busybox(context):
        make_archive(context, say)


def copy(source: Path, target: Path) -> None:
    """Whole or not at all: a copy that was interrupted does not pass for a folder of the user's. Raises StoreError."""
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            shutil.copytree(source, scratch / "context", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            (scratch / "context").rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"{target} cannot be made: {error.strerror or error}") from error
