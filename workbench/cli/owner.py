"""The program of the process that owns the builds of a context: `main` is what `engines.owner.reach` starts.

It leaves the session and the terminal of whoever started it, says `ready` on stdout, and lives by `engines.owner`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.build.engine import Engine
    from workbench.build.progress import BuildProgress
    from workbench.build.request import BuildRequest
    from workbench.config import Config
    from workbench.engines.owner.loop import OwnedLoop
    from workbench.engines.owner.reach import Reach


def main() -> None:
    """The arguments are the engine that will be asked for first, and the context. Everything imported is imported after
    the fork: that costs a thread nothing."""
    if os.fork():
        os._exit(0)  # whoever started this waits for no child
    try:
        _serve(sys.argv[1], Path(sys.argv[2]))
    except Exception as error:
        from workbench.cli.crash import show_crash

        show_crash(error)
        os._exit(1)


def _serve(engine: str, context: Path) -> None:
    import asyncio

    from workbench import __version__
    from workbench.engines.owner.place import place_of
    from workbench.engines.owner.server import Owner

    owner = Owner(context, place_of(context), _make_engine, _remember, version=__version__)
    asyncio.run(owner.serve(lambda: _ready(engine)))


def _ready(engine: str) -> None:
    """Says so, and lets go of the pipe. While the first display comes, what it will ask for is imported."""
    from threading import Thread

    from workbench.engines.choose import preload

    try:
        os.write(1, b"ready")
    except BrokenPipeError:
        pass  # whoever started this has gone: the next one finds it
    os.dup2(2, 1)
    Thread(target=preload, args=(engine,), name="preload", daemon=True).start()


def _make_engine(config: Config) -> Engine:
    from workbench.engines.choose import make

    return make(config.engine, config)


async def _remember(
    request: BuildRequest,
    progress: BuildProgress,
    revision: int,
    engine: Engine,
    made_from: Awaitable[tuple[str | None, str]],
) -> None:
    """The record of a finished build. Raises OSError."""
    from workbench.build.history import Bounds
    from workbench.build.keeping import keep
    from workbench.config import load_config

    await keep(request, progress, engine, made_from, revision=revision, bounds=Bounds.of(load_config()))


def reach(context: Path, engine: str) -> Reach:
    """How the owner of a context is reached, and started where there is none: for builds on the engine of that name."""
    from workbench.engines.owner.reach import reach_for

    return reach_for(context, __name__, engine)


def owned_loop(
    engine: Engine, make_request: Callable[[], BuildRequest], *, config: Config, **options: Any
) -> OwnedLoop:
    """The live loop in a process of its own, with the options of LiveLoop."""
    from workbench import __version__
    from workbench.engines.owner.loop import OwnedLoop

    context = make_request().context
    assert context is not None, "a live loop is one of a folder"
    return OwnedLoop(
        engine, make_request, reach=reach(context, engine.name), config=config, version=__version__, **options
    )
