"""`workbench save`, `load`, `import`, `push` and `pull`: images from and to elsewhere."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from workbench.build.images import ImageStore
from workbench.cli import output
from workbench.cli.engine import with_images
from workbench.cli.parser import Parser
from workbench.cli.transfer import Teller
from workbench.config import Config
from workbench.errors import InputError, UsageError


def add_arguments(parser: Parser, name: str) -> None:
    match name:
        case "save":
            parser.add_argument("-o", "--output", metavar="FILE", help="write here instead of to stdout")
            parser.add_argument("images", nargs="+", metavar="IMAGE", help="name or ID")
            parser.set_defaults(run=_save)
        case "load":
            parser.add_argument("-i", "--input", metavar="FILE", help="read this instead of stdin")
            parser.add_switch("-q", "--quiet", dest="quiet", help="no talk")
            parser.set_defaults(run=_load)
        case "import":
            parser.add_argument("-c", "--change", action="append", default=[], metavar="INSTRUCTION",
                                help="CMD, ENV, ... as in a Dockerfile; may be given again")  # fmt: skip
            parser.add_argument("-m", "--message", default="", metavar="TEXT", help="comment of the image")
            parser.add_argument("file", metavar="FILE|URL|-", help="the tar, compressed or not; - is stdin")
            parser.add_argument("name", nargs="?", metavar="REPOSITORY[:TAG]", help="its name")
            parser.set_defaults(run=_import)
        case "push" | "pull":
            parser.add_switch("-q", "--quiet", dest="quiet", help="no talk")
            parser.add_argument(
                "name", metavar="NAME[:TAG]", help="with the registry's host, where it is not Docker's own"
            )
            parser.set_defaults(run=_push if name == "push" else _pull)


def run(args: argparse.Namespace, config: Config) -> int:
    return int(args.run(args, config))


def _save(args: argparse.Namespace, config: Config) -> int:
    if args.output is None and output.is_terminal(sys.stdout):
        raise UsageError("a tar is nothing for a terminal", hint="Name a file with -o FILE, or redirect the output.")
    target = None if args.output in (None, "-") else Path(args.output)
    if target is not None and target.is_dir():
        raise UsageError(f"{args.output} is a folder", hint="Name the file that the archive goes to.")
    if target is not None and not target.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {target.absolute().parent}")

    async def work(images: ImageStore) -> int:
        import asyncio

        if target is not None:
            with closing(Teller(quiet=False)) as teller:
                await images.save(args.images, target.absolute(), teller.talk)
            return 0
        with _temporary() as archive:
            await images.save(args.images, archive)
            sys.stdout.flush()
            await asyncio.to_thread(_copy_out, archive)
        return 0

    return with_images(config, work)


def _copy_out(archive: Path) -> None:
    with archive.open("rb") as tar:
        shutil.copyfileobj(tar, sys.stdout.buffer, 1 << 20)
    sys.stdout.buffer.flush()


def _load(args: argparse.Namespace, config: Config) -> int:
    with _input(args.input or "-", "an archive of images", "-i FILE") as archive:

        async def work(images: ImageStore) -> int:
            with closing(Teller(quiet=args.quiet)) as teller:
                came = await images.load(archive, teller.talk)
            for name in came:
                print(f"Loaded image ID: {name}" if name.startswith("sha256:") else f"Loaded image: {name}")
            return 0

        return with_images(config, work, quiet=args.quiet)


def _import(args: argparse.Namespace, config: Config) -> int:
    from workbench.context.git import without_secrets
    from workbench.context.remote import is_url

    with _fetched(args.file) if is_url(args.file) else _input(args.file, "a tar", "its name") as archive:

        async def work(images: ImageStore) -> int:
            message = args.message or f"Imported from {without_secrets(args.file)}"
            print(await images.import_(archive, tag=args.name, changes=args.change, message=message))
            return 0

        return with_images(config, work)


def _push(args: argparse.Namespace, config: Config) -> int:
    async def work(images: ImageStore) -> int:
        with closing(Teller(quiet=args.quiet)) as teller:
            await images.push(args.name, teller.talk)
        if not args.quiet:
            output.talk(f"pushed {args.name}")
        return 0

    return with_images(config, work, quiet=args.quiet)


def _pull(args: argparse.Namespace, config: Config) -> int:
    async def work(images: ImageStore) -> int:
        with closing(Teller(quiet=args.quiet)) as teller:
            identifier = await images.pull(args.name, teller.talk)
        print(identifier)
        return 0

    return with_images(config, work, quiet=args.quiet)


@contextmanager
def _temporary() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        yield Path(folder) / "archive.tar"


@contextmanager
def _fetched(url: str) -> Iterator[Path]:
    """Raises InputError where it cannot be had."""
    from workbench.context.remote import open_url

    with _temporary() as path:
        with open_url(url) as stream, path.open("wb") as out:
            shutil.copyfileobj(stream, out, 1 << 20)
        try:
            yield path
        except InputError as error:
            raise InputError(str(error).replace(str(path), url), hint=error.hint) from error


@contextmanager
def _input(name: str, what: str, instead: str) -> Iterator[Path]:
    """The file of that name; stdin, which an archive reader cannot seek in, is written to a temporary one first."""
    if name != "-":
        path = Path(name).absolute()
        if not path.exists():
            raise InputError(f"there is no file {name}")
        if path.is_dir():
            raise InputError(f"{name} is a folder, not {what}")
        yield path
        return
    if output.is_terminal(sys.stdin):
        raise UsageError(
            f"stdin is a terminal, and {what} does not come from there", hint=f"Redirect it, or give {instead}."
        )
    with _temporary() as path:
        with path.open("wb") as out:
            shutil.copyfileobj(sys.stdin.buffer, out, 1 << 20)
        if path.stat().st_size == 0:
            raise InputError(f"stdin is empty: {what} was expected")
        try:
            yield path
        except InputError as error:
            raise InputError(str(error).replace(str(path), "stdin"), hint=error.hint) from error
