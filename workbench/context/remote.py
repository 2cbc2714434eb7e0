"""Contexts from elsewhere: a git repository through the system's git, a tar or a Dockerfile over http(s).

`URL#REF:FOLDER` names a branch, tag or commit and a folder in the repository, as `docker build` has it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from workbench.errors import InputError

_GIT_SUFFIX = re.compile(r"\.git(#.*)?")
_TIMEOUT = 60


def is_git(name: str) -> bool:
    """The forms of `docker build`: `git://`, `git@`, `github.com/`, and http(s) that ends in `.git`."""
    if name.startswith(("git://", "git@", "ssh://git@", "github.com/")):
        return True
    return name.startswith(("http://", "https://")) and _GIT_SUFFIX.search(name) is not None


def is_url(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def without_secrets(url: str) -> str:
    """The URL without the user and password that it may carry."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


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


def fetch_git(name: str, folder: Path) -> Path:
    """Checks the repository and its submodules out below `folder`; the context in it. Raises InputError."""
    url, _, fragment = name.partition("#")
    ref, _, below = fragment.partition(":")
    if url.startswith("github.com/"):
        url = f"https://{url}"
    if ref.startswith("-"):
        raise InputError(f"{ref!r} is not a branch, tag or commit")
    checkout = folder / "checkout"
    _git(folder, "init", "--quiet", str(checkout), about=url)
    try:
        _git(checkout, "fetch", "--quiet", "--depth=1", "--", url, ref or "HEAD", about=url)
    except InputError:
        if not ref:
            raise
        # A server that does not hand out a bare commit does hand out everything.
        _git(checkout, "fetch", "--quiet", "--tags", "--", url, "+refs/heads/*:refs/remotes/origin/*", about=url)
        _git(checkout, "checkout", "--quiet", "--detach", ref, about=url)
    else:
        _git(checkout, "checkout", "--quiet", "--detach", "FETCH_HEAD", about=url)
    if (checkout / ".gitmodules").exists():
        _git(checkout, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", about=url)
    shutil.rmtree(checkout / ".git")
    context = (checkout / below.lstrip("/")).resolve()
    if not context.is_relative_to(checkout.resolve()) or not context.is_dir():
        raise InputError(f"{without_secrets(url)} has no folder {below!r}")
    return context


def _git(where: Path, *words: str, about: str) -> None:
    git = shutil.which("git")
    if git is None:
        raise InputError(f"{without_secrets(about)} needs git, which is not installed here")
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run([git, *words], cwd=where, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(f"{without_secrets(about)}: git {words[0]}: {without_secrets(said)}")
