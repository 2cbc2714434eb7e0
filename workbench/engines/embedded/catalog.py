"""What the index means: images by ID, with their tags, parents and layers; damaged ones set apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from functools import lru_cache
from typing import Any

from workbench.build.platforms import machine
from workbench.dataclass import dataclass
from workbench.engines.embedded.layout import INDEX, LAYER, Layout, is_digest
from workbench.engines.embedded.refs import digest_of, find_id, split_tag, tag_of
from workbench.errors import ImageNotFound, StoreError

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
PARENT = "workbench.parent"
TAGGED = "workbench.tagged"
CONTENT = "workbench.content-size"
CONFIG_NOTE = "workbench.config"
"""An entry's image, so that one of thousands is found without reading all their manifests."""
DIGESTS = "workbench.digests"
"""The digests under which an image came from registries: `name@sha256:...`, blanks between."""
_MOST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class LayerRef:
    """A layer of an image: the blob (`digest`, `size` in bytes, `media_type`) and the digest of its plain tar.

    `content` is the bytes of the files in it, which is the size that Docker shows; None where nobody has counted.
    """

    digest: str
    diff_id: str
    size: int
    media_type: str = LAYER
    content: int | None = None

    @property
    def shown_size(self) -> int:
        """`content`; where nobody has counted, the blob's size instead."""
        return self.size if self.content is None else self.content


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of the store. `id` is the digest of the config; `parent` the ID of the image it was built from."""

    id: str
    manifest_digest: str
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    layers: tuple[LayerRef, ...]
    tags: tuple[str, ...] = ()
    parent: str = ""
    digests: tuple[str, ...] = ()
    """`name@sha256:...`: what registries call it."""
    tagged: float = 0.0
    """When it was last given a tag, in seconds since the epoch; 0 where never."""
    entries: tuple[str, ...] = ()
    """Digests of the index entries that describe it: more than one where another tool put it in again."""

    @property
    def size(self) -> int:
        """Bytes of the files of all layers, as Docker counts them."""
        return sum(layer.shown_size for layer in self.layers)


@dataclass(slots=True)
class Catalog:
    """One reading of the index."""

    images: dict[str, StoredImage] = field(default_factory=dict)
    problems: dict[str, StoreError] = field(default_factory=dict)
    """Digest of a damaged entry -> what is wrong with it."""
    damaged_tags: dict[str, str] = field(default_factory=dict)
    """Tag -> digest of the damaged entry that it names."""

    def find(self, reference: str) -> StoredImage:
        """By full ID, tag, digest or prefix of an ID, in Docker's order. Raises ImageNotFound; StoreError where
        the image is there and damaged."""
        if is_digest(reference) and reference in self.images:
            return self.images[reference]
        tag = tag_of(reference)
        for image in self.images.values():
            if reference in image.tags or (tag and tag in image.tags):
                return image
        for name in (reference, tag):
            if name in self.damaged_tags:
                raise self.problems[self.damaged_tags[name]]
        if digest := digest_of(reference):
            name = split_tag(tag_of(reference.partition("@")[0]))[0]
            for image in self.images.values():
                if image.manifest_digest == digest or f"{name}@{digest}" in image.digests:
                    return image
        elif identifier := find_id(reference, self.images):
            return self.images[identifier]
        elif damaged := find_id(reference, self.problems):
            raise self.problems[damaged]
        raise ImageNotFound(f"no such image: {reference}", hint="`workbench images` lists the images of this store.")

    def children(self, identifier: str) -> list[StoredImage]:
        """The images that were built from this one."""
        return [image for image in self.images.values() if image.parent == identifier]


def read_catalog(layout: Layout, entries: list[dict[str, Any]]) -> Catalog:
    """The images behind index entries. Damage is set apart in `problems`, never raised."""
    catalog = Catalog()
    by_digest: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        by_digest.setdefault(entry["digest"], []).append(entry)
    for digest, same in by_digest.items():
        tags = [tag for tag in map(entry_tag, same) if tag]
        try:
            image = _read_image(layout, digest, same, tags)
        except StoreError as error:
            catalog.problems[digest] = error
            catalog.damaged_tags.update(dict.fromkeys(tags, digest))
            continue
        if known := catalog.images.get(image.id):  # the same image in two forms: compressed and not
            image = _joined(known, image)
        catalog.images[image.id] = image
    return catalog


def find_image(layout: Layout, entries: list[dict[str, Any]], reference: str) -> StoredImage:
    """`Catalog.find`, which reads only the entries of that image where they can be told by themselves."""
    if is_digest(reference):
        identifier = reference
    else:
        names = {reference, tag_of(reference)} - {""}
        identifier = next((config_of(layout, entry) for entry in entries if entry_tag(entry) in names), "")
    if identifier:
        found = read_catalog(layout, entries_of(layout, entries, identifier)).images.get(identifier)
        if found is not None:
            return found
    return read_catalog(layout, entries).find(reference)


def entries_of(layout: Layout, entries: list[dict[str, Any]], identifier: str) -> list[dict[str, Any]]:
    """The entries that describe this image; of damaged ones those that say so themselves."""
    return [
        entry
        for entry in entries
        if ((entry.get("annotations") or {}).get(CONFIG_NOTE) or config_of(layout, entry)) == identifier
    ]


def config_of(layout: Layout, entry: Mapping[str, Any]) -> str:
    """The ID of the image that an entry describes, or "" where that cannot be read."""
    noted = (entry.get("annotations") or {}).get(CONFIG_NOTE)
    if is_digest(noted):
        return str(noted)
    try:
        digest, manifest = resolve_manifest(layout, entry["digest"])
        return str(_field(layout, digest, manifest, "config")["digest"])
    except StoreError:
        return ""


def entry_tag(entry: Mapping[str, Any]) -> str:
    """The tag of an index entry as a person writes it, or "" where it has none."""
    annotations = entry.get("annotations") or {}
    name = annotations.get(REF_NAME)
    return _shown(str(name)) if name else ""


@lru_cache(8192)
def _shown(name: str) -> str:
    return tag_of(name) or name


def _read_image(layout: Layout, digest: str, entries: list[dict[str, Any]], tags: list[str]) -> StoredImage:
    notes = [entry.get("annotations") or {} for entry in entries]
    return replace(
        _bare_image(layout, digest),
        tags=tuple(dict.fromkeys(tags)),
        parent=next((note[PARENT] for note in notes if is_digest(note.get(PARENT))), ""),
        digests=tuple(dict.fromkeys(name for note in notes for name in str(note.get(DIGESTS) or "").split())),
        tagged=max((_number(note.get(TAGGED)) for note in notes), default=0.0),
        entries=(digest,),
    )


def _bare_image(layout: Layout, digest: str) -> StoredImage:
    """What the blobs say, which is read once: for a list of thousands, again and again, only their files are asked
    for a change."""
    known = layout.remembered.get(digest)
    if known is not None and known[0] == layout.signs(known[1].manifest_digest, known[1].id):
        found: StoredImage = known[1]
        return found
    manifest_digest, manifest = resolve_manifest(layout, digest)
    identifier = _field(layout, manifest_digest, manifest, "config")["digest"]
    signs = layout.signs(manifest_digest, identifier)
    config = layout.read_json(identifier)
    image = StoredImage(
        identifier, manifest_digest, manifest, config, _layers(layout, manifest_digest, manifest, config)
    )  # fmt: skip
    if manifest_digest == digest and len(layout.remembered) < _MOST_REMEMBERED:
        layout.remembered[digest] = (signs, image)
    return image


def _joined(first: StoredImage, second: StoredImage) -> StoredImage:
    return replace(
        first,
        tags=tuple(dict.fromkeys((*first.tags, *second.tags))),
        parent=first.parent or second.parent,
        digests=tuple(dict.fromkeys((*first.digests, *second.digests))),
        tagged=max(first.tagged, second.tagged),
        entries=(*first.entries, *second.entries),
    )


def resolve_manifest(layout: Layout, digest: str, *, depth: int = 0) -> tuple[str, dict[str, Any]]:
    """The manifest behind a digest; of an index the one for this machine, else its first. Raises StoreError."""
    manifest = layout.read_json(digest)
    choices = manifest.get("manifests")
    if not isinstance(choices, list):
        return digest, manifest
    usable = [choice for choice in choices if isinstance(choice, dict) and is_digest(choice.get("digest"))]
    if not usable or depth > 3:
        raise StoreError(f"{layout.blob_path(digest)}: an {INDEX} without a usable manifest")
    here = [choice for choice in usable if is_here(choice.get("platform"))]
    return resolve_manifest(layout, (here or usable)[0]["digest"], depth=depth + 1)


def is_here(platform: object) -> bool:
    """Whether a descriptor's `platform` is this machine."""
    return isinstance(platform, dict) and (platform.get("os"), platform.get("architecture")) == ("linux", machine())


def _layers(
    layout: Layout, digest: str, manifest: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[LayerRef, ...]:
    path = layout.blob_path(digest)
    blobs = manifest.get("layers") or []
    rootfs = config.get("rootfs")
    diff_ids = (rootfs.get("diff_ids") if isinstance(rootfs, dict) else None) or []
    if not isinstance(blobs, list) or not isinstance(diff_ids, list) or len(blobs) != len(diff_ids):
        raise StoreError(f"{path}: the manifest and its config disagree about the layers")
    layers = []
    for blob, diff_id in zip(blobs, diff_ids, strict=True):
        if not (isinstance(blob, dict) and is_digest(blob.get("digest")) and is_digest(diff_id)):
            raise StoreError(f"{path}: a layer is not named by a sha256 digest")
        size = blob.get("size")
        note = (blob.get("annotations") or {}).get(CONTENT)
        layers.append(
            LayerRef(
                blob["digest"], diff_id, size if isinstance(size, int) else 0, str(blob.get("mediaType") or LAYER),
                int(note) if isinstance(note, str) and note.isdecimal() else None,
            )
        )  # fmt: skip
    return tuple(layers)


def _field(layout: Layout, digest: str, manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = manifest.get(name)
    if not (isinstance(value, dict) and is_digest(value.get("digest"))):
        raise StoreError(f"{layout.blob_path(digest)}: an image manifest without {name}")
    return value


def _number(text: object) -> float:
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0
