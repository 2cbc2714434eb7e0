"""`workbench [CONTEXT]`: the terminal UI. Textual is imported here and nowhere before."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.build.request import BuildRequest
from workbench.cli import output
from workbench.cli.parser import Parser
from workbench.cli.request import add_request_arguments, build_request, read_options, request_fields
from workbench.cli.source import DOCKERFILE, Source, dockerfile_path, local_context
from workbench.config import Config
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.first_paint import FirstPaint
    from workbench.tui.touring import Touring


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_argument("context", nargs="?", metavar="CONTEXT", help="the folder (default: here)")
    parser.add_switch("--watch", dest="watch", default=True, help="rebuild after a save (default true)")
    parser.add_switch("--tour", dest="tour", help="learn it in two minutes, on a copy of a sample (made in CONTEXT)")
    parser.add_argument("--serve", nargs="?", const="", metavar="HOST:PORT",
                        help="in a browser instead of this terminal (default: 127.0.0.1:8000)")  # fmt: skip
    add_request_arguments(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    served = _served(args)
    if args.tour and served is None:
        return _open_tour(args.context, config)
    context = local_context("." if args.context is None else args.context)
    if args.file == "-":
        raise UsageError("the workbench edits a Dockerfile on disk, not stdin")
    name = dockerfile_path(context, args.file, must_exist=args.file is not None)
    source = Source(context, name, None, name)
    request = build_request(request_fields(args), source)
    if served is not None:
        from workbench.cli.serve import read_address, serve, without_flag

        return serve(without_flag(args.command_line, served), read_address(served))
    return open_screen(request, config if args.watch else replace(config, watch="off"))


def _served(args: argparse.Namespace) -> str | None:
    """What `--serve` says; None without it. `--serve .` serves that CONTEXT at the usual address."""
    served: str | None = args.serve
    if served and args.context is None and f"--serve={served}" not in args.command_line:
        from workbench.cli.serve import looks_like_address

        if not looks_like_address(served):
            args.context, served = served, ""
    return served


def _open_tour(folder: str | None, config: Config) -> int:
    from workbench.cli.tour import TourCopies, chosen_copy, first_start

    refuse_without_terminal()
    first_start()  # whoever takes the tour need not be offered it
    if folder is not None:
        return _open_on_copy(chosen_copy(Path(folder)), config).code
    with TourCopies() as copies:
        return _open_on_tour(copies.make(), config)


def open_screen(request: BuildRequest, config: Config) -> int:
    """Opens the workbench on a request's context; the exit code. A tour that is wanted there is taken elsewhere, and
    the workbench is then here again. Raises UsageError where there is no terminal."""
    refuse_without_terminal()
    from workbench.cli.tour import TourCopies, first_start
    from workbench.tui.touring import Touring

    offer = first_start()
    with TourCopies() as copies:
        while True:
            ended = _open(request, config, Touring(make=copies.make, offer=offer))
            if ended.wanted is None or ended.code:
                return ended.code
            offer, code = False, _open_on_tour(ended.wanted, config)
            if code:
                return code


def _open_on_tour(context: Path, config: Config) -> int:
    """On a copy that goes afterwards, and with it all that the tour made."""
    from workbench.cli.tour import forget_images, images_of, state_in

    with state_in(context.parent / "state"):
        ended = _open_on_copy(context, config)
        images = images_of(context)
    if images:
        forget_images(images, config, ended.engine)
    return ended.code


def _open_on_copy(context: Path, config: Config) -> Ended:
    """Watching is on, as the tour tells of it."""
    from workbench.tui.touring import TAG, Touring

    return _open(sample_request(context, TAG), replace(config, watch="on"), Touring(here=True))


class Ended(NamedTuple):
    """How a screen ended: the exit code, the engine that was in use, and the copy that a tour is wanted on."""

    code: int
    engine: str
    wanted: Path | None


def _open(request: BuildRequest, config: Config, touring: Touring) -> Ended:
    assert request.context is not None, "a screen shows a folder"
    from workbench.tui.driver.dialect import tell_textual
    from workbench.tui.first_paint import FirstPaint

    tell_textual(os.environ)
    with FirstPaint(request.context, request.dockerfile) as painted:
        gc.disable()
        try:
            app = _make_app(painted if painted.shown else None, request.context, request, config, touring)
            gc.freeze()  # what was imported is no garbage, now or later
        finally:
            gc.enable()
        code = app.run(mouse=config.mouse)
    return Ended(int(code or 0), app.engine_in_use, app.guide.wanted)


def _make_app(
    painted: FirstPaint | None, context: Path, request: BuildRequest, config: Config, touring: Touring
) -> WorkbenchApp:
    """What takes time, once a person has something to look at."""
    from workbench.cli.engine import choose_engine
    from workbench.cli.owner import owned_loop, reach
    from workbench.engines.choose import KNOWN, factories

    engine = choose_engine(config, quiet=True, request=request)
    engines = factories(config)
    from workbench.tui.app import WorkbenchApp

    own: dict[str, Any] = {}
    if engine.name in KNOWN:  # a recorded build is told in this process
        own = {"make_loop": partial(owned_loop, config=config), "prepare": reach(context, engine.name).prepare}
    return WorkbenchApp(
        engine, context, config, request=request, engines=engines, read_options=read_options,
        touring=touring, painted=painted, **own,
    )  # fmt: skip


def refuse_without_terminal() -> None:
    """Raises UsageError where nobody could see a screen or press a key; a browser is as good as a terminal."""
    from workbench.tui.driver import in_browser

    if in_browser(os.environ):
        return
    if not (output.is_terminal(sys.stdin) and output.is_terminal(sys.stdout)):
        raise UsageError(
            "the workbench needs a terminal, and this is none", hint="Without one there is `workbench build PATH`."
        )
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise UsageError(
            "the workbench needs a terminal that can move its cursor (TERM is unset or dumb)",
            hint="Set TERM to what the terminal is (xterm-256color), or take `workbench build PATH`.",
        )


def sample_request(context: Path, tag: str) -> BuildRequest:
    """The request for a sample context."""
    return BuildRequest(context=context, dockerfile=DOCKERFILE, tags=(tag,))
