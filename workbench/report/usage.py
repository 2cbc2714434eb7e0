"""The tables of `docker system df`, and of its `-v`."""

from __future__ import annotations

from typing import Any

from workbench.build.format import human_age, human_size
from workbench.build.images import short_id
from workbench.build.text import one_line
from workbench.build.trash import said_of
from workbench.build.usage import DiskUsage, ImageUsage, Usage
from workbench.report.images import NONE, split_reference
from workbench.report.tables import table


def usage_table(usage: DiskUsage) -> str:
    """The columns of `docker system df`."""
    return table(
        ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"],
        (
            [kind.kind, str(kind.total), str(kind.active), human_size(kind.size), _reclaimable(kind)]
            for kind in usage.kinds
        ),
    )


def usage_json(kind: Usage) -> dict[str, Any]:
    """The keys of `docker system df --format json`, and the bytes as numbers."""
    return {
        "Type": kind.kind,
        "TotalCount": str(kind.total),
        "Active": str(kind.active),
        "Size": human_size(kind.size),
        "Reclaimable": _reclaimable(kind),
        "SizeBytes": kind.size,
        "ReclaimableBytes": kind.reclaimable,
    }


def images_usage_table(usage: DiskUsage, now: float) -> str:
    """The images of `docker system df -v`, a line per name."""
    return table(
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE"],
        (
            [
                *(one_line(part or NONE) for part in split_reference(said_of(tag))),
                short_id(image.id),
                human_age(now - image.created),
                human_size(image.size),
                human_size(image.shared),
                human_size(image.unique),
            ]
            for image in usage.images
            for tag in image.tags or ("",)
        ),
    )


def image_usage_json(image: ImageUsage) -> dict[str, Any]:
    """An image with its bytes as numbers."""
    return {
        "ID": image.id,
        "Tags": list(image.tags),
        "SizeBytes": image.size,
        "SharedBytes": image.shared,
        "UniqueBytes": image.unique,
    }


def _reclaimable(kind: Usage) -> str:
    share = f" ({kind.reclaimable * 100 // kind.size}%)" if kind.size else ""
    return f"{human_size(kind.reclaimable)}{share}"
