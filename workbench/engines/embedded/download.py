"""ADD of a URL, as the classic builder does it: mode 0600, the time of Last-Modified, never unpacked."""

from __future__ import annotations

import base64
import email.utils
import http.client
import posixpath
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.trees import FileItem
from workbench.engines.worker import Cancel
from workbench.errors import InputError

_SECONDS = 30
_CHUNK = 1 << 16
_HINTS = {
    401: "The server wants a login: https://USER:PASSWORD@HOST/..., or RUN with --mount=type=secret and a client.",
    403: "The server knows the file and does not give it to everybody.",
    404: "Is the address right?",
}


def is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def download(url: str, destination: str, folder: Path, cancel: Cancel) -> FileItem:
    """The file at `url`, in `folder`, which is empty. A user and password in the URL are sent, to that host alone, and
    are in no error. Raises InputError; Cancelled."""
    name = _name(url, destination)
    path = folder / "file"
    plain, headers = _without_login(url)
    request = urllib.request.Request(plain, headers={"User-Agent": "workbench"})
    for header, value in headers.items():
        request.add_unredirected_header(header, value)
    url = plain
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer, path.open("wb") as out:
            forget = cancel.on_ask(answer.close)
            try:
                while data := answer.read(_CHUNK):
                    cancel.check()
                    out.write(data)
            finally:
                forget()
            name = _disposition(answer.headers.get("Content-Disposition")) or name
            modified = answer.headers.get("Last-Modified")
    except urllib.error.HTTPError as error:
        raise InputError(
            f"ADD failed: failed to GET {url} with status {error.code} {error.reason}", hint=_HINTS.get(error.code, "")
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        cancel.check()
        reason = getattr(error, "reason", None) or error
        raise InputError(f"ADD failed: {url}: {reason}", hint="Is the network there, and the address right?") from error
    return FileItem(TarEntry(name, "file", 0o600, mtime=_time(modified), size=path.stat().st_size), path)


def _without_login(url: str) -> tuple[str, dict[str, str]]:
    """The URL without `user:password@`, and the header that says the same."""
    parts = urllib.parse.urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    user, _, password = login.partition(":")
    pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}".encode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _name(url: str, destination: str) -> str:
    name = posixpath.basename(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
    if not name and destination.endswith("/"):
        raise InputError(f"ADD failed: cannot determine filename for source {url}", hint="Name the file: /folder/name.")
    return name or "__unnamed__"


def _disposition(header: str | None) -> str:
    match = re.search(r'filename="?([^";]+)"?', header or "")
    return posixpath.basename(match[1].strip()) if match else ""


def _time(header: str | None) -> int:
    if not header:
        return 0
    try:
        return max(0, int(email.utils.parsedate_to_datetime(header).timestamp()))
    except (TypeError, ValueError):
        return 0
