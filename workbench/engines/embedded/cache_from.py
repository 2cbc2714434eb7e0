"""`--cache-from`: steps of an image, in the store or in a registry, as a cache.

By the rules of Docker's classic builder (moby 20.10, image/cache/cache.go): the image so far must be a beginning of
the source, in every line of its history and in its layers, and the next line must be the step's. Beside these images
the step cache counts as well.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import field

from workbench.build.events import BuildWarning
from workbench.dataclass import dataclass
from workbench.engines.embedded.bases import Bases
from workbench.engines.embedded.cache import Hit
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.state import ImageState
from workbench.engines.embedded.store import StoredImage
from workbench.engines.embedded.tools import NotForeseen
from workbench.engines.worker import Emit
from workbench.errors import WorkbenchError


@dataclass(slots=True)
class CacheSources:
    """Of one build. The images are looked for, and pulled, when a step first misses the step cache."""

    names: Sequence[str]
    bases: Bases
    emit: Emit
    _images: list[StoredImage] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, state: ImageState, created_by: str, step: int) -> Hit | None:
        """What the next step of `state` left in one of the images, by its line of history."""
        if not self.names:
            return None
        with self._lock:
            if self._images is None:
                self._images = [image for name in self.names if (image := self._find(name, step)) is not None]
        for image in self._images:
            if (hit := _next(image, state, created_by)) is not None:
                return hit
        return None

    def _find(self, name: str, step: int) -> StoredImage | None:
        try:
            return self.bases.get(name, step)
        except NotForeseen:
            return None
        except (StepFailed, WorkbenchError) as error:
            self.emit(BuildWarning(message=f"--cache-from {name} is of no use: {error}", code="CacheFrom", step=step))
            return None


def _next(image: StoredImage, state: ImageState, created_by: str) -> Hit | None:
    history = image.config.get("history") or []
    at, layers = len(state.history), len(state.layers)
    if at >= len(history) or history[:at] != state.history or history[at].get("created_by") != created_by:
        return None
    if [layer.diff_id for layer in image.layers[:layers]] != [layer.diff_id for layer in state.layers]:
        return None
    empty = bool(history[at].get("empty_layer"))
    if not empty and layers >= len(image.layers):
        return None
    return Hit(created_by, str(history[at].get("created") or ""), None if empty else image.layers[layers])
