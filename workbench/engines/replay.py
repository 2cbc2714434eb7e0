"""An engine that builds nothing: it tells a recorded build again, at its own pace or at once.

Recordings are JSON lines as `workbench build --progress json` writes them. Tests inject events and images directly;
`workbench demo --engine replay` shows the workbench where no engine is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.build.engine import Capabilities, EngineInfo
from workbench.build.events import BuildEvent, BuildFinished, from_json
from workbench.build.forecast import Forecast
from workbench.build.images import HistoryEntry, Image, Removal
from workbench.build.request import BuildRequest, normalise_tag
from workbench.build.talk import Talk
from workbench.build.usage import DiskUsage, ImageUsage, Usage
from workbench.errors import ImageNotFound, InputError, Unsupported


def read_recording(path: Path) -> list[BuildEvent]:
    """The events of a recording. Raises InputError with the line that is not an event."""
    events = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                events.append(from_json(json.loads(line)))
            except ValueError as error:
                raise InputError(f"{path}:{number}: not a build event ({error})") from error
    return events


class ReplayBuild:
    """Implements `build.engine.Build` over events that are known beforehand."""

    def __init__(self, events: Iterable[BuildEvent], speed: float, done: Callable[[BuildFinished], None]) -> None:
        self._events = iter(list(events))
        self._speed = speed
        self._done = done
        self._last: float | None = None
        self._cancel = asyncio.Event()
        self._over = False

    def __aiter__(self) -> AsyncIterator[BuildEvent]:
        return self

    async def __anext__(self) -> BuildEvent:
        if self._over:
            raise StopAsyncIteration
        event = next(self._events, None)
        if event is not None and self._speed > 0 and self._last is not None:
            await self._pause(max(0.0, event.at - self._last) / self._speed)
        if self._cancel.is_set() or event is None:
            event = BuildFinished(outcome="cancelled")
        self._last = event.at
        if isinstance(event, BuildFinished):
            self._over = True
            self._done(event)
        return event

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._cancel.wait(), seconds)
        except TimeoutError:
            return

    @property
    def scan(self) -> None:
        """Nothing was read."""

    def cancel(self) -> None:
        self._cancel.set()

    async def aclose(self) -> None:
        self.cancel()
        self._over = True


class ReplayImages:
    """Images held in memory."""

    def __init__(self, images: Iterable[Image] = ()) -> None:
        self.held: dict[str, Image] = {image.id: image for image in images}
        self.users: dict[str, tuple[str, ...]] = {}
        """What `containers` answers."""
        self._changed = asyncio.Event()

    def add(self, image: Image) -> None:
        """Puts an image in, taking its tags from whoever had them."""
        for other in list(self.held.values()):
            kept = tuple(tag for tag in other.tags if tag not in image.tags)
            if kept != other.tags:
                self.held[other.id] = replace(other, tags=kept)
        self.held[image.id] = image
        self._changed.set()

    async def list(self, *, all: bool = False, name: str = "", filters: Sequence[str] = ()) -> Sequence[Image]:
        images = [image for image in self.held.values() if all or not image.intermediate]
        if name:
            wanted = name if ":" in name else f"{name}:"
            images = [image for image in images if any(tag.startswith(wanted) for tag in image.tags)]
        return sorted(images, key=lambda image: -image.created)

    def _find(self, reference: str) -> Image:
        for image in self.held.values():
            bare = image.id.removeprefix("sha256:")
            if reference in image.tags or f"{reference}:latest" in image.tags or reference == image.id:
                return image
            if len(reference) >= 4 and bare.startswith(reference.removeprefix("sha256:")):
                return image
        raise ImageNotFound(f"no such image: {reference}")

    async def inspect(self, reference: str) -> dict[str, Any]:
        image = self._find(reference)
        return {
            "Id": image.id,
            "RepoTags": list(image.tags),
            "Size": image.size,
            "Config": {"Labels": dict(image.labels)},
        }

    async def history(self, reference: str) -> Sequence[HistoryEntry]:
        image = self._find(reference)
        return [HistoryEntry(image.id, image.created, "recorded", image.size, tags=image.tags)]

    async def tag(self, reference: str, tag: str) -> None:
        image = self._find(reference)
        name = normalise_tag(tag)
        self.add(replace(image, tags=(*[t for t in image.tags if t != name], name)))

    async def plan_removal(self, references: Sequence[str], *, force: bool = False) -> Removal:
        untagged: list[str] = []
        deleted: list[str] = []
        freed = 0
        for reference in references:
            image = self._find(reference)
            by_tag = [tag for tag in image.tags if tag in (reference, f"{reference}:latest")]
            gone = by_tag if by_tag else list(image.tags)
            untagged += gone
            if set(image.tags) <= set(untagged):
                deleted.append(image.id)
                freed += image.size
        return Removal(tuple(untagged), tuple(dict.fromkeys(deleted)), freed)

    async def remove(self, references: Sequence[str], *, force: bool = False) -> Removal:
        removal = await self.plan_removal(references, force=force)
        for image in list(self.held.values()):
            if image.id in removal.deleted:
                del self.held[image.id]
            else:
                kept = tuple(tag for tag in image.tags if tag not in removal.untagged)
                self.held[image.id] = replace(image, tags=kept)
        self._changed.set()
        return removal

    async def prune(self, *, all: bool = False, dry_run: bool = False) -> Removal:
        goes = [image.id for image in self.held.values() if all or image.dangling]
        return await (self.plan_removal(goes) if dry_run else self.remove(goes))

    async def prune_cache(self, *, dry_run: bool = False) -> Removal:
        return Removal()

    async def usage(self) -> DiskUsage:
        images = sorted(self.held.values(), key=lambda image: -image.created)
        size = sum(image.size for image in images)
        goes = sum(image.size for image in images if image.dangling)
        active = sum(bool(image.tags) for image in images)
        return DiskUsage(
            (Usage("Images", len(images), active, size, goes),),
            tuple(ImageUsage(image.id, image.tags, image.created, 0, image.size) for image in images),
        )

    async def sizes(self) -> Sequence[ImageUsage]:
        return (await self.usage()).images

    async def containers(self) -> Mapping[str, Sequence[str]]:
        return dict(self.users)

    async def commit(
        self,
        container: str,
        *,
        tag: str | None = None,
        changes: Sequence[str] = (),
        message: str = "",
        author: str = "",
    ) -> str:
        raise Unsupported(
            "commit", engine="replay", engines=["docker"], hint="Nothing runs here: it tells recorded builds."
        )

    async def save(self, references: Sequence[str], out: Path, talk: Talk | None = None) -> None:
        raise Unsupported("save", engine="replay", engines=["embedded", "docker"])

    async def load(self, archive: Path, talk: Talk | None = None) -> Sequence[str]:
        raise Unsupported("load", engine="replay", engines=["embedded", "docker"])

    async def import_(
        self, archive: Path, *, tag: str | None = None, changes: Sequence[str] = (), message: str = "",
        talk: Talk | None = None,
    ) -> str:  # fmt: skip
        raise Unsupported("import", engine="replay", engines=["embedded", "docker"])

    async def pull(self, reference: str, talk: Talk | None = None) -> str:
        raise Unsupported("pull", engine="replay", engines=["docker"])

    async def push(self, reference: str, talk: Talk | None = None) -> None:
        raise Unsupported("push", engine="replay", engines=["docker"])

    async def changes(self) -> AsyncIterator[None]:
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield None


class ReplayEngine:
    """Tells `recordings` in turn, the last one for ever. `speed` 0 is at once, 1 as it was, 2 twice as fast."""

    name = "replay"

    def __init__(self, *recordings: Sequence[BuildEvent], images: Iterable[Image] = (), speed: float = 0.0) -> None:
        self._recordings = [list(recording) for recording in recordings]
        self._speed = speed
        self.images = ReplayImages(images)
        self.requests: list[BuildRequest] = []
        """What was asked for, in order."""
        self.foreseen: Forecast | None = None
        """What `forecast` answers."""

    def capabilities(self) -> Capabilities:
        return Capabilities(options=frozenset({"--tag"}))

    async def check(self) -> EngineInfo:
        return EngineInfo("replay", "", details=("recorded builds; nothing is built",))

    def build(self, request: BuildRequest) -> ReplayBuild:
        if not self._recordings:
            raise InputError(
                "the replay engine has no recording",
                hint="Record one with `workbench build --progress json`.",
            )
        recording = self._recordings[min(len(self.requests), len(self._recordings) - 1)]
        self.requests.append(request)
        return ReplayBuild(recording, self._speed, lambda event: self._finished(request, event))

    async def forecast(self, request: BuildRequest) -> Forecast | None:
        return self.foreseen

    async def close(self) -> None:
        return None

    def _finished(self, request: BuildRequest, event: BuildFinished) -> None:
        if event.outcome == "succeeded" and event.image:
            tags = request.tags or event.tags
            known = self.images.held.get(event.image)
            size = known.size if known else 0
            self.images.add(Image(event.image, tags=tags, created=event.at, size=size))
