"""What removing images from a Docker Engine takes: the names, the images, and the bytes that are really freed.

The engine has no dry run, so its rules are followed here (`daemon/images/image_delete.go` of Docker 20.10): a name only
untags until it was the last one; an ID of several repositories needs force; a running container keeps its image
whatever one forces, a stopped one unless one forces; an image with children stays; an untagged parent goes with its
last child. Bytes are those of layers that no other image has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from workbench.build.images import Removal, short_id
from workbench.dataclass import dataclass
from workbench.engines.threads import on_threads
from workbench.errors import ImageInUse, ImageNotFound

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client

_AT_ONCE = 4
"""Questions to an engine at a time; a client keeps as many connections."""


class Graph:
    """Layers by image, remembered: they never change under an ID."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[str, ...]] = {}

    def learn(self, client: Client, identifiers: Iterable[str]) -> None:
        """Asks for the layers of all that are not known yet, several at once: an engine has some milliseconds to think
        about each, and there may be hundreds."""
        unknown = [it for it in identifiers if it not in self._layers]
        on_threads(lambda it: self.layers(client, it), unknown, _AT_ONCE)

    def layers(self, client: Client, identifier: str) -> tuple[str, ...]:
        """Diff IDs, the lowest first; empty for an image that has gone meanwhile."""
        if identifier not in self._layers:
            try:
                found = client.facts(identifier)
            except ImageNotFound:
                return ()
            self._layers[identifier] = tuple(found.get("RootFS", {}).get("Layers") or ())
        return self._layers[identifier]


@dataclass(slots=True)
class _Known:
    """An image as the plan changes it."""

    id: str
    tags: list[str]
    digests: list[str]
    parent: str
    size: int


@dataclass(slots=True)
class _Plan:
    images: dict[str, _Known]
    containers: list[dict[str, Any]]
    untagged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    in_the_way: list[str] = field(default_factory=list)
    blocked: str = ""

    def take_reference(self, reference: str, identifier: str, *, force: bool) -> None:
        image = self.images.get(identifier)
        if image is None:
            return  # went with an earlier reference
        tag = next((tag for tag in image.tags if tag in (reference, f"{reference}:latest")), "")
        digest = next((it for it in image.digests if it == reference), "")
        if not (tag or digest):
            self._by_id(image, force=force)
            return
        if not self._is_last(image, tag or digest):
            self._untag(image, [tag or digest])
            return
        users = self._users(image.id)
        if users and not force:
            self._block(image, users, f"unable to remove repository reference {reference!r} (must force)")
            return
        self._untag(image, [*image.tags, *image.digests])
        if not users and not self._children(image.id):
            self._delete(image.id)

    def prune(self, *, every: bool) -> None:
        """In rounds: an image goes when nothing stands on it any more."""
        used = {container.get("ImageID") for container in self.containers}
        visible = {it.id for it in self.images.values() if it.tags or not self._children(it.id)}
        for identifier in sorted(visible):
            image = self.images.get(identifier)
            if image is None or identifier in used or self._children(identifier) or (image.tags and not every):
                continue
            self._untag(image, [*image.tags, *image.digests])
            self._delete(identifier)

    def _by_id(self, image: _Known, *, force: bool) -> None:
        running = [it for it in self._users(image.id) if it.get("State") in ("running", "paused", "restarting")]
        users = running or ([] if force else self._users(image.id))
        kin = self._children(image.id)
        repositories = {tag.rpartition(":")[0] for tag in image.tags}
        if kin:
            self.children += [self._name(it) for it in kin]
            self._block(image, [], "it has dependent child images (cannot be forced)")
        elif users:
            self._block(image, users, "it is in use (cannot be forced)" if running else "it is in use (must be forced)")
        elif len(repositories) > 1 and not force:
            self._block(image, [], "it is tagged in several repositories (must be forced)")
        else:
            self._untag(image, [*image.tags, *image.digests])
            self._delete(image.id)

    def _is_last(self, image: _Known, name: str) -> bool:
        return [tag for tag in image.tags if tag != name] == []

    def _block(self, image: _Known, users: Sequence[dict[str, Any]], why: str) -> None:
        names = [container_name(container) for container in users]
        self.in_the_way += [name for name in names if name not in self.in_the_way]
        by = f": used by container {', '.join(names)}" if names else ""
        self.blocked = self.blocked or f"{self._name(image)} is not removed: {why}{by}"

    def _name(self, image: _Known) -> str:
        return image.tags[0] if image.tags else short_id(image.id)

    def _users(self, identifier: str) -> list[dict[str, Any]]:
        return [container for container in self.containers if container.get("ImageID") == identifier]

    def _children(self, identifier: str) -> list[_Known]:
        return [image for image in self.images.values() if image.parent == identifier]

    def _untag(self, image: _Known, names: Sequence[str]) -> None:
        self.untagged += names
        image.tags = [tag for tag in image.tags if tag not in names]
        image.digests = [digest for digest in image.digests if digest not in names]

    def _delete(self, identifier: str) -> None:
        gone = self.images.pop(identifier)
        self.deleted.append(identifier)
        parent = self.images.get(gone.parent)
        if parent and not parent.tags and not self._children(parent.id) and not self._users(parent.id):
            self._untag(parent, parent.digests)
            self._delete(parent.id)


def users(client: Client) -> dict[str, tuple[str, ...]]:
    """Image ID -> its containers by name and state, the running ones first."""
    found: dict[str, list[str]] = {}
    for container in sorted(client.containers(all=True), key=lambda it: it.get("State") != "running"):
        found.setdefault(str(container.get("ImageID")), []).append(container_name(container))
    return {identifier: tuple(names) for identifier, names in found.items()}


def container_name(container: dict[str, Any]) -> str:
    """`web (running)`."""
    names = container.get("Names") or ()
    name = names[0].lstrip("/") if names else str(container.get("Id", ""))[:12]
    return f"{name} ({container.get('State') or 'unknown'})"


def plan(client: Client, graph: Graph, references: Sequence[str], *, force: bool = False) -> Removal:
    """What `remove` would do. Raises ImageNotFound."""
    found = [(reference, _identify(client, reference)) for reference in references]
    started, before = _begin(client)
    for reference, identifier in found:
        started.take_reference(reference, identifier, force=force)
    return _removal(client, graph, started, before)


def plan_prune(client: Client, graph: Graph, *, every: bool) -> Removal:
    """What `prune` would do."""
    started, before = _begin(client)
    started.prune(every=every)
    return _removal(client, graph, started, before)


def remove(client: Client, graph: Graph, references: Sequence[str], *, force: bool = False) -> Removal:
    """Removes one after the other, as `docker rmi`; what went before a refusal is gone. Raises ImageNotFound,
    ImageInUse that names the containers."""
    from docker.errors import APIError

    planned = plan(client, graph, references, force=force)
    untagged: list[str] = []
    deleted: list[str] = []
    for reference in references:
        try:
            answer = client.remove_image(reference, force=force)
        except APIError as error:
            if error.status_code == 404 and deleted:
                continue  # went with an earlier reference
            if error.status_code != 409 or not planned.blocked:
                raise
            raise ImageInUse(planned.blocked, hint=_way_out(planned)) from error
        untagged += [row["Untagged"] for row in answer or () if "Untagged" in row]
        deleted += [whole_id(row["Deleted"]) for row in answer or () if "Deleted" in row]
    # The answer names layers among the images.
    gone = tuple(it for it in deleted if it in planned.deleted)
    return Removal(tuple(untagged), gone, planned.bytes_freed if len(gone) == len(planned.deleted) else 0)


def prune(client: Client, graph: Graph, *, every: bool) -> Removal:
    """`docker image prune`, with `every` all that no container uses."""
    known = {row["Id"] for row in client.images(all=True)}
    answer = client.prune_unused(dangling=not every)
    rows = answer.get("ImagesDeleted") or ()
    return Removal(
        untagged=tuple(row["Untagged"] for row in rows if "Untagged" in row),
        deleted=tuple(whole_id(row["Deleted"]) for row in rows if whole_id(row.get("Deleted", "")) in known),
        bytes_freed=int(answer.get("SpaceReclaimed") or 0),
    )


def whole_id(identifier: str) -> str:
    """With the algorithm in front, which Podman leaves out."""
    return f"sha256:{identifier}" if len(identifier) == 64 else identifier


def _way_out(planned: Removal) -> str:
    if planned.containers:
        return "Remove the container first (docker rm), or use force where it has stopped."
    if planned.children:
        return f"Remove what was built on it first: {', '.join(planned.children)}."
    return "Use force, or give the names one by one."


def _identify(client: Client, reference: str) -> str:
    return str(client.facts(reference)["Id"])


def _begin(client: Client) -> tuple[_Plan, dict[str, _Known]]:
    known = {}
    for row in client.images(all=True):
        known[row["Id"]] = _Known(
            row["Id"],
            [tag for tag in row.get("RepoTags") or () if not tag.startswith("<none>")],
            [digest for digest in row.get("RepoDigests") or () if not digest.startswith("<none>")],
            whole_id(row.get("ParentId") or ""),
            int(row.get("Size") or 0),
        )
    return _Plan(dict(known), client.containers(all=True)), known


def _removal(client: Client, graph: Graph, done: _Plan, before: dict[str, _Known]) -> Removal:
    if done.blocked:
        return Removal(containers=tuple(done.in_the_way), children=tuple(done.children), blocked=done.blocked)
    return Removal(
        untagged=tuple(done.untagged),
        deleted=tuple(done.deleted),
        bytes_freed=_freed(client, graph, done, before),
        children=tuple(done.children),
    )


def _freed(client: Client, graph: Graph, done: _Plan, before: dict[str, _Known]) -> int:
    """Bytes of the layer chains that only deleted images have.

    An image's size is the sum of its chain, so a deleted image adds what lies above the highest chain that is known
    for certain: one of an image that stays, or of a deleted one that was counted already.
    """
    if not done.deleted:
        return 0
    graph.learn(client, (*done.images, *done.deleted))
    sizes: dict[tuple[str, ...], int] = {(): 0}
    for identifier in done.images:
        sizes[graph.layers(client, identifier)] = before[identifier].size
    shared = {chain[:count] for chain in sizes for count in range(1, len(chain) + 1)}
    gone = sorted(((graph.layers(client, it), before[it].size) for it in done.deleted), key=lambda it: len(it[0]))
    freed = 0
    for chain, size in gone:
        if chain in sizes or chain in shared:
            continue
        below = max((count for count in range(len(chain)) if chain[:count] in sizes), default=0)
        apart = max((count for count in range(len(chain)) if chain[:count] in shared), default=0)
        base = sizes[chain[:below]] if below >= apart else _chain_size(client, graph, before, chain[:apart], done)
        freed += max(0, size - base)
        sizes[chain] = size
        shared |= {chain[:count] for count in range(1, len(chain) + 1)}
    return freed


def _chain_size(client: Client, graph: Graph, before: dict[str, _Known], chain: tuple[str, ...], done: _Plan) -> int:
    """The size of a chain that no image ends in, from the history of one that has it: its lowest rows with a size."""
    everything = (*done.images, *done.deleted)  # BuildKit has no images between: a chain may be of deleted ones alone
    owner = next(it for it in everything if graph.layers(client, it)[: len(chain)] == chain)
    sized = [int(row["Size"]) for row in reversed(client.rows(owner)) if row.get("Size")]
    return sum(sized[: len(chain)])
