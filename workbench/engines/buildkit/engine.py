"""The BuildKit inside a Docker Engine as an engine of the workbench: neither the docker CLI nor buildx is needed.

grpclib and protobuf are imported at the first use, not with this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.build.build_cache import CacheUsage
from workbench.build.engine import OPTIONS, Build, Capabilities, EngineInfo, Reasons
from workbench.build.images import ImageStore
from workbench.build.request import BuildRequest
from workbench.engines.address import Address, resolve
from workbench.engines.buildkit.builder import BuildKitBuild
from workbench.engines.threads import in_thread
from workbench.engines.worker import ThreadBuild
from workbench.errors import EngineUnavailable

if TYPE_CHECKING:
    from workbench.build.forecast import Forecast

CHECK_TIMEOUT = 2.0
"""Seconds that `check` gives an engine to answer; ssh logs in first and has more."""
_FEATURES = frozenset({"run-mount", "incremental-context", "parallel-stages"})


class BuildKitEngine:
    """Implements `build.engine.Engine`.

    Args:
        host: an address (`unix://`, `tcp://`, `ssh://`, `buildkit://`); without one DOCKER_HOST and the Docker contexts
            decide.
        context: the name of a context of `~/.docker`.
        make_images: the images of the same Docker Engine, when somebody first asks. BuildKit itself has none.
        patience: seconds that the engine may leave a question without an answer while it builds.
        reasons: what a build does about why a step was not reused.
    """

    name = "buildkit"

    def __init__(
        self,
        host: str | None = None,
        context: str | None = None,
        *,
        make_images: Callable[[], ImageStore],
        patience: float = 60.0,
        reasons: Reasons = "told",
    ) -> None:
        self._host = host
        self._context = context
        self._make_images = make_images
        self._images: ImageStore | None = None
        self._patience = patience
        self._reasons = reasons

    @property
    def images(self) -> ImageStore:
        if self._images is None:
            self._images = self._make_images()
        return self._images

    @property
    def place(self) -> dict[str, str | None]:
        """The settings that lead to this engine, by their names in the configuration."""
        return {"host": self._host, "docker_context": self._context}

    @property
    def address(self) -> Address:
        """Where the engine is. Raises UsageError for a context that does not exist or an address that is none."""
        return resolve(self._host, self._context)

    def capabilities(self) -> Capabilities:
        return Capabilities(options=OPTIONS["buildkit"], features=_FEATURES)

    async def check(self) -> EngineInfo:
        address = self.address
        await in_thread(_load)
        try:
            return await asyncio.wait_for(_look(address), CHECK_TIMEOUT + (8.0 if address.scheme == "ssh" else 0.5))
        except TimeoutError as error:
            raise EngineUnavailable(
                f"the BuildKit of the {address.kind} at {address.host} ({address.origin}) does not answer",
                hint="Check address and network, or use --engine docker.",
            ) from error

    def build(self, request: BuildRequest) -> Build:
        build = ThreadBuild(
            lambda emit, cancel: BuildKitBuild(request, self.address, self._patience)(emit, cancel),
            name="buildkit build",
        )
        if self._reasons == "none":
            return build
        from workbench.build.explain import ExplainedBuild

        return ExplainedBuild(build, request, self.name, "buildkit", self.images, tells=self._reasons == "told")

    async def forecast(self, request: BuildRequest) -> Forecast | None:
        from workbench.build.explain import forecast_from_records

        return await forecast_from_records(self.images, request, self.name, "buildkit")

    async def cache_usage(self) -> CacheUsage:
        """What the build cache holds. Raises EngineUnavailable, EngineLost."""
        from workbench.engines.buildkit.usage import read_usage

        return await read_usage(self.address)

    async def prune_cache(self, *, all: bool = False, dry_run: bool = False) -> CacheUsage:
        """Drops what no build has used lately, with `all` whatever is not in use; what went, or would go. Raises
        EngineUnavailable, EngineLost."""
        from workbench.engines.buildkit.usage import prune_usage

        return await prune_usage(self.address, all=all, dry_run=dry_run)

    async def close(self) -> None:
        """Each build has its own connections; only the images keep one."""
        if (close := getattr(self._images, "close", None)) is not None:
            await asyncio.to_thread(close)


def preload() -> None:
    """Imports what a first build would import."""
    import workbench.build.explain
    import workbench.build.secrets
    import workbench.build.survey
    import workbench.engines.buildkit.auth
    import workbench.engines.buildkit.backend
    import workbench.engines.buildkit.run
    import workbench.engines.buildkit.secrets
    import workbench.engines.buildkit.watchdog
    import workbench.engines.ssh_agents  # noqa: F401

    _load()


def _load() -> None:
    """What takes long to import, on a thread: the screen's loop does not wait for it."""
    import workbench.engines.buildkit.control  # noqa: F401
    from workbench.engines.buildkit.messages import messages

    messages()


async def _look(address: Address) -> EngineInfo:
    from grpclib.exceptions import GRPCError

    from workbench.engines.buildkit.backend import identify
    from workbench.engines.buildkit.control import Control
    from workbench.engines.buildkit.offered import NotOffered
    from workbench.engines.buildkit.transport import LOSSES, Connector

    connector = Connector(address, timeout=CHECK_TIMEOUT if address.scheme != "ssh" else 8.0)
    control = Control(connector)
    try:
        buildkit = await control.version()
        version = buildkit if address.standalone else await connector.engine_version()
    except NotOffered:
        await identify(connector)  # which may say better why
        raise
    except (*LOSSES, OSError, GRPCError) as error:
        raise EngineUnavailable(
            f"the BuildKit of the {address.kind} at {address.host} does not answer: {error}",
            hint="Use --engine docker: the classic builder of the same engine.",
        ) from error
    finally:
        control.close()
        connector.close()
    details = [f"BuildKit {buildkit.removeprefix('v')}" if buildkit else "BuildKit before 0.11"]
    if address.standalone:
        details = ["a buildkitd, without a Docker Engine"]
    if address.origin != "default":
        details.append(f"from {address.origin}")
    return EngineInfo("buildkit", version, address.host, tuple(details))
