"""Manifests: fetched, checked against their digest, and of an index the one for this machine.

Source: https://github.com/opencontainers/image-spec/blob/v1.1.0/image-index.md and Docker's manifest v2, schema 2.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from workbench.build.platforms import Platform, here
from workbench.dataclass import dataclass
from workbench.engines.embedded.layout import CONFIG, INDEX, MANIFEST, is_digest
from workbench.engines.embedded.registry.access import USUAL, Access, Limits
from workbench.errors import ImageError, ImageNotFound

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST))
_LARGEST = 4 << 20  # what registries take
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Blob:
    """A descriptor: `size` in bytes."""

    digest: str
    size: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """An image in a registry. `digest` is what the reference named: the index, where there is one."""

    digest: str
    config: Blob
    layers: tuple[Blob, ...]


def find_image(access: Access, *, limits: Limits = USUAL, platform: Platform | None = None) -> Remote:
    """What the access's reference names, for `platform` (this machine's).

    Raises ImageNotFound, ImageError, NotReached.
    """
    version = access.reference.version
    top = ""
    for _ in range(_DEPTH):
        digest, manifest = _fetch(access, version, limits)
        top = top or digest
        if not isinstance(manifest.get("manifests"), list):
            return _image(access, top, manifest)
        version = _choose(access, manifest["manifests"], platform or here())
    raise ImageError(f"{access.reference}: an index of indexes without end")


def _fetch(access: Access, version: str, limits: Limits) -> tuple[str, dict[str, Any]]:
    with access.request("GET", f"manifests/{version}", headers={"Accept": ACCEPT}, limits=limits) as answer:
        data = answer.read_all(_LARGEST)
    if len(data) > _LARGEST:
        raise ImageError(f"{access.reference}: its manifest is too big to be one")
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if is_digest(version) and digest != version:
        raise ImageError(
            f"{access.shown} answered with something else than the manifest {version}: it has the digest {digest}",
            hint="The registry, or what stands between, is damaged or lies. Nothing was stored.",
        )
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{access.reference}: its manifest is not JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ImageError(f"{access.reference}: its manifest is not a JSON object")
    if manifest.get("schemaVersion") != 2:
        raise ImageError(
            f"{access.reference}: a manifest of version {manifest.get('schemaVersion')!r}, which is not supported",
            hint="Pull and push it with a Docker of today, which writes version 2.",
        )
    return digest, manifest


def _choose(access: Access, choices: list[Any], wanted: Platform) -> str:
    """By platform; of several for an architecture whose variant nobody names, the one that it most likely is."""
    usable = [one for one in choices if isinstance(one, dict) and is_digest(one.get("digest"))]
    fitting = [one for one in usable if _platform(one)[:2] == (wanted.os, wanted.architecture)]
    if fitting:
        best = {"arm": ("v7", "v6", "v5", ""), "arm64": ("v8", "")}.get(wanted.architecture, ("", "v1"))
        best = (wanted.variant, *best) if wanted.variant else best
        fitting.sort(key=lambda one: best.index(_platform(one)[2]) if _platform(one)[2] in best else len(best))
        return str(fitting[0]["digest"])
    known = sorted({"/".join(_platform(one)[:2]) for one in usable} - {"unknown/unknown"})
    raise ImageNotFound(
        f"{access.reference} has no image for {wanted}", hint=f"It has: {', '.join(known)[:500] or 'none'}."
    )


def _platform(choice: Mapping[str, Any]) -> tuple[str, str, str]:
    platform = choice.get("platform")
    if not isinstance(platform, dict):
        return ("", "", "")
    return (str(platform.get("os")), str(platform.get("architecture")), str(platform.get("variant") or ""))


def _image(access: Access, digest: str, manifest: Mapping[str, Any]) -> Remote:
    config = _blob(access, manifest.get("config"))
    if config.media_type not in (CONFIG, DOCKER_CONFIG, ""):
        raise ImageError(f"{access.reference} is no image, but an artifact: {config.media_type[:100]!r}")
    layers = manifest.get("layers")
    if not isinstance(layers, list):
        raise ImageError(f"{access.reference}: its manifest has no layers")
    return Remote(digest, config, tuple(_blob(access, layer) for layer in layers))


def _blob(access: Access, value: object) -> Blob:
    size = value.get("size") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not is_digest(value.get("digest")) or not isinstance(size, int) or size < 0:
        raise ImageError(f"{access.reference}: its manifest has a blob without a sha256 digest and a size")
    return Blob(value["digest"], size, str(value.get("mediaType") or ""))
