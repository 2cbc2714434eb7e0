"""A stored image as Docker's commands show it: a row, `docker image inspect`, `docker history`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from workbench.build.images import HistoryEntry, Image
from workbench.engines.embedded.catalog import Catalog, StoredImage

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NEVER = "0001-01-01T00:00:00Z"

_CONFIG: Mapping[str, Any] = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
    "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Image": "", "Volumes": None,
    "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": None,
}  # fmt: skip


def seconds(time: object) -> float:
    """An RFC 3339 time as seconds since the epoch; 0 for what is none or lies before it."""
    match = _TIME.fullmatch(time) if isinstance(time, str) else None
    if match is None:
        return 0.0
    try:
        whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, whole + float(match[2] or 0))


def row(image: StoredImage, catalog: Catalog) -> Image:
    """The image as a list shows it."""
    return Image(
        id=image.id,
        tags=image.tags,
        digests=image.digests,
        created=seconds(image.config.get("created")),
        size=image.size,
        parent=image.parent,
        labels=labels(image),
        intermediate=not image.tags and bool(catalog.children(image.id)),
    )


def labels(image: StoredImage) -> dict[str, str]:
    found = (image.config.get("config") or {}).get("Labels")
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def inspect(image: StoredImage) -> dict[str, Any]:
    """What `docker image inspect` prints, one object, with Docker's own names and empty values."""
    config = image.config
    own = config.get("config")
    tagged = datetime.fromtimestamp(image.tagged, UTC).isoformat().replace("+00:00", "Z") if image.tagged else _NEVER
    shown: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Parent": image.parent,
        "Comment": config.get("comment") or _comment(config),
        "Created": config.get("created") or _NEVER,
        "Container": config.get("container", ""),
        "DockerVersion": config.get("docker_version", ""),
        "Author": config.get("author", ""),
        "Config": {**_CONFIG, **(own if isinstance(own, dict) else {})},
        "Architecture": config.get("architecture", ""),
        "Os": config.get("os", ""),
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Name": "oci-layout", "Data": None},
        "RootFS": {"Type": "layers", "Layers": [layer.diff_id for layer in image.layers]},
        "Metadata": {"LastTagTime": tagged},
    }
    if variant := config.get("variant"):
        shown["Variant"] = variant
    return shown


def _comment(config: Mapping[str, Any]) -> str:
    lines = history_lines(config)
    return str(lines[-1].get("comment") or "") if lines else ""


def history_lines(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`history` of a config, oldest first; what is not shaped so is left out."""
    lines = config.get("history")
    return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []


def history(image: StoredImage, catalog: Catalog) -> list[HistoryEntry]:
    """Newest first. A line has an ID where it is this image's last or that of an image it was built from."""
    lines = history_lines(image.config)
    names = _ids(image, catalog, lines)
    layers = iter(image.layers)
    entries = []
    for number, line in enumerate(lines):
        empty = bool(line.get("empty_layer"))
        layer = None if empty else next(layers, None)
        named = names.get(number)
        entries.append(
            HistoryEntry(
                id=named.id if named else "",
                created=seconds(line.get("created")),
                created_by=str(line.get("created_by") or ""),
                size=layer.shown_size if layer else 0,
                comment=str(line.get("comment") or ""),
                empty_layer=empty,
                diff_id=layer.diff_id if layer else "",
                tags=named.tags if named else (),
            )
        )
    for layer in layers:  # layers of which the config says nothing
        created = seconds(image.config.get("created"))
        entries.append(HistoryEntry("", created, "", layer.shown_size, diff_id=layer.diff_id))
    return entries[::-1]


def _ids(image: StoredImage, catalog: Catalog, lines: list[dict[str, Any]]) -> dict[int, StoredImage]:
    """Line -> the image that ends with it: this one, its parent, the parent's parent..."""
    found: dict[int, StoredImage] = {}
    at: StoredImage | None = image
    while at is not None:
        own = history_lines(at.config)
        place = len(own) - 1
        if place in found or own != lines[: len(own)]:
            break
        found[place] = at
        at = catalog.images.get(at.parent)
    return found
