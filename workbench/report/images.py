"""The rows of `docker images` and `docker history`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from time import gmtime, strftime

from workbench.build.format import human_age, human_size, timestamp
from workbench.build.images import HistoryEntry, Image, short_id
from workbench.build.request import familiar_tag
from workbench.build.text import one_line
from workbench.dataclass import dataclass
from workbench.report.tables import shortened, table

NONE = "<none>"


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One line: an image with three tags has three."""

    image: Image
    repository: str
    tag: str
    digest: str

    def identifier(self, truncate: bool) -> str:
        return short_id(self.image.id) if truncate else self.image.id

    def json(self, now: float, *, truncate: bool) -> dict[str, str]:
        """The keys of `docker images --format json`."""
        return {
            "Containers": "N/A",
            "CreatedAt": timestamp(self.image.created),
            "CreatedSince": human_age(now - self.image.created),
            "Digest": self.digest,
            "ID": self.identifier(truncate),
            "Repository": self.repository,
            "SharedSize": "N/A",
            "Size": human_size(self.image.size),
            "Tag": self.tag,
            "UniqueSize": "N/A",
            "VirtualSize": human_size(self.image.size),
        }


def split_reference(reference: str) -> tuple[str, str]:
    """`host:5000/a/b:tag` -> (`host:5000/a/b`, `tag`); no tag is ""."""
    head, slash, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag


def image_rows(images: Iterable[Image], name: str = "") -> list[ImageRow]:
    """A row per tag, `<none>` where an image has none; with `name` (REPOSITORY[:TAG], `*` allowed) only those tags."""
    rows = []
    for image in images:
        tags = [tag for tag in image.tags if not name or _matches(tag, name)]
        if not tags and not image.tags and not name:
            repository = image.digests[0].partition("@")[0] if image.digests else NONE
            rows.append(ImageRow(image, repository, NONE, _digest(image, repository)))
        for tag in tags:
            repository, label = split_reference(tag)
            rows.append(ImageRow(image, repository, label or NONE, _digest(image, repository)))
    return rows


def _matches(tag: str, name: str) -> bool:
    wanted_repository, wanted_tag = split_reference(familiar_tag(name))
    repository, label = split_reference(familiar_tag(tag))
    return fnmatchcase(repository, wanted_repository) and (not wanted_tag or fnmatchcase(label, wanted_tag))


def _digest(image: Image, repository: str) -> str:
    for digest in image.digests:
        name, _, value = digest.partition("@")
        if name == repository:
            return value
    return NONE


def images_table(rows: Sequence[ImageRow], now: float, *, truncate: bool = True, digests: bool = False) -> str:
    """The columns of `docker images`."""
    header = ["REPOSITORY", "TAG", *(["DIGEST"] if digests else []), "IMAGE ID", "CREATED", "SIZE"]
    return table(
        header,
        (
            [
                one_line(row.repository),
                one_line(row.tag),
                *([row.digest] if digests else []),
                row.identifier(truncate),
                human_age(now - row.image.created),
                human_size(row.image.size),
            ]
            for row in rows
        ),
    )


def history_table(entries: Sequence[HistoryEntry], now: float, *, truncate: bool = True) -> str:
    """The columns of `docker history`."""
    return table(
        ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"],
        (
            [
                _history_id(entry, truncate),
                human_age(now - entry.created),
                _created_by(entry, truncate),
                human_size(entry.size),
                one_line(entry.comment),
            ]
            for entry in entries
        ),
    )


def history_json(entry: HistoryEntry, now: float, *, truncate: bool = True) -> dict[str, str]:
    """The keys of `docker history --format json`."""
    return {
        "Comment": entry.comment,
        "CreatedAt": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(entry.created)),
        "CreatedBy": _created_by(entry, truncate),
        "CreatedSince": human_age(now - entry.created),
        "ID": _history_id(entry, truncate),
        "Size": human_size(entry.size),
    }


def _history_id(entry: HistoryEntry, truncate: bool) -> str:
    identifier = entry.id or "<missing>"
    return short_id(identifier) if truncate and entry.id else identifier


def _created_by(entry: HistoryEntry, truncate: bool) -> str:
    text = one_line(entry.created_by.replace("\t", " "))
    return shortened(text, 45) if truncate else text
