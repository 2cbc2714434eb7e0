"""ADD of a URL, as the classic builder does it: mode 0600, the time of Last-Modified, never unpacked."""

from __future__ import annotations

import base64
import email.utils
import http
import http.client
import posixpath
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.registry.transport import Answer, Broken, Transport, Unreachable
from workbench.engines.embedded.trees import FileItem
from workbench.engines.worker import Cancel
from workbench.errors import InputError

_CHUNK = 1 << 16
_HINTS = {
    401: "The server wants a login: https://USER:PASSWORD@HOST/..., or RUN with --mount=type=secret and a client.",
    403: "The server knows the file and does not give it to everybody.",
    404: "Is the address right?",
}


def download(url: str, destination: str, folder: Path, cancel: Cancel) -> FileItem:
    """The file at `url`, in `folder`, which is empty. Raises InputError; Cancelled."""
    path = folder / "file"
    with opened(url, cancel) as answer, path.open("wb") as out:
        name = _name(url, answer.headers.get("Content-Disposition"), destination)
        while data := answer.read(_CHUNK):
            cancel.check()
            out.write(data)
        modified = answer.headers.get("Last-Modified")
    return FileItem(TarEntry(name, "file", 0o600, mtime=_time(modified), size=path.stat().st_size), path)


@contextmanager
def opened(url: str, cancel: Cancel) -> Iterator[Answer]:
    """The answer to a GET, redirects followed. A user and password in the URL are sent, to that host alone, and are in
    no error. Raises InputError, here and for what breaks while it is read; Cancelled."""
    plain, headers = _without_login(url)
    try:
        with Transport(cancel) as transport, transport.send("GET", plain, headers) as answer:
            if answer.status != http.HTTPStatus.OK:
                reason = http.client.responses.get(answer.status, "")
                raise InputError(
                    f"failed to GET {plain} with status {answer.status} {reason}", hint=_HINTS.get(answer.status, "")
                )
            yield answer
    except Unreachable as error:
        raise InputError(f"{plain}: {error}", hint=error.hint or "Is the network there?") from error
    except Broken as error:
        raise InputError(f"{plain}: {error}", hint="Try again; what came so far was dropped.") from error


def _without_login(url: str) -> tuple[str, dict[str, str]]:
    """The URL without `user:password@`, and the header that says the same."""
    parts = urllib.parse.urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    user, _, password = login.partition(":")
    pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}".encode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _name(url: str, disposition: str | None, destination: str) -> str:
    """The last part of the URL's path, else what the server calls the file (moby 20.10, builder/dockerfile/copy.go,
    getFilenameForDownload). Raises InputError where a folder is to have a file without a name."""
    header = re.search(r'filename="?([^";]+)"?', disposition or "")
    for path in (urllib.parse.unquote(urllib.parse.urlsplit(url).path), header[1].strip() if header else ""):
        name = posixpath.basename(path)
        if name not in ("", ".", "..") and "\0" not in name:
            return name
    if destination.endswith("/"):
        raise InputError(f"cannot determine filename for source {url}", hint="Name the file: /folder/name.")
    return "__unnamed__"


def _time(header: str | None) -> int:
    if not header:
        return 0
    try:
        return max(0, int(email.utils.parsedate_to_datetime(header).timestamp()))
    except (TypeError, ValueError):
        return 0
