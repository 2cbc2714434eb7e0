"""Image references: names as Docker writes them for people, and what a person's words may mean.

Source: distribution/reference of Docker (`ParseNormalizedNamed`, `FamiliarString`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from workbench.build.request import familiar_tag, normalise_tag
from workbench.engines.embedded.layout import is_digest
from workbench.errors import ImageError, UsageError

_HEX = re.compile(r"[0-9a-f]{1,64}")


def familiar(name: str) -> str:
    """`docker.io/library/busybox:1` -> `busybox:1`; a name without a tag gets `:latest`. Raises UsageError."""
    name = familiar_tag(name)
    tag = normalise_tag(name)
    if re.fullmatch(r"[0-9a-f]{64}", tag.rpartition(":")[0]):
        raise UsageError(f"{name!r} looks like an image ID and cannot be a name")
    return tag


def tag_of(reference: str) -> str:
    """The tag that a reference means as a name, or "" where it is no name (an ID, say)."""
    try:
        return familiar(reference)
    except UsageError:
        return ""


def domain_name(tag: str) -> str:
    """`genesis:latest` -> `docker.io/library/genesis:latest`: the full name, which containerd looks for."""
    first, slash, _ = tag.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tag
    return f"docker.io/{tag}" if slash else f"docker.io/library/{tag}"


def split_tag(tag: str) -> tuple[str, str]:
    """`localhost:5000/a/b:c` -> (`localhost:5000/a/b`, `c`); the tag is "" where there is none."""
    name, colon, last = tag.rpartition(":")
    return (name, last) if colon and "/" not in last else (tag, "")


def find_id(reference: str, ids: Iterable[str]) -> str:
    """The one ID that `reference` is, or is a prefix of; "" where there is none.

    Raises ImageError where it is the prefix of several.
    """
    prefix = reference.removeprefix("sha256:")
    if not _HEX.fullmatch(prefix):
        return ""
    found = sorted({identifier for identifier in ids if identifier.removeprefix("sha256:").startswith(prefix)})
    if len(found) > 1:
        raise ImageError(f"{reference!r} is the beginning of {len(found)} image IDs", hint="Give more of its digits.")
    return found[0] if found else ""


def digest_of(reference: str) -> str:
    """The digest of `name@sha256:...`, or ""."""
    _, at, digest = reference.rpartition("@")
    return digest if at and is_digest(digest) else ""


def is_id_of(reference: str, identifier: str) -> bool:
    """Whether `reference` names the image by its ID or a prefix of it."""
    prefix = reference.removeprefix("sha256:")
    return bool(_HEX.fullmatch(prefix)) and identifier.removeprefix("sha256:").startswith(prefix)
