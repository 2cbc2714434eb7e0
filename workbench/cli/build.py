"""`workbench build`: one build without a screen, or with `--watch` one for every change."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.engine import Build, Engine, Reasons
from workbench.build.events import BuildFinished, ContextSent
from workbench.build.request import BuildRequest
from workbench.cli import output, signals
from workbench.cli.display import MODES, Display, make_display
from workbench.cli.engine import choose_engine, in_turn, with_engine
from workbench.cli.parser import Parser
from workbench.cli.request import add_request_arguments, build_request, request_fields
from workbench.cli.source import Source, open_source, read_bytes
from workbench.config import Config
from workbench.errors import InputError, UsageError

if TYPE_CHECKING:
    import asyncio

    from workbench.build.progress import BuildProgress

_ELSEWHERE = frozenset({"docker", "buildkit"})
"""Engines that build in another process: this one has time meanwhile."""
_READ_AGAIN = 50_000
"""Files of a context that is read again for its digest in the history after an engine in this process has built: of
more it would cost as much as the build, which is kept without a digest."""


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("path", metavar="PATH | URL | -", help="folder, git or http(s) URL, or stdin (Dockerfile, tar)")
    add_request_arguments(parser)
    parser.add_switch("-q", "--quiet", dest="quiet", help="print the image's ID alone")
    parser.add_argument("--iidfile", metavar="FILE", help="write the image's ID here")
    parser.add_argument("--metadata-file", metavar="FILE", help="write the image's digest and names here, as JSON")
    parser.add_argument("--progress", choices=MODES, default="auto",
                        help="plain: the transcript; tty: with a live line; json: one event a line")  # fmt: skip
    parser.add_switch("--explain", dest="explain", help="say of each step that is not reused why")
    parser.add_switch("--check", dest="check", help="check the Dockerfile, build nothing")
    parser.add_argument("--call", choices=("build", "check"), default="build", help="check: the same as --check")
    parser.add_switch("--watch", dest="watch", help="build again whenever the context changes")


def run(args: argparse.Namespace, config: Config) -> int:
    fields = request_fields(args)
    asked = build_request(fields, None)
    if args.check or args.call == "check":
        return _check(args)
    reasons: Reasons = "kept"
    if args.quiet:
        reasons = "none"
    elif args.explain or args.progress == "json":
        reasons = "told"
    if args.watch:
        from workbench.cli.watch import refuse_to_watch

        refuse_to_watch(args)
    engine = choose_engine(config, quiet=args.quiet, request=asked, reasons=reasons)
    for flag, file in id_files(args):
        _forget(flag, file)
    if args.watch:
        from workbench.cli.watch import watch

        return watch(args, config, engine, fields)
    with open_source(args.path, args.file) as source:
        request = build_request(fields, source)
        aside = any(to_stdout(text) for text in args.output)
        display = make_display(args.progress, quiet=args.quiet, shown=source.shown, explain=args.explain, aside=aside)
        work = _Headless(request, source, display, args, config)
        if args.explain and engine.name in _ELSEWHERE and not args.quiet and not source.temporary:
            _say_compared(request, engine)
        return with_engine(in_turn(engine, alone=False), work)


def _say_compared(request: BuildRequest, engine: Engine) -> None:
    from workbench.build.compared import compared_with

    if told := compared_with(request, engine.name, time.time()):
        output.talk(told)


def to_stdout(output: str) -> bool:
    """Whether an `--output` sends its bytes to stdout: `-`, `dest=-`, and an archive without a place."""
    parts = output.split(",")
    archive = "type=tar" in parts or "type=oci" in parts
    return output == "-" or "dest=-" in parts or (archive and not any(it.startswith("dest=") for it in parts))


def _check(args: argparse.Namespace) -> int:
    from workbench.cli.check import check

    with open_source(args.path, args.file) as source:
        if source.text is not None:
            data = source.text.encode()
        else:
            assert source.context is not None, "a Dockerfile without text is one of a context"
            data = read_bytes(source.context / source.dockerfile, source.shown)
        return check(data, source.shown, as_json=args.progress == "json", context=source.context)


class _Headless:
    """The work of one build: shows its events, and turns its end into an exit code."""

    def __init__(
        self, request: BuildRequest, source: Source, display: Display, args: argparse.Namespace, config: Config
    ) -> None:
        self._request = request
        self._source = source
        self._display = display
        self._args = args
        self._config = config

    async def __call__(self, engine: Engine, stop: signals.Stop) -> int:
        from workbench.build.progress import BuildProgress

        build = engine.build(self._request)
        stop.on_stop = build.cancel
        progress = BuildProgress()
        made_from = _MadeFrom(self._request, engine, build)
        try:
            async with self._display:
                async for event in build:
                    progress.apply(event)
                    self._display.feed(event)
                    if isinstance(event, ContextSent) and not self._source.temporary:
                        made_from.sent(event.files)
        except InputError as error:
            error.hint = missing_busybox(self._source, str(error)) or error.hint
            raise
        finally:
            made_from.halt = progress.status not in ("succeeded", "failed")
            await build.aclose()
        assert progress.finished is not None, "the last event of a build is BuildFinished"
        code = self._end(progress.finished, progress.failed_step.text if progress.failed_step else "")
        if not self._source.temporary and self._request.context is not None:
            await remember(self._request, progress, engine, self._config, made_from=made_from.read())
        return code

    def _end(self, finished: BuildFinished, text: str) -> int:
        if finished.outcome == "succeeded":
            write_ids(self._args, finished)
            return 0
        if finished.outcome == "cancelled":
            output.talk("the build was cancelled")
            return 130
        hint = missing_busybox(self._source, text) or finished.hint
        self._display.failed(finished, hint)
        return 3 if finished.lost else 2 if finished.unfit else 1


class _MadeFrom:
    """What a build is made from, read on a thread: while an engine elsewhere builds, else when it has ended."""

    def __init__(self, request: BuildRequest, engine: Engine, build: Build) -> None:
        self.halt = False
        """Who cancels does not wait for more."""
        self._request = request
        self._engine = engine
        self._build = build
        self._large = False
        self._reading: asyncio.Task[tuple[str | None, str]] | None = None

    def sent(self, files: int) -> None:
        """The engine has the context."""
        import asyncio

        if self._engine.name not in _ELSEWHERE:
            self._large = files > _READ_AGAIN
            return
        self._reading = asyncio.create_task(asyncio.to_thread(self._read), name="reads what a build is made from")

    async def read(self) -> tuple[str | None, str]:
        import asyncio

        return await (self._reading or asyncio.to_thread(self._read))

    def _read(self) -> tuple[str | None, str]:
        from workbench.build.keeping import read_now

        _ = self._engine.images  # like the module above, the record needs it: imported while there is time
        return read_now(self._request, lambda: self.halt or self._large, self._build.scan)


def missing_busybox(source: Source, about: str) -> str:
    """What to do where a step wants the `busybox.tar.xz` of a sample context and nobody has made it yet."""
    from workbench.cli.busybox import ARCHIVE

    if source.context is None or ARCHIVE not in about or (source.context / ARCHIVE).exists():
        return ""
    here = os.path.relpath(source.context)
    return f"`workbench demo --make {here}` makes {ARCHIVE} there; `workbench demo genesis` does it on a copy."


def id_files(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """The files that are written when a build succeeded, each with the flag that asks for it."""
    given = (("--iidfile", args.iidfile), ("--metadata-file", args.metadata_file))
    return [(flag, Path(file)) for flag, file in given if file]


def write_ids(args: argparse.Namespace, finished: BuildFinished) -> None:
    """What `--iidfile` and `--metadata-file` ask for. The names of the metadata are buildx's (docker/buildx, build)."""
    if args.iidfile:
        _write("--iidfile", Path(args.iidfile), finished.image)
    if args.metadata_file:
        import json

        said = {"containerimage.digest": finished.image, "image.name": ",".join(finished.tags)}
        text = json.dumps({name: value for name, value in said.items() if value}, indent=2)
        _write("--metadata-file", Path(args.metadata_file), f"{text}\n")


def _write(flag: str, path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{flag} {path}: {error.strerror}") from error


def _forget(flag: str, path: Path) -> None:
    """What an earlier build left says nothing about this one."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{flag} {path}: {error.strerror}") from error
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{flag} {path}: there is no folder {path.absolute().parent}")


async def remember(
    request: BuildRequest,
    progress: BuildProgress,
    engine: Engine,
    config: Config,
    *,
    revision: int = 0,
    made_from: Awaitable[tuple[str | None, str]],
) -> None:
    """The record of finished builds; a state folder that cannot be written is not worth a failed build."""
    from workbench.build.history import Bounds
    from workbench.build.keeping import keep

    try:
        await keep(request, progress, engine, made_from, revision=revision, bounds=Bounds.of(config))
    except OSError as error:
        output.talk(f"the build is not in the history: {error.strerror}")
