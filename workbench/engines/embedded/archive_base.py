"""`FROM oci:./layout:tag`, `oci-archive:./image.tar` and `docker-archive:./image.tar`: an image by its path.

The names are those of skopeo and podman (containers-transports(5)). The path begins with `/` or `./`, which no image
name does; a relative one lies in the build context.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.platforms import Platform
from workbench.dataclass import dataclass
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.refs import tag_of
from workbench.engines.embedded.store import Store
from workbench.errors import ImageNotFound, InputError

if TYPE_CHECKING:
    from workbench.engines.embedded.load import Found

_NAME = re.compile(r"(oci|oci-archive|docker-archive):((?:/|\.{1,2}(?:/|$))[^:]*)(?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """`kind:path:image`; `image` is "" where the archive has one alone."""

    kind: str
    path: str
    image: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}"


def archive_name(text: str) -> ArchiveName | None:
    """None for what is the name of an image."""
    found = _NAME.fullmatch(text)
    return ArchiveName(found[1], found[2], found[3] or "") if found else None


def locate(name: ArchiveName, context: Path | None) -> Path:
    """Where it lies. Raises StepFailed where nothing is there, or a relative path leads out of the context."""
    path = Path(name.path)
    if not path.is_absolute():
        if context is None:
            raise StepFailed(f"{name}: this build has no context", "Give the whole path, from / on.")
        path = (context / path).resolve()
        if not path.is_relative_to(context.resolve()):
            raise StepFailed(f"{name} leads out of the build context", "Give the whole path, from / on.")
    if not path.exists():
        raise StepFailed(f"{name}: there is no {path}")
    if path.is_dir() != (name.kind == "oci"):
        what = "a folder" if path.is_dir() else "a file"
        other = "oci:" if path.is_dir() else "oci-archive: or docker-archive:"
        raise StepFailed(f"{name}: {path} is {what}", f"{other} names {what}.")
    return path


def bring_archive(store: Store, name: ArchiveName, context: Path | None, platform: Platform | None = None) -> str:
    """The image's ID, of several platforms the one asked for (this machine's). It gets no tag; one that the store has
    already is not read again. Raises StepFailed, InputError, StoreError."""
    from workbench.engines.embedded.load import images_of, store_image
    from workbench.engines.embedded.sources import open_source

    with open_source(store, locate(name, context)) as source:
        found = _choose(name, list(images_of(source, platform)))
        try:
            image = store.image(found.id)
            if store.hold(image.layers):
                return image.id
        except ImageNotFound:
            pass
        return store_image(store, source, found)


def _choose(name: ArchiveName, images: Sequence[Found]) -> Found:
    fitting = [one for one in images if not name.image or _is_called(one, name.image)]
    if len({one.id for one in fitting}) == 1:
        return fitting[0]
    known = sorted({known for one in images for known in one.names})
    shown = f"It has: {', '.join(known)[:500]}." if known else "Its images have no names."
    if not fitting:
        raise InputError(f"{name} has no image {name.image}" if name.image else f"{name} has no image", hint=shown)
    raise InputError(f"{name} has {len(fitting)} images: name one, as in {name}:NAME", hint=shown)


def _is_called(image: Found, wanted: str) -> bool:
    """By its digest, by the name as it stands in the archive, by the name that it means, or by its tag alone."""
    return wanted == image.digest or any(
        wanted == name or (tag_of(wanted) and tag_of(wanted) == tag_of(name)) or name.endswith(f":{wanted}")
        for name in image.names
    )
