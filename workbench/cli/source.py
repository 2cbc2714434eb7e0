"""PATH, URL or `-`: where a build's context and Dockerfile come from, and temporary folders that go again."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from workbench.cli import output
from workbench.dataclass import dataclass
from workbench.errors import InputError, UsageError

DOCKERFILE = "Dockerfile"


@dataclass(frozen=True, slots=True)
class Source:
    """What BuildRequest calls context, dockerfile and dockerfile_text; `shown` names the Dockerfile to a person."""

    context: Path | None
    dockerfile: str
    text: str | None
    shown: str
    temporary: bool = False


def local_context(name: str) -> Path:
    """The folder, absolute and without symlinks. Raises InputError where it is none."""
    path = Path(name)
    if not name:  # Path("") is the current folder, and an empty variable of a script is not meant as that
        raise InputError('the context is ""', hint="Name a folder; the current one is `.`.")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"there is no context {name}", hint=_did_you_mean(name)) from None
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from error
    if not stat.S_ISDIR(mode):
        raise InputError(f"{name} is not a folder", hint="A context is a folder; a Dockerfile is named with -f FILE.")
    path = path.resolve()
    if not os.access(path, os.R_OK | os.X_OK):
        raise InputError(f"{name}: this user may not read the folder")
    return path


def _did_you_mean(name: str) -> str:
    from difflib import get_close_matches

    from workbench.cli.commands import COMMANDS

    near = get_close_matches(name, [command.name for command in COMMANDS], 1)
    return f"Did you mean `workbench {near[0]}`?" if near else ""


def dockerfile_path(context: Path, file: str | None, *, must_exist: bool = True) -> str:
    """The Dockerfile relative to its context, or absolute where it lies outside. `file` is relative to the current
    folder, as `docker build -f` has it. Raises InputError where there is none."""
    if file is None:
        lower = context / DOCKERFILE.lower()
        name = lower.name if lower.is_file() and not (context / DOCKERFILE).exists() else DOCKERFILE
        if must_exist and not (context / name).exists():
            raise InputError(
                f"there is no Dockerfile in {_shown(context)}", hint="Make one, or name another one with -f FILE."
            )
        return name
    path = Path(file).parent.resolve() / Path(file).name
    if not path.exists():
        inside = context / file
        hint = f"There is one in the context: -f {_shown(inside)}" if inside.exists() else ""
        if must_exist:
            raise InputError(f"there is no Dockerfile {file}", hint=hint)
    if path.is_dir():
        raise InputError(f"{file} is a folder, not a Dockerfile")
    return path.relative_to(context).as_posix() if path.is_relative_to(context) else str(path)


def _shown(path: Path) -> str:
    """As short as the person would write it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def read_bytes(path: Path, shown: str) -> bytes:
    """A Dockerfile's bytes. Raises InputError for what cannot be read, or is no file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{shown} is not a file")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror}") from error


@contextmanager
def open_source(name: str, file: str | None) -> Iterator[Source]:
    """The source of one build. Reads stdin for `-` (a Dockerfile or a tar) and for `-f -`; fetches a URL."""
    if name == "-" and file == "-":
        raise UsageError("the context and the Dockerfile cannot both come from stdin")
    if name == "-":
        with _stdin() as stream, _streamed(stream, file, "-") as source:
            yield source
    elif name.startswith("github.com/"):
        with _git(f"https://{name}", file, name) as source:
            yield source
    elif ":" in name and (fetched := _fetched(name, file)) is not None:
        with fetched as source:
            yield source
    elif file == "-":
        context = local_context(name)
        with _stdin() as stream:
            yield Source(context, DOCKERFILE, _decoded(stream.read(), "-"), "-")
    else:
        context = local_context(name)
        path = dockerfile_path(context, file)
        yield Source(context, path, None, file or str(Path(name, path)))


def _fetched(name: str, file: str | None) -> AbstractContextManager[Source] | None:
    """The source behind a URL; None for what is none."""
    from workbench.context.git import is_git
    from workbench.context.remote import is_url

    if is_git(name):
        return _git(name, file, name)
    return _download(name, file) if is_url(name) else None


@contextmanager
def _git(url: str, file: str | None, shown: str) -> Iterator[Source]:
    from workbench.context.git import fetch_git, parse_git
    from workbench.engines.embedded.git_ssh import git_environment
    from workbench.engines.embedded.subids import has_range

    with _folder() as folder:  # ssh may ask, on the terminal, where it can find what it needs
        environment = git_environment({}) if has_range() else {}
        yield _in_folder(fetch_git(parse_git(url), folder, None, environment).folder, file, shown)


@contextmanager
def _download(url: str, file: str | None) -> Iterator[Source]:
    from workbench.context.remote import open_url

    with open_url(url) as stream, _streamed(stream, file, url) as source:
        yield source


@contextmanager
def _stdin() -> Iterator[BinaryIO]:
    if output.is_terminal(sys.stdin):
        raise UsageError("stdin is a terminal", hint="Redirect a Dockerfile or a tar of a context into it.")
    yield sys.stdin.buffer


@contextmanager
def _streamed(stream: BinaryIO, file: str | None, shown: str) -> Iterator[Source]:
    """A stream is a tar of a context, or a Dockerfile that comes alone."""
    from workbench.context.unpack import Peeked, is_archive, unpack

    peeked = Peeked(stream)
    if not peeked.head:
        raise InputError(f"{'stdin' if shown == '-' else shown} is empty: a Dockerfile or a tar was expected")
    if not is_archive(peeked.head):
        if file is not None:
            raise UsageError("-f names a Dockerfile in a context, and a Dockerfile that comes alone has none")
        yield Source(None, DOCKERFILE, _decoded(peeked.read(), shown), shown)
        return
    with _folder() as folder:
        unpack(peeked, folder)
        yield _in_folder(folder, file, shown)


def _in_folder(context: Path, file: str | None, shown: str) -> Source:
    """A context that was fetched: `file` counts from its root."""
    if file is None:
        path = dockerfile_path(context, None, must_exist=False)
    else:
        path = os.path.normpath(file.lstrip("/"))
        if path.startswith(".."):
            raise InputError(f"{file} lies outside of the context")
    for name in (path, f"{path}.dockerignore", ".dockerignore"):
        if not (context / name).resolve().is_relative_to(context.resolve()):
            raise InputError(f"{shown}: {name} is a link that leads out of the context")
    if not (context / path).is_file():
        raise InputError(f"{'the tar on stdin' if shown == '-' else shown} has no {path}")
    return Source(context, path, None, path, temporary=True)


@contextmanager
def _folder() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="workbench-context-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def _decoded(data: bytes, shown: str) -> str:
    from workbench.dockerfile import decode

    return decode(data, path=shown)
