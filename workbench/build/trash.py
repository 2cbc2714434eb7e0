"""Deleted images that can be taken back for a while: held under hidden names, in the engine itself.

A name that is deleted is first given another one that says what it was, when it was deleted, for how long it is held
and by whom (`workbench-trash/1700000000000.1800.0a1b2c3d/n/genesis:latest`), and only then taken away. So nothing has
to be remembered elsewhere, every workbench on the engine sees the same trash, and a kill in between leaves both names.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from workbench.build.images import Image, ImageStore, Removal
from workbench.build.request import normalise_tag
from workbench.build.talk import Talk
from workbench.dataclass import dataclass
from workbench.errors import ImageInUse, ImageNotFound, UsageError

_ROOT = "workbench-trash/"
_HIDDEN = re.compile(
    r"(?:docker\.io/|localhost/)?workbench-trash/(\d{1,15})\.(\d{1,9})(?:\.([0-9a-f]{8}))?/(?:([nx])/([^:]+)|u):([\w.-]+)"
)
_PLAIN = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_LONGEST = 255
"""Of a repository, in Docker's grammar of references."""


@dataclass(frozen=True, slots=True)
class Held:
    """A name in the trash. `name` is what it was, "" where the image had none; times are seconds since the epoch."""

    image: Image
    hidden: str
    name: str
    deleted: float
    until: float
    owner: str = ""
    """Who deleted it, as `owner_here` says; "" where that is not known."""

    @property
    def said(self) -> str:
        """What a person knows it by."""
        return self.name or self.image.short


def is_hidden(tag: str) -> bool:
    """Whether it is a name of the trash."""
    return _ROOT in tag and _HIDDEN.fullmatch(tag) is not None


def without_trash(images: Iterable[Image]) -> list[Image]:
    """The images as a list shows them: without hidden names, and without what has no other."""
    return [_shown(image) for image in images if not image.tags or not all(map(is_hidden, image.tags))]


def _shown(image: Image) -> Image:
    if not any(map(is_hidden, image.tags)):
        return image
    return replace(image, tags=tuple(tag for tag in image.tags if not is_hidden(tag)))


def held_in(images: Iterable[Image]) -> list[Held]:
    """What is in the trash, the last deleted first."""
    found = [held for image in images for tag in image.tags if (held := _read(image, tag)) is not None]
    return sorted(found, key=lambda held: (-held.deleted, held.said))


def _read(image: Image, tag: str) -> Held | None:
    match = _HIDDEN.fullmatch(tag)
    if match is None:
        return None
    when, seconds, owner, kind, repository, version = match.groups()
    if kind == "x":
        try:
            repository = base64.b32decode(repository.upper() + "=" * (-len(repository) % 8)).decode()
        except ValueError:
            return None
    deleted = int(when) / 1000
    return Held(image, tag, f"{repository}:{version}" if kind else "", deleted, deleted + int(seconds), owner or "")


def said_of(tag: str) -> str:
    """The tag as a person is shown it: a hidden name by what it was, `genesis:latest (trash)`."""
    held = _read(Image("sha256:"), tag) if is_hidden(tag) else None
    return tag if held is None else f"{held.name or '<none>:<none>'} (trash)"


def owner_here() -> str:
    """Eight digits for this user of this machine: an engine may be shared, and `undo` is for one's own."""
    return hashlib.sha256(f"{socket.gethostname()}:{os.getuid()}".encode()).hexdigest()[:8]


def hidden_name(image: Image, name: str, deleted: float, seconds: float, owner: str = "") -> str:
    """The name under which `name` ("" for an image without one) is held. Raises UsageError for one that is too long."""
    root = f"{_ROOT}{int(deleted * 1000)}.{max(0, int(seconds))}{owner and f'.{owner}'}"
    if not name:
        return f"{root}/u:{image.short}"
    repository, _, version = name.rpartition(":")
    if _PLAIN.fullmatch(repository):
        hidden = f"{root}/n/{repository}"
    else:  # a registry's port, or capitals in its host: no part of a path may have them
        hidden = f"{root}/x/{base64.b32encode(repository.encode()).decode().rstrip('=').lower()}"
    if len(hidden) > _LONGEST:
        raise UsageError(f"{name} is too long to be held in the trash", hint="`workbench rmi` deletes it for good.")
    return f"{hidden}:{version}"


@dataclass(frozen=True, slots=True)
class Restored:
    """`name` is what the image is called again. It is another one than `held.name` where that was taken meanwhile."""

    held: Held
    name: str


class Trash:
    """The trash of one engine. `seconds` is how long what is deleted is held; 0 holds nothing."""

    def __init__(
        self, store: ImageStore, *, seconds: float = 1800, most: float = 10e9, owner: str | None = None
    ) -> None:
        self._owner = owner_here() if owner is None else owner
        self._store = store
        self._seconds = seconds
        self._most = most

    @property
    def holds(self) -> bool:
        return self._seconds > 0

    async def held(self) -> Sequence[Held]:
        """What can be taken back, the last deleted first."""
        return held_in(await self._store.list())

    async def plan(self, references: Sequence[str]) -> Removal:
        """What deleting would take, the names already in the trash not counted. Raises ImageNotFound."""
        wanted: dict[str, None] = {}
        for image, name in await self._names(references):
            wanted.update(dict.fromkeys(tag for tag in image.tags if is_hidden(tag)))
            wanted[name or image.id] = None
        removal = await self._store.plan_removal(list(wanted))
        return replace(removal, untagged=tuple(tag for tag in removal.untagged if not is_hidden(tag)))

    async def put(self, references: Sequence[str], *, now: float | None = None, talk: Talk | None = None) -> Removal:
        """Deletes as `remove` does, and holds what goes. An ID stands for all names of its image. `bytes_freed` is what
        emptying will free. Where it is cancelled, what went before is held. Raises ImageNotFound, ImageInUse,
        UsageError."""
        removal = await self.plan(references)
        if removal.blocked:
            raise ImageInUse(removal.blocked)
        now = time.time() if now is None else now
        names = await self._names(references)
        for number, (image, name) in enumerate(names, 1):
            if talk is not None:
                talk.say(f"{number} of {len(names)}")
            await self._store.tag(image.id, hidden_name(image, name, now, self._seconds, self._owner))
            if name and (await self._store.inspect(name))["Id"] == image.id:  # no build took it meanwhile
                await self._store.remove([name])
        return removal

    async def _names(self, references: Sequence[str]) -> list[tuple[Image, str]]:
        """Each image that is meant, with each of its names that goes, "" for one that has none."""
        images = {image.id: image for image in await self._store.list(all=True)}
        by_tag = {tag: image for image in images.values() for tag in image.tags}
        found: dict[tuple[str, str], tuple[Image, str]] = {}
        for reference in references:
            image = images.get(reference) or by_tag.get(reference)
            image = image or images.get((await self._store.inspect(reference))["Id"])
            if image is None:
                raise ImageNotFound(f"no such image: {reference}")
            shown = [tag for tag in image.tags if not is_hidden(tag)]
            named = [tag for tag in shown if tag in (reference, f"{reference}:latest")]
            for name in named or shown or ("",):
                found.setdefault((image.id, name), (image, name))
        return list(found.values())

    async def restore(self, held: Sequence[Held]) -> Sequence[Restored]:
        """Gives the names back. One that another image has now stays with that: the old one is called
        `REPOSITORY:restored-ID`, as is one that had no name. Raises ImageNotFound for what is gone."""
        taken = {tag: image.id for image in await self._store.list(all=True) for tag in image.tags}
        done = []
        for it in held:
            name = it.name or f"restored:{it.image.short}"
            if taken.get(name, it.image.id) != it.image.id:
                name = f"{name.rpartition(':')[0]}:restored-{it.image.short}"
            await self._store.tag(it.hidden, name)
            await self._store.remove([it.hidden])
            taken[name] = it.image.id
            done.append(Restored(it, normalise_tag(name)))
        return done

    async def last(self, mine: Sequence[float] = ()) -> Sequence[Held]:
        """What this user deleted last, all of one deleting. `mine` are the times of deletings, the last one at the end,
        that come before all others while something of them is there."""
        held = [it for it in await self.held() if it.owner == self._owner]
        times = [it.deleted for it in held]
        wanted = next((when for when in map(_rounded, reversed(mine)) if when in times), times[0] if times else 0.0)
        return [it for it in held if it.deleted == wanted]

    async def empty(self, held: Sequence[Held]) -> Removal:
        """Deletes for good. What a container uses stays, and `blocked` says so."""
        done = Removal()
        for it in held:
            try:
                removal = await self._store.remove([it.hidden])
            except ImageNotFound:
                continue  # another workbench was first
            except ImageInUse as error:
                done = replace(done, blocked=done.blocked or str(error))
                continue
            done = replace(
                done,
                untagged=(*done.untagged, it.said),
                deleted=(*done.deleted, *removal.deleted),
                bytes_freed=done.bytes_freed + removal.bytes_freed,
            )
        return done

    def is_due(self, held: Sequence[Held], now: float) -> bool:
        """Whether `expire` may find something to delete among these."""
        return any(it.until <= now for it in held) or _bytes(held) > self._most

    async def expire(self, *, now: float | None = None) -> Removal:
        """Deletes for good what has been held for its time, and the oldest of what is too large together."""
        now = time.time() if now is None else now
        held = await self.held()
        old = [it for it in held if it.until <= now]
        young = [it for it in held if it.until > now]
        return await self.empty([*old, *await self._beyond(young)]) if held else Removal()

    async def _beyond(self, held: Sequence[Held]) -> list[Held]:
        """The oldest, until what emptying all the others would free is no more than `most`. Sizes of images are asked
        first: where even those are few, nobody counts what is shared."""
        if _bytes(held) <= self._most:
            return []
        kept, gone = list(held), []
        while kept and (await self._store.plan_removal([it.hidden for it in kept])).bytes_freed > self._most:
            gone.append(kept.pop())
        return gone


def _rounded(when: float) -> float:
    """As a hidden name has it."""
    return int(when * 1000) / 1000


def _bytes(held: Sequence[Held]) -> int:
    """At most so many would be freed: what images share is counted for each."""
    return sum({it.image.id: it.image.size for it in held}.values())
