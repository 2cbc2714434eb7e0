"""Which images a list shows: the filters of `docker images`, by Docker's rules.

Source: `daemon/images/images.go` of Docker 20.10 and `reference.FamiliarMatch`, whose patterns are Go's `path.Match`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from workbench.build.images import Image
from workbench.dataclass import dataclass
from workbench.engines.embedded.catalog import Catalog
from workbench.engines.embedded.describe import row
from workbench.engines.embedded.refs import split_tag
from workbench.errors import UsageError

_NAMES = ("before", "dangling", "label", "reference", "since")
_TRUE = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters, read. `references` are alternatives; every label must be there."""

    dangling: bool | None = None
    labels: tuple[tuple[str, str | None], ...] = ()
    references: tuple[re.Pattern[str], ...] = ()
    before: float | None = None
    since: float | None = None


def read_filters(catalog: Catalog, filters: Sequence[str], name: str = "") -> Filters:
    """`name` is REPO[:TAG]. Raises UsageError for a filter that does not exist or a value that is none, and
    ImageNotFound for a `before` or `since` of no image."""
    found = Filters()
    patterns = [name] if name else []
    for text in filters:
        key, equals, value = text.partition("=")
        key = key.strip().lower()
        if not equals or key not in _NAMES:
            raise UsageError(f"no filter is called {key!r}", hint=f"Filters are KEY=VALUE; keys: {', '.join(_NAMES)}.")
        if key == "dangling":
            if value.lower() not in _TRUE:
                raise UsageError(f"dangling is true or false, not {value!r}")
            found = replace(found, dangling=_TRUE[value.lower()])
        elif key == "label":
            label, equals, wanted = value.partition("=")
            found = replace(found, labels=(*found.labels, (label, wanted if equals else None)))
        elif key == "reference":
            patterns.append(value)
        elif key == "before":
            found = replace(found, before=_created(catalog, value))
        else:
            found = replace(found, since=_created(catalog, value))
    return replace(found, references=tuple(path_pattern(pattern) for pattern in patterns))


def _created(catalog: Catalog, reference: str) -> float:
    return row(catalog.find(reference), catalog).created


def select(catalog: Catalog, filters: Filters, *, all: bool = False) -> list[Image]:
    """The rows, newest first; of an image only the tags that match."""
    rows = []
    for stored in catalog.images.values():
        image = row(stored, catalog)
        if filters.references:
            image = replace(image, tags=tuple(tag for tag in image.tags if _named(tag, filters.references)))
            if not image.tags:
                continue
        if _passes(image, filters) and (all or not image.intermediate):
            rows.append(image)
    return sorted(rows, key=lambda image: -image.created)


def _passes(image: Image, filters: Filters) -> bool:
    if filters.dangling is not None and filters.dangling != image.dangling:
        return False
    if filters.before is not None and image.created >= filters.before:
        return False
    if filters.since is not None and image.created <= filters.since:
        return False
    return all(
        label in image.labels and (wanted is None or image.labels[label] == wanted) for label, wanted in filters.labels
    )


def _named(tag: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(tag) or pattern.fullmatch(split_tag(tag)[0]) for pattern in patterns)


def path_pattern(pattern: str) -> re.Pattern[str]:
    """Go's `path.Match` as a regular expression: `*` and `?` stop at a slash. Raises UsageError where it is none."""
    out: list[str] = []
    rest = pattern
    while rest:
        char, rest = rest[0], rest[1:]
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            match = re.match(r"(\^?)((?:\\.|[^\]\\])+)\]", rest)
            if match is None:
                raise UsageError(f"{pattern!r} is no pattern: `[` without `]`")
            inner = "".join(_class_part(part) for part in re.findall(r"\\.|.", match[2], re.DOTALL))
            out.append(f"[{match[1]}{inner}]")
            rest = rest[match.end() :]
        elif char == "\\" and rest:
            out.append(re.escape(rest[0]))
            rest = rest[1:]
        else:
            out.append(re.escape(char))
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error as error:
        raise UsageError(f"{pattern!r} is no pattern: {error}") from error


def _class_part(part: str) -> str:
    return part if part == "-" else re.escape(part[-1])
