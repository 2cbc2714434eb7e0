"""The images that FROM and COPY --from name: of the store, of an archive or layout by its path, of a registry.

As with Docker, what is not in the store is pulled, and with `--pull` a registry is asked in any case. A build whose
images are all there speaks with nobody.
"""

from __future__ import annotations

import threading
from dataclasses import field
from typing import TYPE_CHECKING

from workbench.build.events import StepLog, StepProgress
from workbench.build.platforms import Platform, platform_of
from workbench.build.request import BuildRequest
from workbench.build.talk import Talk
from workbench.dataclass import dataclass
from workbench.engines.embedded.archive_base import archive_name, bring_archive, locate
from workbench.engines.embedded.messages import StepFailed, base_missing
from workbench.engines.embedded.registry.reference import Reference, parse_reference
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.store import Store, StoredImage
from workbench.engines.worker import Cancel, Emit
from workbench.errors import ImageError, ImageNotFound, UsageError

if TYPE_CHECKING:
    from workbench.engines.embedded.registry.pull import Found


Wanted = tuple[str, Platform | None]
"""A name as the Dockerfile has it, and the platform where one was asked for."""


@dataclass(slots=True)
class Bases:
    """Of one build. `close` it at its end."""

    request: BuildRequest
    store: Store
    registries: Registries
    emit: Emit
    cancel: Cancel
    _found: dict[Wanted, Found] = field(default_factory=dict)
    _ready: dict[Wanted, str] = field(default_factory=dict)
    """What the Dockerfile names -> the image's ID."""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def look(self, name: str, platform: Platform | None = None) -> None:
        """Whether the image is to be had, before anything is built for nothing. Raises StepFailed."""
        key = (name, platform)
        if key in self._ready or key in self._found:
            return
        if (archive := archive_name(name)) is not None:
            locate(archive, self.request.context)
            return
        image = self._stored(name, platform)
        if image is not None and not self.request.pull:
            self._ready[key] = image.id
            return
        try:
            reference = parse_reference(name)
        except UsageError as error:  # an ID, or the beginning of one
            if image is None:
                raise base_missing(name) from error
            self._ready[key] = image.id
            return
        self._found[key] = self._ask(reference, platform, here=image is not None)

    def _ask(self, reference: Reference, platform: Platform | None, *, here: bool) -> Found:
        from workbench.engines.embedded.registry.pull import find

        try:
            return find(reference, self.registries, self.cancel, platform)
        except (ImageError, UsageError) as error:
            if here:
                raise StepFailed(f"--pull: {error}", error.hint) from error
            raise base_missing(f"{reference} for {platform}" if platform else str(reference), error) from error

    def get(self, name: str, step: int, platform: Platform | None = None) -> StoredImage:
        """The image, for `platform` where one is asked for, pulled where it must be, its layers held for this build.
        Raises StepFailed, ImageError, InputError, StoreError, Cancelled."""
        with self._lock:  # stages may ask side by side; an image is brought once
            identifier = self._bring(name, step, platform)
        image = self.store.image(identifier)
        if platform is not None and not platform.fits(image.config):
            raise StepFailed(
                f"{name} is an image for {platform_of(image.config)}, not for {platform}",
                "Choose an image that has it, or another --platform.",
            )
        if not self.store.hold(image.layers):
            raise StepFailed(f"a layer of {name} is missing in the store", "Load the image again.")
        return image

    def _bring(self, name: str, step: int, platform: Platform | None) -> str:
        self.look(name, platform)
        key = (name, platform)
        if (archive := archive_name(name)) is not None and key not in self._ready:
            self._ready[key] = bring_archive(self.store, archive, self.request.context, platform)
        elif key in self._found:
            self._ready[key] = self._pull(self._found[key], step)
            self._found.pop(key).close()
        return self._ready[key]

    def _pull(self, found: Found, step: int) -> str:
        from workbench.engines.embedded.registry.pull import bring

        what = f"Pulling {found.access.reference}"
        talk = Talk(
            lambda current, total: self.emit(StepProgress(step=step, what=what, current=current, total=total)),
            lambda line: self.emit(StepLog(step=step, text=f"{line}\n")),
        )
        return bring(self.store, found, talk)

    def _stored(self, name: str, platform: Platform | None) -> StoredImage | None:
        try:
            image = self.store.image(self._pulled_as(name) or name)
        except ImageNotFound:
            image = None
        if platform is None or (image is not None and platform.fits(image.config)):
            return image
        return self._foreign(name, platform)

    def _foreign(self, name: str, platform: Platform) -> StoredImage | None:
        """The image that came under this name for another machine, where it is still here."""
        from workbench.engines.embedded.registry.records import Records

        try:
            reference = parse_reference(name)
            found = Records(self.store).image(f"{reference.name}:{reference.version}", str(platform))
            return self.store.image(found) if found else None
        except (UsageError, ImageNotFound):
            return None

    def _pulled_as(self, name: str) -> str:
        """The ID of the image that came from a registry under this digest, where it is still here."""
        try:
            reference = parse_reference(name)
            if not reference.digest:
                return ""
            from workbench.engines.embedded.registry.records import Records

            found = Records(self.store).image(reference.name, reference.digest)
            return self.store.image(found).id if found else ""
        except (UsageError, ImageNotFound):
            return ""

    def close(self) -> None:
        for found in self._found.values():
            found.close()
        self._found.clear()
