"""`docker system df` of an engine, counted as the docker command counts it.

Source: docker/cli `cli/command/formatter/disk_usage.go` of 20.10: an image is active where a container uses it, a
container where it runs; what active images share with others is not reclaimable.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.build.images import Removal
from workbench.build.usage import DiskUsage, ImageUsage, Usage

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client

_RUNS = ("running", "paused", "restarting")
_NO_TAG = "<none>:<none>"
_BUSY = "a disk usage operation is already running"
"""What an engine before Docker 23 says to whoever asks while it counts for somebody else."""
_IN_TURN = 30.0
_PAUSE = 0.1


def disk_usage(client: Client) -> DiskUsage:
    """What the engine says of its disk, which it may count for a while."""
    found = _count(client)
    images = _rows(found, "Images")
    return DiskUsage(
        (
            _images(images, _number(found, "LayersSize")),
            _containers(_rows(found, "Containers")),
            _volumes(_rows(found, "Volumes")),
            _build_cache(_rows(found, "BuildCache")),
        ),
        tuple(sorted(map(_image, images), key=lambda image: -image.created)),
    )


def image_sizes(client: Client) -> tuple[ImageUsage, ...]:
    """What images share; since API 1.42 (Docker 23) the engine counts them without the volumes and the build cache."""
    return tuple(map(_image, _rows(_count(client, type="image"), "Images")))


def prune_cache(client: Client, *, dry_run: bool) -> Removal:
    """`docker builder prune`, or the bytes that it could free."""
    if not dry_run:
        return Removal(bytes_freed=client.prune_build_cache())
    return Removal(bytes_freed=_build_cache(_rows(_count(client), "BuildCache")).reclaimable)


def _count(client: Client, **params: str) -> Any:
    """The engine's answer; one that counts for one client at a time is waited for, `_IN_TURN` seconds at most."""
    from docker.errors import APIError

    from workbench.engines.docker.client import api_message

    until = time.monotonic() + _IN_TURN
    while True:
        try:
            return client.get_json("/system/df", **params)
        except APIError as error:
            if _BUSY not in api_message(error) or time.monotonic() > until:
                raise
        time.sleep(_PAUSE)


def _image(row: Mapping[str, Any]) -> ImageUsage:
    tags = tuple(tag for tag in row.get("RepoTags") or () if tag != _NO_TAG)
    shared = max(0, _number(row, "SharedSize"))
    return ImageUsage(str(row["Id"]), tags, float(row.get("Created") or 0), shared, _number(row, "Size") - shared)


def _images(rows: Sequence[Mapping[str, Any]], layers: int) -> Usage:
    active = [row for row in rows if _number(row, "Containers") > 0]
    used = sum(_number(row, "Size") - max(0, _number(row, "SharedSize")) for row in active)
    return Usage("Images", len(rows), len(active), layers, max(0, layers - used))


def _containers(rows: Sequence[Mapping[str, Any]]) -> Usage:
    idle = [row for row in rows if row.get("State") not in _RUNS]
    size, reclaimable = (sum(_number(row, "SizeRw") for row in some) for some in (rows, idle))
    return Usage("Containers", len(rows), len(rows) - len(idle), size, reclaimable)


def _volumes(rows: Sequence[Mapping[str, Any]]) -> Usage:
    facts = [row.get("UsageData") or {} for row in rows]
    unused = [row for row in facts if _number(row, "RefCount") == 0]
    size, reclaimable = (sum(max(0, _number(row, "Size")) for row in some) for some in (facts, unused))
    return Usage("Local Volumes", len(rows), len(rows) - len(unused), size, reclaimable)


def _build_cache(rows: Sequence[Mapping[str, Any]]) -> Usage:
    own = [row for row in rows if not row.get("Shared")]
    reclaimable = sum(_number(row, "Size") for row in own if not row.get("InUse"))
    active = sum(bool(row.get("InUse")) for row in rows)
    return Usage("Build Cache", len(rows), active, sum(_number(row, "Size") for row in own), reclaimable)


def _rows(found: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    return found.get(key) or ()


def _number(row: Mapping[str, Any], key: str) -> int:
    return int(row.get(key) or 0)
