"""What an examination of a store finds, as facts for a display."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from workbench.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    `kind` is one of blob-missing, blob-damaged, blob-size, index, layout, image, layer, cache, leftover, stranger.
    """

    kind: str
    subject: str
    """A digest, or a path below the store's root."""
    message: str
    images: tuple[str, ...] = ()
    """The tags (or the ID) of the images that suffer."""
    harmless: bool = False
    """Nothing is lost and nothing goes wrong: what a kill may leave, which the next command clears away."""

    def json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "subject": self.subject, "message": self.message, "images": list(self.images),
            "harmless": self.harmless,
        }  # fmt: skip


@dataclass(slots=True)
class Report:
    """An examination: what was looked at, and what was found. `bytes` are those of all blobs."""

    root: str
    images: int = 0
    blobs: int = 0
    bytes: int = 0
    layers: int = 0
    """Layers that lie unpacked."""
    steps: int = 0
    """Entries of the step cache."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def damage(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.harmless]

    @property
    def whole(self) -> bool:
        return not self.damage

    def json(self) -> dict[str, Any]:
        return {
            "root": self.root, "whole": self.whole, "images": self.images, "blobs": self.blobs, "bytes": self.bytes,
            "unpacked_layers": self.layers, "cache_entries": self.steps,
            "findings": [finding.json() for finding in self.findings],
        }  # fmt: skip
