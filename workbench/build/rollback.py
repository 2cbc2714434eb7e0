"""A name goes back to the image of an earlier build."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from workbench.build.history import History, Record
from workbench.build.images import ImageStore
from workbench.build.request import normalise_tag
from workbench.dataclass import dataclass
from workbench.errors import ImageNotFound, UsageError


@dataclass(frozen=True, slots=True)
class Rollback:
    """What was done: `before` is the image that had the name ("" for none), `build` whose image has it now."""

    tag: str
    before: str
    before_build: int | None
    build: Record


def same_images(engine: str, other: str) -> bool:
    """Whether two engines have the same images: those of BuildKit are Docker's."""
    return (engine == "embedded") == (other == "embedded")


def builds_of(builds: Sequence[Record], tag: str) -> list[Record]:
    """The builds that made an image with that name, newest first."""
    return [it for it in builds if it.outcome == "succeeded" and it.image and normalise_tag(tag) in it.tags]


def target_of(builds: Sequence[Record], tag: str, current: str) -> Record:
    """The build to go back to from the image `current`: the newest with another image before the one that made it.
    Raises UsageError where there is none."""
    named = builds_of(builds, tag)
    made = next((at for at, it in enumerate(named) if it.image == current), -1)
    found = next((it for it in named[made + 1 :] if it.image != current), None)
    if found is None:
        raise UsageError(
            f"there is no earlier build of {normalise_tag(tag)} to go back to",
            hint="`workbench builds` lists what was built; a number of it can be named.",
        )
    return found


async def roll_back(images: ImageStore, builds: Sequence[Record], tag: str, target: Record | None = None) -> Rollback:
    """Gives `tag` to the image of `target`, of the previous build without one. `builds` are all, newest first.
    Raises UsageError for a build without an image or where there is none before, ImageNotFound where its image is
    gone."""
    name = normalise_tag(tag)
    try:
        current = str((await images.inspect(name)).get("Id", ""))
    except ImageNotFound:
        current = ""
    target = target or target_of(builds, name, current)
    if not target.image:
        raise UsageError(f"build {target.number} {target.outcome}: it has no image")
    try:
        await images.tag(target.image, name)
    except ImageNotFound as error:
        raise ImageNotFound(
            f"the image of build {target.number} is gone: it was deleted or pruned",
            hint=f"`workbench builds dockerfile {target.number}` prints the Dockerfile it was built from; build that "
            "again. `workbench builds` lists others.",
        ) from error
    made = next((it.number for it in builds_of(builds, name) if it.image == current), None)
    return Rollback(name, current, made, target)


async def remember(done: Sequence[Rollback], history: History | None = None) -> None:
    """Writes what was rolled back among the builds of its context, one record for each name that had another image.
    Raises OSError."""
    history = history or History()
    for it in done:
        if it.before != it.build.image and it.build.context:
            await asyncio.to_thread(history.add, Path(it.build.context), _record(it))


def _record(done: Rollback) -> Record:
    """What the image was built from stays known; steps and time are the build's and not repeated."""
    return replace(
        done.build, when=time.time(), revision=0, seconds=0.0, steps=(), number=0, tags=(done.tag,),
        rolled_back_to=done.build.rolled_back_to or done.build.number, rolled_back_from=done.before,
    )  # fmt: skip
