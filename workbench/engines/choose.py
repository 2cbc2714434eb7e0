"""Which engine: the one that was named, else a Docker Engine that answers (through BuildKit where the engine itself
names that as its builder, else through its classic builder), else the embedded one.

Only the engine that is taken is imported; where no socket answers, the docker SDK never is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from workbench.build.engine import Engine, EngineInfo, Reasons
from workbench.build.images import ImageStore
from workbench.config import Config
from workbench.dataclass import dataclass
from workbench.engines.address import list_contexts, resolve
from workbench.errors import EngineError, EngineUnavailable, UsageError

KNOWN = ("embedded", "docker", "buildkit")
"""What `workbench engines` speaks of, usable or not."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine's name, and for a person why it was taken; `automatic` where nobody named it."""

    name: str
    why: str
    automatic: bool = False


def decide(config: Config) -> Choice:
    """Looks for at most two seconds. Raises EngineUnavailable where the named engine is not there, UsageError for a
    Docker context that does not exist."""
    if config.engine not in ("auto", "docker", "buildkit"):
        return Choice(config.engine, "as asked")
    from workbench.engines.ping import ping

    where = resolve(config.host, config.docker_context)
    if where.standalone:
        return _standalone(config, where.host)
    address = where.host
    buildkit = False
    try:
        if address.startswith("unix://"):
            buildkit = ping(address)
        elif config.engine == "auto":
            _check_far(config)
    except EngineError as error:
        if config.engine != "auto":
            raise
        return Choice("embedded", str(error), automatic=True)
    if config.engine != "auto":
        return Choice(config.engine, "as asked")
    if buildkit:
        return Choice("buildkit", f"a Docker Engine that builds with it answers at {address}", automatic=True)
    return Choice("docker", f"a Docker Engine answers at {address}", automatic=True)


def _standalone(config: Config, address: str) -> Choice:
    """A buildkitd without a Docker Engine builds, and has no images."""
    if config.engine == "docker":
        raise UsageError(f"{address} is a buildkitd, not a Docker Engine", hint="Use --engine buildkit.")
    automatic = config.engine == "auto"
    return Choice("buildkit", f"{address} is a buildkitd" if automatic else "as asked", automatic=automatic)


def _check_far(config: Config) -> None:
    """An engine behind ssh or TLS can only be asked through the SDK."""
    import asyncio

    async def look() -> None:
        engine = make("docker", config)
        try:
            await engine.check()
        finally:
            await engine.close()

    asyncio.run(look())


def make(name: str, config: Config, *, reasons: Reasons = "told") -> Engine:
    """The engine of that name. Constructing one looks at nothing but a recording. Raises UsageError.

    `reasons` is for engines that keep no manifests. The embedded engine tells the reasons in any case, at no cost.
    """
    match name:
        case "embedded":
            from workbench.engines.embedded.cache_bound import CacheBound
            from workbench.engines.embedded.engine import EmbeddedEngine
            from workbench.engines.embedded.registry.settings import Registries
            from workbench.engines.embedded.subids import enter_range

            enter_range()
            bound = CacheBound(config.cache_steps, int(config.cache_gb * 1e9))
            return EmbeddedEngine(config.store, Registries(config.mirrors, config.insecure), bound)
        case "docker":
            from workbench.engines.docker.engine import DockerEngine

            return DockerEngine(config.host, config.docker_context, config.engine_timeout, reasons=reasons)
        case "buildkit":
            from workbench.engines.buildkit.engine import BuildKitEngine

            if (where := resolve(config.host, config.docker_context)).standalone:
                from workbench.engines.buildkit.no_images import NoImages

                return BuildKitEngine(
                    config.host, config.docker_context, make_images=lambda: NoImages(where),
                    patience=config.engine_timeout, reasons=reasons,
                )  # fmt: skip
            return BuildKitEngine(
                config.host, config.docker_context, make_images=lambda: _docker_images(config),
                patience=config.engine_timeout, reasons=reasons,
            )  # fmt: skip
        case "replay":
            return _replay()
    raise UsageError(f"there is no engine called {name!r}", hint=f"Engines: {', '.join(KNOWN)}.")


def preload(name: str) -> None:
    """Imports what watching, the first build on the engine of that name and its record would import: ahead of them, on
    a thread. What cannot be imported is told by the build."""
    with suppress(ImportError):
        import workbench.build.bearing
        import workbench.build.keeping
        import workbench.context.watch_events
        from workbench.context.notify import backend

        backend()
        if name in KNOWN:
            import_module(f"workbench.engines.{name}.engine").preload()
        if name == "buildkit":
            import workbench.engines.docker.images  # noqa: F401


def _docker_images(config: Config) -> ImageStore:
    from workbench.engines.docker.images import DockerImages

    return DockerImages(lambda: resolve(config.host, config.docker_context), config.engine_timeout)


def _replay() -> Engine:
    """Recordings come from `WORKBENCH_REPLAY` (files with `:` between), their speed from `WORKBENCH_REPLAY_SPEED`.

    Without one the packaged build of genesis is told, at the speed it had: a demonstration where no engine is.
    """
    from workbench.engines.replay import ReplayEngine, read_recording

    files = [Path(name) for name in os.environ.get("WORKBENCH_REPLAY", "").split(":") if name]
    try:
        speed = float(os.environ.get("WORKBENCH_REPLAY_SPEED", "0" if files else "1"))
        files = files or [Path(__file__).parent / "recordings" / "genesis.jsonl"]
        return ReplayEngine(*map(read_recording, files), speed=speed)
    except ValueError as error:
        raise UsageError(f"WORKBENCH_REPLAY_SPEED is not a number: {error}") from error
    except OSError as error:
        raise UsageError(f"WORKBENCH_REPLAY: {error}") from error


async def choose(config: Config) -> Engine:
    """The engine to use. Raises as `decide` does."""
    import asyncio

    choice = await asyncio.to_thread(decide, config)
    return make(choice.name, config)


def factories(config: Config) -> Mapping[str, Callable[[], Engine]]:
    """Every engine that a person may change to while the workbench runs: those of the address in force by their names,
    then both builders of every other Docker context, as `docker (lab)`."""
    names = [*KNOWN]
    if config.engine == "replay":
        names.append("replay")
    found = {name: partial(make, name, config) for name in names}
    for context in list_contexts():
        in_force = context.current if config.docker_context is None else context.name == config.docker_context
        if config.host is not None or not in_force:
            there = replace(config, host=None, docker_context=context.name)
            found |= {f"{name} ({context.name})": partial(make, name, there) for name in ("docker", "buildkit")}
    return found


async def survey(config: Config) -> list[tuple[str, EngineInfo | EngineUnavailable]]:
    """Each engine, looked at: what it is, or why it cannot be used here."""
    import asyncio

    names = [*KNOWN, *(["replay"] if config.engine == "replay" else [])]
    found = await asyncio.gather(*(_look(name, config) for name in names))
    return list(zip(names, found, strict=True))


async def _look(name: str, config: Config) -> EngineInfo | EngineUnavailable:
    import asyncio

    try:
        if name in ("docker", "buildkit"):
            from workbench.engines.ping import ping

            address = resolve(config.host, config.docker_context).host
            if address.startswith("unix://"):
                await asyncio.to_thread(ping, address)
        engine = make(name, config)
        try:
            return await engine.check()
        finally:
            await engine.close()
    except EngineUnavailable as error:
        return error
    except (EngineError, UsageError) as error:
        return EngineUnavailable(str(error), hint=error.hint)
