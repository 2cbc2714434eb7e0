"""`workbench trash`: what was deleted and can be taken back, taking it back, and emptying."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from workbench.build.format import human_age, human_size
from workbench.build.images import ImageStore
from workbench.build.text import one_line
from workbench.build.trash import Held, Trash
from workbench.cli import output
from workbench.cli.engine import with_images
from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.errors import ImageNotFound


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("what", nargs="?", choices=("list", "restore", "empty"), default="list",
                        help="default: list")  # fmt: skip
    parser.add_argument(
        "names", nargs="*", metavar="IMAGE",
        help="names or IDs of what is in it; without one restore takes what was deleted last, empty all",
    )  # fmt: skip
    parser.add_switch("-f", "--force", dest="force", help="empty: do not ask")
    parser.add_switch("--expired", dest="expired", help="empty: only what has been held for its time, or is too much")


def run(args: argparse.Namespace, config: Config) -> int:
    async def work(images: ImageStore) -> int:
        trash = trash_of(images, config)
        if args.what == "restore":
            return await _restore(trash, args.names)
        if args.what == "empty":
            return await _empty(trash, args)
        _list(_meant(await trash.held(), args.names), args.format)
        return 0

    return with_images(config, work)


def trash_of(images: ImageStore, config: Config) -> Trash:
    """As the configuration has it."""
    return Trash(images, seconds=config.trash_minutes * 60, most=config.trash_gb * 1e9)


def _meant(held: Sequence[Held], names: Sequence[str]) -> Sequence[Held]:
    """All without names; of several that had the same name the last deleted. Raises ImageNotFound."""
    if not names:
        return held
    found = []
    for name in names:
        mine = [it for it in held if name in (it.name, it.name.removesuffix(":latest"), it.hidden)]
        mine = mine[:1] or [it for it in held if it.image.id.removeprefix("sha256:").startswith(name)]
        if not mine:
            raise ImageNotFound(f"not in the trash: {name}", hint="`workbench trash` lists what is.")
        found += mine
    return list({it.hidden: it for it in found}.values())


def _list(held: Sequence[Held], form: str) -> None:
    from workbench.report.tables import json_lines, table

    now = time.time()
    if form == "json":
        sys.stdout.write(json_lines(
            {"Name": it.name, "ID": it.image.id, "Deleted": it.deleted, "Until": it.until, "Size": it.image.size}
            for it in held
        ))  # fmt: skip
        return
    sys.stdout.write(table(
        ["NAME", "IMAGE ID", "DELETED", "HELD FOR", "SIZE"],
        ([one_line(it.said), it.image.short, human_age(now - it.deleted), _left(it.until - now),
          human_size(it.image.size)] for it in held),
    ))  # fmt: skip


def _left(seconds: float) -> str:
    return f"{round(seconds / 60)} min" if seconds >= 60 else f"{max(0, round(seconds))} s"


async def _restore(trash: Trash, names: Sequence[str]) -> int:
    held = _meant(await trash.held(), names) if names else await trash.last()
    if not held:
        output.talk("the trash is empty")
    for it in await trash.restore(held):
        print(f"Restored: {it.name}" if it.name == it.held.name else f"Restored: {it.held.said} as {it.name}")
    return 0


async def _empty(trash: Trash, args: argparse.Namespace) -> int:
    if args.expired:
        done = await trash.expire()
    else:
        held = _meant(await trash.held(), args.names)
        question = f"WARNING! This will delete {len(held)} images of the trash for good.\nAre you sure? [y/N] "
        if held and not args.force and not output.confirm(question):
            output.talk("nothing was removed")
            return 0
        done = await trash.empty(held)
    sys.stdout.write("".join(f"Deleted: {name}\n" for name in done.untagged))
    print(f"Total reclaimed space: {human_size(done.bytes_freed)}")
    if done.blocked:
        output.talk(done.blocked)
    return 1 if done.blocked else 0
