"""Reads images: docker-archives of every age since manifest.json, OCI archives, OCI layout folders.

Nothing is believed: a config must have the digest that it is called by, a layer the diff ID that its config names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from workbench.build.platforms import Platform, here
from workbench.dataclass import dataclass
from workbench.engines.embedded.catalog import CONTAINERD_NAME, REF_NAME, LayerRef
from workbench.engines.embedded.compression import chunks, plain
from workbench.engines.embedded.layout import CONFIG, is_digest
from workbench.engines.embedded.refs import familiar
from workbench.engines.embedded.sizes import content_size
from workbench.engines.embedded.sources import Source, open_source, read_json, read_small
from workbench.engines.embedded.store import Store
from workbench.engines.meter import Meter
from workbench.errors import InputError, UsageError

CONFIG_TYPES = (CONFIG, "application/vnd.docker.container.image.v1+json")


@dataclass(frozen=True, slots=True)
class Found:
    """An image of the archive: its config as it is, the names of its layers' files, the tags it comes with, and
    `names` as the archive has them, a bare tag included."""

    config: bytes
    layers: Sequence[str]
    tags: Sequence[str]
    names: Sequence[str] = ()
    digest: str = ""
    """Of the manifest or index that an OCI layout names."""

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"


def load(store: Store, archive: Path, meter: Meter | None = None) -> list[str]:
    """The tags that came, or the ID of an image without one. Images before a damaged one have come. Raises
    InputError for what is no image archive, is damaged, or is of another system; StoreError; Cancelled where the
    meter's end is asked."""
    came: list[str] = []
    meter = meter or Meter()
    with store.keep(), open_source(store, archive, meter.check) as source:
        for found in images_of(source):
            tags = [_tag(source, tag) for tag in found.tags]
            identifier = store_image(store, source, found, tags, meter)
            came += tags or [identifier]
    meter.finish()
    return list(dict.fromkeys(came))


def store_image(
    store: Store, source: Source, found: Found, tags: Sequence[str] = (), meter: Meter | None = None
) -> str:
    """Puts one image of an archive into the store; its ID. Raises InputError, StoreError."""
    meter = meter or Meter()
    diff_ids = read_config(found.config, source.name)["rootfs"]["diff_ids"]
    if len(diff_ids) != len(found.layers):
        raise InputError(f"{source.name}: {len(found.layers)} layers, but the config names {len(diff_ids)}")
    pairs = zip(found.layers, diff_ids, strict=True)
    layers = [_layer(store, source, name, diff_id, meter) for name, diff_id in pairs]
    meter.check()
    return store.put_image(found.config, layers, tags=tags)


def images_of(source: Source, platform: Platform | None = None) -> Iterator[Found]:
    """The images of an archive, their layers not read yet; of an index the one for `platform` (this machine's), else
    the first. Raises InputError."""
    if source.has("manifest.json"):
        yield from _docker_images(source)
    elif source.has("index.json"):
        yield from _oci_images(source, platform or here())
    elif source.has("repositories"):
        raise InputError(
            f"{source.name}: an archive of Docker before 1.10, which has no manifest.json",
            hint="`docker load` it with a Docker of today and `docker save` it again.",
        )
    else:
        raise InputError(
            f"{source.name}: not an image archive: it has neither manifest.json nor index.json",
            hint="A file system without an image around it is read by `workbench import`.",
        )


# -- docker-archive ----------------------------------------------------------------------------------------------


def _docker_images(source: Source) -> Iterator[Found]:
    manifest = read_json(source, "manifest.json")
    if not isinstance(manifest, list) or not all(isinstance(item, dict) for item in manifest):
        raise InputError(f"{source.name}: manifest.json is not a list of images")
    for item in manifest:
        name = item.get("Config")
        if not isinstance(name, str):
            raise InputError(f"{source.name}: manifest.json names no config")
        config = read_small(source, name)
        claimed = re.search(r"[0-9a-f]{64}", name)
        if claimed:
            _check(source, name, config, f"sha256:{claimed[0]}")
        tags = _names(source, item, "RepoTags")
        yield Found(config, _names(source, item, "Layers"), tags, tags)


def _names(source: Source, item: Mapping[str, Any], key: str) -> list[str]:
    names = item.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{source.name}: manifest.json: {key} is not a list of names")
    return [name for name in names if "<none>" not in name]


# -- OCI ---------------------------------------------------------------------------------------------------------


def _oci_images(source: Source, platform: Platform) -> Iterator[Found]:
    same: dict[str, list[dict[str, Any]]] = {}
    for entry in _descriptors(source, read_json(source, "index.json"), "manifests"):
        same.setdefault(entry["digest"], []).append(entry.get("annotations") or {})
    for digest, notes in same.items():
        manifest = _oci_manifest(source, digest, platform)
        config = manifest.get("config")
        if not isinstance(config, dict) or not is_digest(config.get("digest")):
            raise InputError(f"{source.name}: {digest} is no image manifest")
        if config.get("mediaType", CONFIG) not in CONFIG_TYPES:
            continue  # an artifact: a signature, a chart
        layers = [_blob(layer["digest"]) for layer in _descriptors(source, manifest, "layers")]
        tags = [tag for note in notes for tag in _oci_tags(note)]
        names = [note[key] for note in notes for key in (REF_NAME, CONTAINERD_NAME) if isinstance(note.get(key), str)]
        yield Found(_read_blob(source, config["digest"]), layers, tags, names, digest)


def _oci_tags(annotations: Mapping[str, Any]) -> list[str]:
    """containerd's full name; else the reference name, which some tools (buildx) use for the bare tag alone."""
    name = annotations.get(CONTAINERD_NAME) or annotations.get(REF_NAME)
    return [name] if isinstance(name, str) and name not in ("", "latest") else []


def _oci_manifest(source: Source, digest: str, platform: Platform, depth: int = 0) -> dict[str, Any]:
    manifest = _object(source.name, digest, _read_blob(source, digest))
    if "manifests" not in manifest:
        return manifest
    choices = _descriptors(source, manifest, "manifests")
    usable = [choice for choice in choices if (choice.get("platform") or {}).get("os") != "unknown"]
    fitting = [choice for choice in usable if platform.fits(choice.get("platform") or {})] or usable
    if not fitting or depth > 3:
        raise InputError(f"{source.name}: {digest} is an index without an image")
    return _oci_manifest(source, fitting[0]["digest"], platform, depth + 1)


def _descriptors(source: Source, holder: object, key: str) -> list[dict[str, Any]]:
    found = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) and is_digest(one.get("digest")) for one in found):
        raise InputError(f"{source.name}: `{key}` is not a list of sha256 descriptors")
    return found


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _read_blob(source: Source, digest: str) -> bytes:
    data = read_small(source, _blob(digest))
    _check(source, _blob(digest), data, digest)
    return data


def _check(source: Source, name: str, data: bytes, digest: str) -> None:
    found = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if found != digest:
        raise InputError(f"{source.name}: {name} is not what its name says: it has the digest {found}")


def _object(whose: str, name: str, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{whose}: {name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{whose}: {name} is not a JSON object")
    return value


# -- both --------------------------------------------------------------------------------------------------------


def read_config(data: bytes, name: str) -> dict[str, Any]:
    """An image config with `rootfs.diff_ids`; `name` says whose, in errors. Raises InputError."""
    config = _object(name, "the image config", data)
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if rootfs is not None and isinstance(rootfs, dict) and diff_ids is None:
        rootfs["diff_ids"] = []  # an image without layers, as Go writes it
    elif not isinstance(diff_ids, list) or not all(is_digest(diff_id) for diff_id in diff_ids):
        raise InputError(f"{name}: the image config names no layers")
    if config.get("os") not in ("linux", "", None):
        raise InputError(f"{name}: an image for {config['os']}: this engine builds for linux")
    return config


def _layer(store: Store, source: Source, name: str, diff_id: str, meter: Meter) -> LayerRef:
    with source.open(name) as packed, plain(packed, f"{source.name}: {name}") as tar:
        found = put_tar(store, tar, meter)
    if found.digest != diff_id:
        raise InputError(f"{source.name}: {name} is damaged: its content has the digest {found.digest}, not {diff_id}")
    content = content_size(store.blob_path(found.digest), f"{source.name}: {name}")
    return LayerRef(found.digest, diff_id, found.size, content=content)


def put_tar(store: Store, tar: BinaryIO, meter: Meter | None = None) -> LayerRef:
    """A plain tar stream as a layer blob, not looked into."""
    with store.write_blob() as blob:
        for piece in (meter or Meter()).blocks(chunks(tar)):
            blob.write(piece)
        found = blob.commit()
    return LayerRef(found.digest, found.digest, found.size)


def _tag(source: Source, tag: str) -> str:
    try:
        return familiar(tag)
    except UsageError as error:
        raise InputError(f"{source.name}: {error}") from error
