"""`workbench images`, `history` and `inspect`: what there is."""

from __future__ import annotations

import argparse
import json
import sys
import time

from workbench.build.images import ImageStore
from workbench.cli import output
from workbench.cli.engine import with_images
from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.errors import ImageNotFound


def add_arguments(parser: Parser, name: str) -> None:
    if name == "inspect":
        parser.add_argument("images", nargs="+", metavar="IMAGE", help="name or ID")
        parser.set_defaults(run=_inspect)
        return
    parser.add_switch("--no-trunc", dest="no_trunc", help="whole IDs and texts")
    parser.add_switch("-q", "--quiet", dest="quiet", help="only IDs")
    if name == "history":
        parser.add_argument("image", metavar="IMAGE", help="name or ID")
        parser.set_defaults(run=_history)
        return
    parser.add_switch("-a", "--all", dest="all", help="also the untagged images between the steps of a build")
    parser.add_switch("--digests", dest="digests", help="a column with the registry's digests")
    parser.add_argument("--filter", action="append", default=[], metavar="KEY=VALUE",
                        help="dangling=true, label=K[=V], reference=PATTERN, before=IMAGE, since=IMAGE")  # fmt: skip
    parser.add_argument("name", nargs="?", default="", metavar="REPOSITORY[:TAG]", help="only these")
    parser.set_defaults(run=_images)


def run(args: argparse.Namespace, config: Config) -> int:
    return int(args.run(args, config))


def _images(args: argparse.Namespace, config: Config) -> int:
    from workbench.build.trash import without_trash
    from workbench.report.images import image_rows, images_table
    from workbench.report.tables import json_lines

    async def work(images: ImageStore) -> int:
        found = without_trash(await images.list(all=args.all, name=args.name, filters=args.filter))
        rows = image_rows(found, args.name)
        now, truncate = time.time(), not args.no_trunc
        if args.format == "json":
            sys.stdout.write(json_lines(row.json(now, truncate=truncate) for row in rows))
        elif args.quiet:
            sys.stdout.write("".join(f"{row.identifier(truncate)}\n" for row in rows))
        else:
            sys.stdout.write(images_table(rows, now, truncate=truncate, digests=args.digests))
        return 0

    return with_images(config, work, quiet=args.quiet)


def _history(args: argparse.Namespace, config: Config) -> int:
    from workbench.build.images import short_id
    from workbench.report.images import history_json, history_table
    from workbench.report.tables import json_lines

    async def work(images: ImageStore) -> int:
        entries = await images.history(args.image)
        now, truncate = time.time(), not args.no_trunc
        if args.format == "json":
            sys.stdout.write(json_lines(history_json(entry, now, truncate=truncate) for entry in entries))
        elif args.quiet:
            ids = [entry.id or "<missing>" for entry in entries]
            sys.stdout.write("".join(f"{short_id(it) if truncate else it}\n" for it in ids))
        else:
            sys.stdout.write(history_table(entries, now, truncate=truncate))
        return 0

    return with_images(config, work, quiet=args.quiet)


def _inspect(args: argparse.Namespace, config: Config) -> int:
    async def work(images: ImageStore) -> int:
        found, missing = [], []
        for reference in args.images:
            try:
                found.append(await images.inspect(reference))
            except ImageNotFound as error:
                missing.append(error)
        print(json.dumps(found, indent=4))
        for failure in missing:
            output.show_error(failure)
        return 1 if missing else 0

    return with_images(config, work)
