"""What should rarely be in an image: keys, histories, what is fetched again anyway, and very big files."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from workbench.context.scan import Entry, Scan, ancestors
from workbench.dataclass import dataclass

BIG = 100_000_000
"""Bytes from which a file is worth a word."""
_FOLDERS = {
    ".git": "the whole history of the sources",
    ".hg": "the whole history of the sources",
    ".svn": "the whole history of the sources",
    "node_modules": "packages that a RUN step can install",
    ".venv": "a virtual environment, of this machine's paths",
    "venv": "a virtual environment, of this machine's paths",
    "__pycache__": "compiled files of this machine's Python",
    ".terraform": "providers and state",
    ".ssh": "keys",
    ".aws": "credentials",
}
_KEYS = (".pem", ".key", ".ppk", ".p12", ".pfx")
_KEY_NAMES = ("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519")
_SECRETS = (".netrc", ".npmrc", ".pypirc", ".git-credentials", ".htpasswd")
_MARK = b"PRIVATE KEY"


@dataclass(frozen=True, slots=True)
class Rarely:
    """An entry that is sent, and why it should rarely be."""

    path: str
    why: str


def rarely_sent(scan: Scan) -> Iterator[Rarely]:
    """What of the scan's sent entries should rarely be sent; of a folder only the folder: nothing where the scan
    is one of something below such a folder. Reads the first bytes of files that are called like keys. Blocks."""
    if any(_is_rare_folder(scan, above) for above in ancestors(scan.entries[0].path if scan.entries else "")):
        return
    below = "\0"
    for entry in scan.entries:
        if not entry.path.startswith(below) and entry.kind in ("file", "directory"):
            why = _why_folder(scan, entry) if entry.kind == "directory" else _why_file(scan.root, entry)
            if why:
                if entry.kind == "directory":
                    below = f"{entry.path}/"
                yield Rarely(entry.path, why)


def _why_folder(scan: Scan, entry: Entry) -> str:
    why = _FOLDERS.get(posixpath.basename(entry.path), "")
    return why if why and entry.sent else ""


def _is_rare_folder(scan: Scan, folder: str) -> bool:
    return posixpath.basename(folder) in _FOLDERS and not scan.rules.decide(folder).excluded


def _why_file(root: Path, entry: Entry) -> str:
    if not entry.sent:
        return ""
    name = posixpath.basename(entry.path)
    if name == ".env" or (name.startswith(".env.") and not name.endswith((".example", ".sample", ".template"))):
        return "an environment file, which often holds secrets"
    if name in _SECRETS:
        return "logins"
    if (name in _KEY_NAMES or name.endswith(_KEYS)) and _is_key(root / entry.path, name):
        return "a private key"
    if entry.size > BIG:
        return "a file of more than 100 MB"
    return ""


def _is_key(path: Path, name: str) -> bool:
    """Certificates have the same names: the first bytes of text tell; what is no text is a key by its name."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            head = file.read(200)
    except OSError:
        return name in _KEY_NAMES
    return _MARK in head if head.startswith(b"-----BEGIN") else not name.endswith((".pem", ".key")) or b"\0" in head
