"""What a step is made of, so that two builds of it can be compared: instruction, arguments, base and every input.

Engine-neutral: the embedded engine's step cache and the records of a Docker Engine's builds speak of the same values.
Secrets are never in a manifest; of a build argument that may be one there is a digest only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from workbench.build.change import Change, bounded
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
    inputs: Sequence[Input] = ()


def argument_value(name: str, value: str) -> str:
    """The value, or its digest where the name is a secret's or a proxy's, whose address may have a
    password."""
    if is_secret_name(name) or _PROXY.fullmatch(name):
        return f"sha256:{hashlib.sha256(value.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
    return value


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
    """Why `new` is none of `candidates`, newest first: what differs from the one that is most like it. A single
    `first` where there is none."""
    best: tuple[Change, ...] | None = None
    score: tuple[int, int] | None = None
    for old in candidates:
        changes = compare(old, new)
        rank = (_distance(old, new), sum(change.count for change in changes))
        if score is None or rank < score:
            best, score = changes, rank
    if best is None:
        return (Change("first"),)
    return best or (Change("gone"),)


def _distance(old: Manifest, new: Manifest) -> int:
    return 0 if old.instruction == new.instruction else 1 if old.keyword == new.keyword else 2


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


def _inputs(old: Iterable[Input], new: Iterable[Input]) -> Iterator[Change]:
    """In the order of `old`, then what is new. Holds `new` by its paths; `old` may come from a disk as it is read."""
    left = {item.path: item for item in new}
    for before in old:
        after = left.pop(before.path, None)
        if after is None:
            yield Change("removed", before.path)
        elif (before.kind, before.digest) != (after.kind, after.digest):
            yield Change("content", before.path)
        elif before.mode != after.mode:
            yield Change("mode", before.path, f"{before.mode:o}", f"{after.mode:o}")
    for path in left:
        yield Change("added", path)


# -- on disk ---------------------------------------------------------------------------------------------------------


def to_lines(manifest: Manifest) -> Iterator[str]:
    """JSON, the step first and then one input a line: written and read without being held twice."""
    head = {
        "keyword": manifest.keyword, "instruction": manifest.instruction, "parent": manifest.parent,
        "base": manifest.base, "arguments": dict(manifest.arguments), "options": dict(manifest.options),
    }  # fmt: skip
    yield json.dumps(head)
    for item in manifest.inputs:
        yield json.dumps(item)


def from_lines(lines: Iterable[str | bytes]) -> Manifest:
    """What `to_lines` wrote. Raises ValueError for anything else."""
    reading = iter(lines)
    try:
        head = json.loads(next(reading, ""))
        return Manifest(**head, inputs=tuple(Input(*json.loads(line)) for line in reading))
    except TypeError as error:
        raise ValueError(f"not a manifest: {error}") from error


def identity(manifest: Manifest, parent: str) -> str:
    """A digest of the step on the step whose identity is `parent`: equal for steps that would make the same."""
    hashed = hashlib.sha256(parent.encode())
    for line in to_lines(manifest):
        hashed.update(line.encode())
    return hashed.hexdigest()
