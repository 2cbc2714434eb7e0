"""The Docker Engine as an engine of the workbench: its classic builder and its images, through the docker SDK.

The SDK is imported at the first use, not with this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.build.engine import OPTIONS, Build, Capabilities, EngineInfo, Reasons
from workbench.build.request import BuildRequest
from workbench.engines.address import Address, resolve
from workbench.engines.docker.builder import ClassicBuild
from workbench.engines.docker.images import DockerImages
from workbench.engines.threads import in_thread, within
from workbench.engines.worker import ThreadBuild
from workbench.errors import EngineLost, EngineUnavailable

if TYPE_CHECKING:
    from workbench.build.forecast import Forecast

CHECK_TIMEOUT = 2.0
"""Seconds that `check` gives an engine to answer."""


class DockerEngine:
    """Implements `build.engine.Engine`.

    Args:
        host: an address (`unix://`, `tcp://`, `ssh://`); without one DOCKER_HOST and the Docker contexts decide.
        context: the name of a context of `~/.docker`.
        patience: seconds that the engine may leave a question without an answer.
    """

    name = "docker"

    def __init__(
        self, host: str | None = None, context: str | None = None, patience: float = 60.0, *, reasons: Reasons = "told"
    ) -> None:
        self._reasons = reasons
        self._host = host
        self._context = context
        self._patience = patience
        self.images = DockerImages(lambda: self.address, patience)

    @property
    def place(self) -> dict[str, str | None]:
        """The settings that lead to this engine, by their names in the configuration."""
        return {"host": self._host, "docker_context": self._context}

    @property
    def address(self) -> Address:
        """Where the engine is. Raises UsageError for a context that does not exist or an address that is none."""
        return resolve(self._host, self._context)

    def capabilities(self) -> Capabilities:
        return Capabilities(options=OPTIONS["docker"], features=frozenset({"intermediate-containers", "remote"}))

    async def check(self) -> EngineInfo:
        address = self.address
        return await within(_overall(address), _late(address), _look, address)

    def build(self, request: BuildRequest) -> Build:
        build = ThreadBuild(
            lambda emit, cancel: ClassicBuild(request, self.address, self._patience)(emit, cancel), name="docker build"
        )
        if self._reasons == "none":
            return build
        from workbench.build.explain import ExplainedBuild

        return ExplainedBuild(build, request, self.name, "classic", self.images, tells=self._reasons == "told")

    async def forecast(self, request: BuildRequest) -> Forecast | None:
        from workbench.build.explain import forecast_from_records

        return await forecast_from_records(self.images, request, self.name, "classic")

    async def close(self) -> None:
        await in_thread(self.images.close)


def _overall(address: Address) -> float:
    """ssh logs in first."""
    return CHECK_TIMEOUT + (8.0 if address.scheme == "ssh" else 0.5)


def preload() -> None:
    """Imports what a first build would import, the docker SDK above all."""
    import workbench.build.explain
    import workbench.build.survey
    import workbench.engines.docker.client  # noqa: F401


def _late(address: Address) -> EngineUnavailable:
    return EngineUnavailable(
        f"the Docker Engine at {address.host} ({address.origin}) does not answer",
        hint="Check address and network, or use --engine embedded.",
    )


def _look(address: Address) -> EngineInfo:
    from workbench.engines.docker.client import Client, losing

    client = Client(address, timeout=CHECK_TIMEOUT if address.scheme != "ssh" else 8.0)
    try:
        with losing(address):
            version = client.version()
    except EngineLost as error:
        raise EngineUnavailable(str(error), hint=error.hint) from error
    finally:
        client.close()
    details = [f"API {version.get('ApiVersion', '?')}", f"{version.get('Os', '?')}/{version.get('Arch', '?')}"]
    if client.is_podman:
        details.append("Podman")
    details.append(f"from {address.origin}" if address.origin != "default" else "classic builder")
    return EngineInfo("docker", str(version.get("Version", "")), address.host, tuple(details))
