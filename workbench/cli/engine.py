"""An engine for a command: chosen, named on stderr where nobody named it, and closed at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from workbench.build.engine import OPTIONS, Engine, Reasons, refuse_unsupported
from workbench.build.images import ImageStore
from workbench.build.request import BuildRequest
from workbench.cli import output, signals
from workbench.config import Config
from workbench.engines.choose import Choice, decide, make
from workbench.errors import Unsupported


def choose_engine(
    config: Config, *, quiet: bool = False, request: BuildRequest | None = None, reasons: Reasons = "told"
) -> Engine:
    """The engine; says which one and why on stderr, unless it was asked for by name or `quiet`. `reasons` as in
    `engines.choose.make`.

    Raises Unsupported for an option of `request` that it does not honour, before it is even imported.
    """
    choice = _fitting(decide(config), request)
    if choice.automatic and not quiet:
        output.talk(f"engine {choice.name} ({choice.why})")
    if request is not None and choice.name in OPTIONS:
        refuse_unsupported(request, choice.name)
    engine = make(choice.name, config, reasons=reasons)
    if request is not None:
        _refuse_what_it_has_not(request, engine)
    return engine


def _fitting(choice: Choice, request: BuildRequest | None) -> Choice:
    """Where nobody named the engine, an option that only the classic builder has decides for that."""
    if not choice.automatic or choice.name != "buildkit" or request is None:
        return choice
    missing = [flag for flag in request.options_used() if flag not in OPTIONS["buildkit"]]
    if not missing or not OPTIONS["docker"].issuperset(request.options_used()):
        return choice
    return Choice("docker", f"its classic builder has {missing[0]}", automatic=True)


def _refuse_what_it_has_not(request: BuildRequest, engine: Engine) -> None:
    """For an engine that the table of options does not know."""
    honoured = engine.capabilities().options
    for flag in request.options_used():
        if flag not in honoured:
            raise Unsupported(flag, engine=engine.name, engines=[name for name, has in OPTIONS.items() if flag in has])


def with_engine(engine: Engine, work: Callable[[Engine, signals.Stop], Awaitable[int]]) -> int:
    """Runs `work` in a loop and closes the engine, whatever happens."""

    async def whole(stop: signals.Stop) -> int:
        try:
            return await work(engine, stop)
        finally:
            await engine.close()

    return signals.run(whole)


def in_turn(engine: Engine, *, alone: bool) -> Engine:
    """The engine; a build waits while an open workbench builds the same context, and says so. `alone` is for a live
    loop: then it waits for headless builds, too."""
    from workbench.build.turns import WAITING, InTurn

    return InTurn(engine, alone=alone, on_wait=lambda: output.talk(WAITING))


def with_images(config: Config, work: Callable[[ImageStore], Awaitable[int]], *, quiet: bool = False) -> int:
    """Runs `work` on the chosen engine's images."""

    async def on_images(engine: Engine, stop: signals.Stop) -> int:
        return await work(engine.images)

    return with_engine(choose_engine(config, quiet=quiet), on_images)
