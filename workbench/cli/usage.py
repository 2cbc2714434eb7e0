"""`workbench df`: what images and caches take of the disk, and what a prune would free."""

from __future__ import annotations

import argparse
import json
import sys
import time

from workbench.build.images import ImageStore
from workbench.cli.engine import with_images
from workbench.cli.parser import Parser
from workbench.config import Config


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_switch("-v", "--verbose", dest="verbose", help="also each image, with what it shares with others")


def run(args: argparse.Namespace, config: Config) -> int:
    from workbench.report.tables import json_lines
    from workbench.report.usage import image_usage_json, images_usage_table, usage_json, usage_table

    async def work(images: ImageStore) -> int:
        usage = await images.usage()
        if args.format == "json" and args.verbose:
            print(json.dumps({"Usage": [usage_json(kind) for kind in usage.kinds],
                              "Images": [image_usage_json(image) for image in usage.images]}))  # fmt: skip
        elif args.format == "json":
            sys.stdout.write(json_lines(usage_json(kind) for kind in usage.kinds))
        else:
            sys.stdout.write(usage_table(usage))
            if args.verbose:
                sys.stdout.write("\n" + images_usage_table(usage, time.time()))
        return 0

    return with_images(config, work)
