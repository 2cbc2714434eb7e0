"""What is long of a finished build: the text of its Dockerfile and the logs of its steps, compressed on disk."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from workbench.build.masks import Masked
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.dataclass import dataclass

LOG_BOUND = 2_000_000
"""Characters of all logs of a build; beyond it each log keeps its end, and says so."""

_MARGIN = 64 * 1024
"""Characters that are masked beyond what is kept, so that no secret is cut in two."""


@dataclass(frozen=True, slots=True)
class Details:
    """The Dockerfile as it was built (None where it is not known), and the log of each step that said something."""

    dockerfile: str | None
    logs: Mapping[int, str] = field(default_factory=dict)


def details_of(request: BuildRequest, progress: BuildProgress, text: str | None) -> Details:
    """The details of a build that ended, without what is secret in `request`."""
    masked = Masked(request)
    room = LOG_BOUND
    logs: dict[int, str] = {}
    for step in sorted(progress.logs, reverse=True):  # what failed is at the end
        log = progress.logs[step]
        first = max(0, log.total - room - _MARGIN)
        end = masked(log.since(first))
        kept = end[len(end) - min(room, len(end) - _MARGIN if first else len(end)) :] if room else ""
        room -= len(kept)
        clipped = first + len(end) - len(kept)
        logs[step] = f"({clipped:,} characters before this were not kept)\n{kept}" if clipped else kept
    return Details(text if text is not None else request.dockerfile_text, dict(sorted(logs.items())))


def save_details(place: Path, details: Details) -> None:
    """Complete or absent. Blocks. Raises OSError."""
    place.parent.mkdir(mode=0o700, exist_ok=True)
    content = json.dumps({"dockerfile": details.dockerfile, "logs": dict(details.logs)}).encode()
    new = place.with_suffix(".new")
    new.touch(0o600)
    new.write_bytes(gzip.compress(content, 3))
    new.replace(place)


def load_details(place: Path) -> Details | None:
    """What `save_details` wrote; None where it is gone or damaged. Blocks."""
    try:
        content = json.loads(gzip.decompress(place.read_bytes()))
        logs = {int(step): str(text) for step, text in content["logs"].items()}
        return Details(content["dockerfile"], logs)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None
