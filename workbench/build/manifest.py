"""What a step is made of, so that two builds of it can be compared: instruction, arguments, base and every input.

Engine-neutral: the embedded engine's step cache and the records of a Docker Engine's builds speak of the same values.
Secrets are never in a manifest; of a build argument that may be one there is a digest only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, NamedTuple

from workbench.build.change import Change, bounded
from workbench.build.request import BuildRequest
from workbench.dataclass import dataclass
from workbench.dockerfile.secret_names import is_secret_name

_LONG = 200
_PROXY = re.compile(r"(?i)(?:https?|ftp|no|all)_proxy")


class Input(NamedTuple):
    """One path that went into a step. A named tuple: a COPY may have 100,000."""

    path: str
    """In the context; `stage:/path` where another stage or an image has it."""
    kind: str
    mode: int
    digest: str
    """Of a file's content; a symlink's target as written; "" for what has neither."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs packed by folder, a line of JSON each, so that 100,000 of them are kept, written and compared by folder:
    a folder that is the same in two builds is never looked into. Iterating gives each `Input`."""

    folders: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Input]:
        for line in self.folders:
            yield from _unpacked(line)


def pack(inputs: Iterable[Input]) -> Inputs:
    """Equal for equal inputs that come in the same order."""
    folders: dict[str, list[tuple[str, str, int, str]]] = {}
    for path, kind, mode, digest in inputs:
        folder, slash, name = path.rpartition("/")
        folders.setdefault(folder + slash, []).append((name, kind, mode, digest))
    return Inputs(tuple(json.dumps(item) for item in folders.items()))


def folder_line(folder: str, items: Iterable[str]) -> str:
    """A folder of `Inputs`, of items that are JSON already: name in that folder, kind, mode, digest."""
    return f"[{json.dumps(folder)}, [{', '.join(items)}]]"


def _unpacked(line: str) -> Iterator[Input]:
    folder, items = json.loads(line)
    return (Input(folder + name, kind, mode, digest) for name, kind, mode, digest in items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One step. Two steps on equal parents with equal manifests make the same."""

    keyword: str
    instruction: str
    """As it takes effect: variables filled in."""
    parent: str = ""
    """The image that it stands on, where an engine can say."""
    base: str = ""
    """The name that FROM has, on FROM itself and on the first step after it; there `parent` is the base's ID."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Build arguments that it sees, as `argument_value` writes them."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What else counts, by the name of its option: `--network`, `--chown`."""
    inputs: Inputs = Inputs()


def argument_value(name: str, value: str) -> str:
    """The value, or its digest where the name is a secret's or a proxy's, whose address may have a
    password."""
    if is_secret_name(name) or _PROXY.fullmatch(name):
        return f"sha256:{hashlib.sha256(value.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
    return value


def run_options(request: BuildRequest, network: str) -> dict[str, str]:
    """The options of a build that a RUN sees, by their names."""
    found = {
        "--network": "" if network in ("default", "host") else network,
        "--add-host": ",".join(request.add_hosts),
        "--shm-size": "" if request.shm_size is None else str(request.shm_size),
        "--ulimit": ",".join(request.ulimits),
    }
    return {name: value for name, value in found.items() if value}


def compare(old: Manifest, new: Manifest) -> tuple[Change, ...]:
    """What differs, the weightiest first; () where nothing does. Inputs count where the instruction is the same."""
    changes = list(_base(old, new))
    if old.instruction != new.instruction:
        changes.append(Change("instruction", before=old.instruction[:_LONG], after=new.instruction[:_LONG]))
    changes += _values("argument", old.arguments, new.arguments)
    changes += _values("option", old.options, new.options)
    if old.instruction != new.instruction:
        return tuple(changes)
    return bounded([*changes, *_inputs(old.inputs, new.inputs)])


def nearest(candidates: Iterable[Manifest], new: Manifest) -> tuple[Change, ...]:
    """Why `new` is none of `candidates`: what differs from the first that has its instruction, else from the first with
    its keyword, else from the first. A single `first` where there is none."""
    best: Manifest | None = None
    for old in candidates:
        if old.instruction == new.instruction:
            return compare(old, new) or (Change("gone"),)
        if best is None or (best.keyword != new.keyword and old.keyword == new.keyword):
            best = old
    return (Change("first"),) if best is None else compare(best, new)


def _base(old: Manifest, new: Manifest) -> Iterator[Change]:
    if old.base != new.base and old.base and new.base:
        yield Change("base", new.base, old.base, new.base)
    elif old.base and old.base == new.base and old.parent != new.parent:
        yield Change("base", new.base, old.parent, new.parent)


def _values(kind: Any, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, ""), new.get(name, "")
        if before != after or (name in old) != (name in new):
            yield Change(kind, name, before[:_LONG], after[:_LONG])


def _inputs(old: Inputs, new: Inputs) -> Iterator[Change]:
    """In the order of `old`, then what is new. Only folders that differ are looked into."""
    same = set(old.folders) & set(new.folders)
    left = {item.path: item for line in new.folders if line not in same for item in _unpacked(line)}
    for line in old.folders:
        if line not in same:
            yield from _changes(_unpacked(line), left)
    for path in left:
        yield Change("added", path)


def _changes(old: Iterable[Input], left: dict[str, Input]) -> Iterator[Change]:
    """Takes out of `left` what `old` had too."""
    for before in old:
        after = left.pop(before.path, None)
        if after is None:
            yield Change("removed", before.path)
        elif (before.kind, before.digest) != (after.kind, after.digest):
            yield Change("content", before.path)
        elif before.mode != after.mode:
            yield Change("mode", before.path, f"{before.mode:o}", f"{after.mode:o}")


# -- on disk ---------------------------------------------------------------------------------------------------------


def to_lines(manifest: Manifest) -> Iterator[str]:
    """JSON, the step first and then one folder of inputs a line."""
    head = {
        "keyword": manifest.keyword, "instruction": manifest.instruction, "parent": manifest.parent,
        "base": manifest.base, "arguments": dict(manifest.arguments), "options": dict(manifest.options),
    }  # fmt: skip
    yield json.dumps(head)
    yield from manifest.inputs.folders


def from_lines(lines: Iterable[str]) -> Manifest:
    """What `to_lines` wrote. Raises ValueError for anything else."""
    reading = iter(lines)
    try:
        head = json.loads(next(reading, ""))
        return Manifest(**head, inputs=Inputs(tuple(line.rstrip("\n") for line in reading)))
    except TypeError as error:
        raise ValueError(f"not a manifest: {error}") from error


def identity(manifest: Manifest, parent: str) -> str:
    """A digest of the step on the step whose identity is `parent`: equal for steps that would make the same."""
    hashed = hashlib.sha256(parent.encode())
    for line in to_lines(manifest):
        hashed.update(line.encode())
    return hashed.hexdigest()
