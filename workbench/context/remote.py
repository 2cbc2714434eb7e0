"""Contexts over http(s): a tar or a Dockerfile, as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from workbench.context.git import without_secrets
from workbench.errors import InputError

_TIMEOUT = 60


def is_url(name: str) -> bool:
    return name.startswith(("http://", "https://"))


@contextmanager
def open_url(url: str) -> Iterator[BinaryIO]:
    """Its content as a stream. Raises InputError."""
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            yield cast(BinaryIO, answer)
    except urllib.error.HTTPError as error:
        raise InputError(f"{without_secrets(url)}: {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise InputError(f"{without_secrets(url)}: {error.reason}") from error
    except HTTPException as error:
        raise InputError(f"{without_secrets(url)}: the answer is cut short ({type(error).__name__})") from error
    except ValueError as error:
        raise InputError(f"{without_secrets(url)} is not a URL: {error}") from error
