"""Pushing to a registry that fails in the middle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_registry import Fake, Request, digest_of, fake_registry, times

from workbench.engines.embedded.registry.access import Access
from workbench.engines.embedded.registry.manifests import Blob
from workbench.engines.embedded.registry.reference import parse_reference
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.registry.upload import upload
from workbench.engines.worker import Cancel
from workbench.errors import ImageError

DATA = os.urandom(1_000_000)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fake_registry() as fake:
        yield fake


def send(fake: Fake, tmp_path: Path, chunk: int = 300_000) -> int:
    """Uploads DATA; the bytes that the progress came to."""
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    told: list[int] = []
    reference = parse_reference(f"{fake.host}/a/x:1")
    with Access(reference, fake.host, Registries(), Cancel(), push=True) as access:
        upload(access, Blob(digest_of(DATA), len(DATA)), path, told.append, chunk=chunk)
    assert fake.blobs[digest_of(DATA)] == DATA
    return sum(told)


def sizes(fake: Fake, method: str) -> list[int]:
    return [int(headers.get("Content-Length", 0)) for asked, _, headers in fake.asked if asked == method]


def test_a_big_blob_goes_in_chunks(fake: Fake, tmp_path: Path) -> None:
    assert send(fake, tmp_path) == len(DATA)
    assert sizes(fake, "PATCH") == [300_000] * 3 and sizes(fake, "PUT") == [100_000]


def test_after_a_failure_it_goes_on_where_the_registry_stands(fake: Fake, tmp_path: Path) -> None:
    def half(request: Request) -> bool:
        if request.command != "PATCH" or len(fake.upload) != 300_000:
            return False
        fake.upload += request.body[:100_000]
        request.reply(500)
        return True

    fake.rules.append(times(1, half))
    assert send(fake, tmp_path) == len(DATA)
    assert sizes(fake, "PATCH") == [300_000] * 3 and sizes(fake, "PUT") == [300_000]
    assert len(sizes(fake, "POST")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_refused_piece_is_sent_again(fake: Fake, tmp_path: Path, status: int) -> None:
    fake.rules.append(times(2, lambda it: it.command == "PUT" and not it.reply(status, Retry_After="0")))
    assert send(fake, tmp_path, chunk=1 << 30) == len(DATA)


def test_a_lost_upload_begins_again(fake: Fake, tmp_path: Path) -> None:
    def lose(request: Request) -> bool:
        if request.command != "PATCH" or len(fake.upload) != 300_000:
            return False
        request.reply(404)
        return True

    fake.rules.append(times(1, lose))
    fake.rules.append(lambda it: it.command == "GET" and "uploads" in it.path and not it.reply(404))
    assert send(fake, tmp_path) == len(DATA)
    assert len(sizes(fake, "POST")) == 2


def test_a_refusal_ends_it(fake: Fake, tmp_path: Path) -> None:
    fake.rules.append(lambda it: it.command == "PUT" and not it.reply(413))
    with pytest.raises(ImageError, match="answers 413"):
        send(fake, tmp_path)
    assert len(sizes(fake, "PUT")) == 1
