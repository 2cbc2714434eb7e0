"""A request's Dockerfile, read and parsed, for the engines that a Docker Engine has."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.build.request import BuildRequest
from workbench.dataclass import dataclass
from workbench.dockerfile import Dockerfile, decode, parse
from workbench.errors import InputError


@dataclass(frozen=True, slots=True)
class Source:
    """A Dockerfile and where it goes in the context."""

    dockerfile: Dockerfile
    name: str
    """What the engine calls the Dockerfile: its path in the context, or a made-up name."""
    text: bytes
    replaces: bool
    """Whether the text is sent in place of, or beside, what is on disk."""
    shown: str
    """The Dockerfile as a person would name it."""


def read_source(request: BuildRequest) -> Source:
    """Reads and parses the request's Dockerfile. Raises InputError where there is none, DockerfileError."""
    context = request.context
    path = Path(request.dockerfile)
    if context is not None:
        if not context.is_dir():
            why = "it is not a directory" if context.exists() else "no such directory"
            raise InputError(f"{context}: {why}", hint="A build context is a folder that has a Dockerfile.")
        path = context / path
    shown = _shown(path) if context is not None and path.exists() else request.dockerfile
    given = request.dockerfile_text
    try:
        text = given.encode("utf-8", "surrogateescape") if given is not None else path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: there is no such Dockerfile", hint="Give its path with -f, relative to the context or absolute."
        ) from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="The Dockerfile must be a readable file.") from error
    dockerfile = parse(decode(text, path=shown), path=shown)
    inside = _inside(context, path) if context is not None else ""
    on_disk = bool(inside) and context is not None and (context / inside).is_file()
    return Source(dockerfile, inside if on_disk else _made_up(text), text, given is not None or not on_disk, shown)


def _made_up(text: bytes) -> str:
    from workbench.context.archive import dockerfile_name  # few builds need one

    return dockerfile_name(text)


def _shown(path: Path) -> str:
    """As the person would write it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _inside(context: Path, path: Path) -> str:
    """The path within the context, empty where it lies outside."""
    relative = os.path.relpath(path, context)
    return "" if relative == ".." or relative.startswith("../") else relative
