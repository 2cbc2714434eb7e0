"""Why a step was not reused: facts, small enough for an event, and one line of them for a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from workbench.build.images import short_id
from workbench.dataclass import dataclass

ChangeKind = Literal[
    "content", "mode", "added", "removed", "more", "argument", "option", "instruction", "base", "previous", "stage",
    "first", "gone", "no-cache",
]  # fmt: skip
"""What changed. The first four are of a file; `more` stands for `count` files that are not named; `previous` is the
step before, `stage` another stage that is built anew; `first` says that no earlier build is known, `gone` that its
result was removed; `no-cache` is what the person asked for."""

_FILES = ("content", "mode", "added", "removed", "more")
NAMED = 10
"""Files that an event names; the rest is counted."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One reason. `name` is a path, an argument, an option, an image, a step's number or a stage; `before` and `after`
    are modes, values or image IDs, "" for what was not there. All text is raw."""

    kind: ChangeKind
    name: str = ""
    before: str = ""
    after: str = ""
    count: int = 1


def change_from_json(data: dict[str, Any]) -> Change:
    """What `dataclasses.asdict` made of a Change. Raises ValueError for anything else."""
    try:
        change = Change(**data)
    except TypeError as error:
        raise ValueError(f"not a change: {error}") from error
    if change.kind not in get_args(ChangeKind):
        raise ValueError(f"not a change: {change.kind!r}")
    return change


def bounded(changes: Iterable[Change]) -> tuple[Change, ...]:
    """`changes` with at most `NAMED` files, and how many more there are."""
    kept: list[Change] = []
    files = 0
    for change in changes:
        if change.kind in _FILES:
            files += change.count
            if files > NAMED:
                continue
        kept.append(change)
    if files > NAMED:
        kept.append(Change("more", count=files - NAMED))
    return tuple(kept)


def sentence(why: Sequence[Change]) -> str:
    """One line: `src/app.py changed`, `ARG VERSION: 1.0 -> 1.1`, `12 files changed: a, b, c, ...`. "" for nothing.

    File names and values in it are a stranger's.
    """
    files = [change for change in why if change.kind in _FILES]
    parts = [_one(change) for change in why if change.kind not in _FILES]
    if files:
        parts.append(_of_files(files))
    return "; ".join(parts)


def _of_files(files: Sequence[Change]) -> str:
    if len(files) == 1 and files[0].kind != "more":
        return _one(files[0])
    total = sum(change.count for change in files)
    kinds = {change.kind for change in files}
    verb = "added" if kinds == {"added"} else "removed" if kinds == {"removed"} else "changed"
    names = [change.name for change in files if change.kind != "more"][:_SHOWN]
    more = ", ..." if total > len(names) else ""
    return f"{total} files {verb}: {', '.join(names)}{more}"


def _one(change: Change) -> str:
    name, before, after = change.name, change.before, change.after
    match change.kind:
        case "content":
            return f"{name} changed"
        case "added":
            return f"{name} is new"
        case "removed":
            return f"{name} is gone"
        case "mode":
            return f"{name}: mode {before} -> {after}"
        case "argument":
            return f"ARG {name}: {before or 'not set'} -> {after or 'not set'}"
        case "option":
            return f"{name}: {before or 'not set'} -> {after or 'not set'}"
        case "instruction":
            return "the instruction changed"
        case "base":
            return _of_base(change)
        case "previous":
            return f"step {name} before it was not reused" if name else "the step before it was not reused"
        case "stage":
            return f"stage {name} is built anew"
        case "first":
            return "no earlier build of it is known"
        case "gone":
            return "its result of an earlier build was removed"
        case "no-cache":
            return "--no-cache"
        case "more":
            return f"{change.count} more files changed"


def _of_base(change: Change) -> str:
    if change.name != change.after:
        return f"the base image {change.name} changed: {_short(change.before)} -> {_short(change.after)}"
    return f"the base image changed: {change.before or 'none'} -> {change.after or 'none'}"


def _short(image: str) -> str:
    return short_id(image) if image else "none"
