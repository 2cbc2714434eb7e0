"""`workbench commit`: a container becomes an image."""

from __future__ import annotations

import argparse

from workbench.build.images import ImageStore
from workbench.cli.engine import with_images
from workbench.cli.parser import Parser
from workbench.config import Config


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("-a", "--author", default="", metavar="WHO", help="the author of the image")
    parser.add_argument("-c", "--change", action="append", default=[], metavar="INSTRUCTION",
                        help="CMD, ENV, ... as in a Dockerfile; may be given again")  # fmt: skip
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="comment of the image")
    parser.add_argument("container", metavar="CONTAINER", help="name or ID")
    parser.add_argument("name", nargs="?", metavar="REPOSITORY[:TAG]", help="its name")


def run(args: argparse.Namespace, config: Config) -> int:
    async def work(images: ImageStore) -> int:
        identifier = await images.commit(
            args.container, tag=args.name, changes=args.change, message=args.message, author=args.author
        )
        print(identifier)
        return 0

    return with_images(config, work)
