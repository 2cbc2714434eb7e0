"""`--cache-from` and `--cache-to`: where steps come from that were built elsewhere, and where ours go.

Kinds: `inline` (within the image), `registry`, `local` (a folder of this machine); `gha`, `s3` and `azblob` go to a
buildkitd as they are. Attributes: docker/buildx, util/buildflags/cache.go; moby/buildkit, client/solve.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.fields import read_fields
from workbench.dataclass import dataclass
from workbench.errors import InputError, Unsupported, UsageError

if TYPE_CHECKING:
    from workbench.engines.buildkit.content import Layout

_KINDS = ("inline", "registry", "local", "gha", "s3", "azblob")
_FAR = ("gha", "s3", "azblob")

Entry = tuple[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Caches:
    """What a Solve says of caches, and the folders that the engine may reach for them."""

    imports: tuple[Entry, ...] = ()
    exports: tuple[Entry, ...] = ()
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    """By the ID that the engine asks with."""
    tags: Mapping[Path, str] = field(default_factory=dict)
    """Folders that are written, and the tag that the new cache has there."""
    warnings: tuple[str, ...] = ()

    @property
    def attributes(self) -> dict[str, str]:
        """The imports once more, for the frontend: the names alone, for the oldest, and in full."""
        if not self.imports:
            return {}
        names = [entry["ref"] for kind, entry in self.imports if kind == "registry"]
        full = json.dumps([{"Type": kind, "Attrs": dict(entry)} for kind, entry in self.imports])
        return {**({"cache-from": ",".join(names)} if names else {}), "cache-imports": full}

    def finish(self, response: Mapping[str, str]) -> None:
        """Names the new cache in its folder. Blocks. Raises InputError."""
        if said := response.get("cache.manifest"):
            for folder, tag in self.tags.items():
                from workbench.engines.buildkit.content import Layout

                try:
                    Layout(folder).put(json.loads(said), tag)
                except OSError as error:
                    raise InputError(f"--cache-to {folder}: {error.strerror}") from error


def read_caches(sources: Sequence[str], targets: Sequence[str]) -> Caches:
    """Blocks for `type=local`. Raises UsageError for what is malformed, Unsupported for an unknown type."""
    imports: list[Entry] = []
    exports: list[Entry] = []
    layouts: dict[str, Layout] = {}
    tags: dict[Path, str] = {}
    warnings: list[str] = []
    for text in sources:
        kind, entry = _entry("--cache-from", text)
        if kind == "local":
            from workbench.engines.buildkit.content import Layout

            layout = Layout(Path(entry.get("src", "")).expanduser().absolute())
            digest = entry.get("digest") or layout.find(entry.pop("tag", "latest"))
            if digest is None or layout.size(digest) is None:
                warnings.append(f"--cache-from {layout.folder}: no cache is there yet")
                continue
            entry |= {"src": str(layout.folder), "digest": digest}
            layouts[f"local:{layout.folder}"] = layout
        imports.append((kind, entry))
    for text in targets:
        kind, entry = _entry("--cache-to", text)
        if kind == "local":
            from workbench.engines.buildkit.content import Layout

            folder = Path(entry.get("dest", "")).expanduser().absolute()
            entry["dest"] = str(folder)
            tags[folder] = entry.pop("tag", "latest")
            layouts[f"local:{folder}"] = Layout(folder)
        exports.append((kind, entry))
    return Caches(tuple(imports), tuple(exports), layouts, tags, tuple(warnings))


def refuse_exports(caches: Caches, *, standalone: bool, containerd: bool) -> None:
    """Raises Unsupported for a cache that this engine cannot write or read, saying what can."""
    for kind, _ in caches.exports:
        if kind != "inline" and not (standalone or containerd):
            raise Unsupported(
                f"--cache-to type={kind}", engine="buildkit",
                hint="A Docker Engine writes type=inline; others need its containerd image store, or a buildkitd.",
            )  # fmt: skip
    for flag, entries in (("--cache-from", caches.imports), ("--cache-to", caches.exports)):
        for kind, _ in entries:
            if kind in _FAR and not standalone:
                raise Unsupported(f"{flag} type={kind}", engine="buildkit", hint="A buildkitd has it: -H buildkit://…")


def _entry(flag: str, text: str) -> tuple[str, dict[str, str]]:
    if "=" not in text:
        fields = {"type": text} if text == "inline" and flag == "--cache-to" else {"type": "registry", "ref": text}
    else:
        fields = read_fields(flag, text)
    kind = fields.pop("type", "")
    if not kind and "ref" in fields:
        kind = "registry"
    if kind not in _KINDS or (kind == "inline" and flag == "--cache-from"):
        raise Unsupported(f"{flag} type={kind}", engine="buildkit", hint=f"Types: {', '.join(_KINDS)}.")
    for name, needing in (("ref", "registry"), ("src" if flag == "--cache-from" else "dest", "local")):
        if kind == needing and not fields.get(name):
            raise UsageError(f"{flag} {text!r}: {name}= is missing", hint=f"As in {flag} type={kind},{name}=…")
    return kind, fields
