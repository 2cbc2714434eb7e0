"""Names of images come and go, the same on every engine."""

from __future__ import annotations

from workbench.build.images import ImageStore
from workbench.build.request import familiar_tag, normalise_tag
from workbench.build.trash import is_hidden
from workbench.errors import ImageNotFound, UsageError


async def untag(store: ImageStore, name: str) -> None:
    """Takes a name away and leaves the image, which must have another: an engine deletes an image with its last name.
    Raises ImageNotFound; UsageError where it is the only one."""
    name = normalise_tag(name)
    names = (await store.inspect(name)).get("RepoTags") or ()
    meant = [it for it in names if familiar_tag(it) == familiar_tag(name)]
    if not meant:
        raise ImageNotFound(f"no image is called {name}")
    if all(it in meant or is_hidden(it) for it in names):
        raise UsageError(
            f"{name} is the only name of its image", hint="Delete the image, or give it another name first."
        )
    await store.remove(meant)
