"""`workbench rmi`, `prune`, `tag` and `untag`: names come and go."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable, Sequence

from workbench.build.format import human_size
from workbench.build.images import ImageStore, Removal
from workbench.cli import output
from workbench.cli.engine import with_images
from workbench.cli.parser import Parser
from workbench.config import Config
from workbench.errors import EngineError, UsageError, WorkbenchError


def add_arguments(parser: Parser, name: str) -> None:
    if name == "tag":
        parser.add_argument("source", metavar="SOURCE_IMAGE[:TAG]", help="name or ID of the image")
        parser.add_argument("target", metavar="TARGET_IMAGE[:TAG]", help="the name it gets too")
        parser.set_defaults(run=_tag)
        return
    if name == "untag":
        parser.add_argument("images", nargs="+", metavar="IMAGE:TAG", help="the name that goes")
        parser.set_defaults(run=_untag)
        return
    if name == "rmi":
        parser.add_argument("images", nargs="+", metavar="IMAGE", help="name or ID")
        parser.add_switch("-f", "--force", dest="force", help="also where several names or stopped containers use it")
        parser.add_switch("--trash", dest="trash", help="hold it for a while: `workbench trash restore` takes it back")
        parser.set_defaults(run=_rmi)
        return
    parser.add_switch("-a", "--all", dest="all", help="every image that no container uses, not only untagged ones")
    parser.add_switch("--cache", dest="cache", help="no image, but all that is kept only to build faster")
    parser.add_switch("-f", "--force", dest="force", help="do not ask")
    parser.add_switch("--dry-run", dest="dry_run", help="say what would go, and leave it")
    parser.set_defaults(run=_prune)


def run(args: argparse.Namespace, config: Config) -> int:
    return int(args.run(args, config))


def _tag(args: argparse.Namespace, config: Config) -> int:
    async def work(images: ImageStore) -> int:
        await images.tag(args.source, args.target)
        return 0

    return with_images(config, work)


def _rmi(args: argparse.Namespace, config: Config) -> int:
    from workbench.cli.trash import trash_of

    if args.trash and args.force:
        raise UsageError("--force is for what is deleted for good, and --trash holds it: one of the two")

    async def work(images: ImageStore) -> int:
        trash = trash_of(images, config)
        if not args.trash or not trash.holds:
            return await _each(args.images, lambda name: images.remove([name], force=args.force), "Deleted")
        code = await _each(args.images, lambda name: trash.put([name]), "Held")
        await trash.expire()
        return code

    return with_images(config, work)


def _untag(args: argparse.Namespace, config: Config) -> int:
    from workbench.build.names import untag

    async def work(images: ImageStore) -> int:
        async def one(name: str) -> Removal:
            await untag(images, name)
            return Removal(untagged=(name,))

        return await _each(args.images, one, "Deleted")

    return with_images(config, work)


async def _each(names: Sequence[str], work: Callable[[str], Awaitable[Removal]], deleted: str) -> int:
    """One after the other; what is refused is said, and the rest goes on. The worst exit code."""
    code = 0
    for name in names:
        try:
            removal = await work(name)
        except EngineError:
            raise
        except WorkbenchError as error:
            output.show_error(error)
            code = max(code, error.exit_code)
            continue
        sys.stdout.write(_gone(removal, "Untagged", deleted))
        sys.stdout.flush()
    return code


def _gone(removal: Removal, untagged: str, deleted: str) -> str:
    lines = [f"{untagged}: {tag}\n" for tag in removal.untagged]
    return "".join([*lines, *(f"{deleted}: {identifier}\n" for identifier in removal.deleted)])


def _warn(removal: Removal, how: str) -> None:
    """Says which earlier builds lose their images."""
    from workbench.build.history import History

    gone = set(removal.deleted)
    numbers = sorted({it.number for it in History().all() if it.image in gone})
    if numbers:
        shown = f"{'…, ' if len(numbers) > 10 else ''}{', '.join(map(str, numbers[-10:]))}"
        output.talk(f"{how} with it: what `workbench rollback` needs to go back to build {shown}")


def _prune(args: argparse.Namespace, config: Config) -> int:
    if args.all and args.cache:
        raise UsageError("--all is about images and --cache about what is no image: one after the other")
    what = "all images without at least one container associated to them" if args.all else "all dangling images"
    what = "the build cache" if args.cache else what
    question = f"WARNING! This will remove {what}.\nAre you sure you want to continue? [y/N] "

    async def work(images: ImageStore) -> int:
        asks = not (args.force or args.dry_run)
        if asks and not args.cache:
            _warn(await images.prune(all=args.all, dry_run=True), "would go")
        if asks and not output.confirm(question):
            output.talk("nothing was removed")
            return 0
        if args.cache:
            removal = await images.prune_cache(dry_run=args.dry_run)
        else:
            removal = await images.prune(all=args.all, dry_run=args.dry_run)
        if not asks:
            _warn(removal, "would go" if args.dry_run else "went")
        if args.format == "json":
            print(json.dumps({"untagged": removal.untagged, "deleted": removal.deleted,
                              "bytes_freed": removal.bytes_freed, "dry_run": args.dry_run}))  # fmt: skip
            return 0
        if removal.untagged or removal.deleted:
            print("Would delete images:" if args.dry_run else "Deleted Images:")
            print(_gone(removal, "untagged", "deleted"))
        print(f"Total {'reclaimable' if args.dry_run else 'reclaimed'} space: {human_size(removal.bytes_freed)}")
        return 0

    return with_images(config, work)
