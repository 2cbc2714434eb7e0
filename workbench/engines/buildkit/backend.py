"""Which BuildKit answers, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.build.request import BuildRequest
from workbench.engines.buildkit.control import Control
from workbench.engines.buildkit.exporters import Backend
from workbench.engines.buildkit.options import newer_options
from workbench.engines.buildkit.outputs import Output
from workbench.engines.buildkit.transport import Connector
from workbench.engines.identity import refuses, spoken_version
from workbench.engines.threads import in_thread
from workbench.errors import WorkbenchError

_NEW_API = (1, 43)
"""Docker 24, whose BuildKit is 0.11."""
_MANY_API = (1, 45)
"""Docker 26, whose BuildKit is 0.13. BuildKit's own version is no help: Debian's says 0.0.0."""
_SNAPSHOTTER = "io.containerd.snapshotter"


async def look(connector: Connector, control: Control, request: BuildRequest, outputs: Sequence[Output]) -> Backend:
    """Asks as little as the request needs, most often nothing: each question is a round trip. Raises
    EngineUnavailable; NotOffered where there is no `/grpc`."""
    await control.connect()
    if connector.address.standalone:
        return Backend(await control.version() or "v0", standalone=True, many=True)
    matters = outputs or request.cache_to or request.attests or request.annotations or "," in (request.platform or "")
    matters = matters or any(place.startswith("oci-layout:") for place in request.build_contexts.values())
    if not matters and not newer_options(request):
        return Backend("")
    version = await control.version()
    if not (version and matters):
        return Backend(version)
    many = len(outputs) > 1 and _api(await _ask(connector, "/version")) >= _MANY_API
    return Backend(version, containerd=await _has_containerd(connector), many=many)


async def look_by_api(connector: Connector, error: WorkbenchError) -> Backend:
    """Where there is no `/grpc`. Raises `error` where the engine has no BuildKit at all."""
    said = await identify(connector)
    components = said.get("Components") or []
    if not components or any("podman" in str(it.get("Name", "")).lower() for it in components):
        raise error
    return Backend("v0.11" if _api(said) >= _NEW_API else "", containerd=await _has_containerd(connector))


async def identify(connector: Connector) -> Any:
    """What a Docker Engine says of itself. Raises EngineUnavailable for what is none, and for one of another age."""
    from workbench.engines.buildkit.http import Refused

    try:
        said = await _ask(connector, "/version")
    except Refused as error:
        raise refuses(connector.address, error.status, str(error), json=error.json) from error
    spoken_version(connector.address, said)
    return said


def _api(version: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in str(version.get("ApiVersion", "0")).split(".") if part.isdecimal())


async def _has_containerd(connector: Connector) -> bool:
    """Whether images are kept by containerd, as buildx finds out: a line of `docker info`."""
    info = await _ask(connector, "/info")
    return any(_SNAPSHOTTER in str(line) for line in info.get("DriverStatus") or [])


async def _ask(connector: Connector, target: str) -> Any:
    from workbench.engines.buildkit.http import get_json  # most builds ask nothing

    return await in_thread(get_json, connector.dialer, target)
