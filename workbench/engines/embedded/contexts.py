"""`--build-context NAME=PLACE`: what FROM, COPY --from and RUN --mount=from= find under such a name.

A folder, a git repository or a tar is a tree of files; an image is named as FROM names it. Source: moby/buildkit,
frontend/dockerui/namedcontext.go; docker/buildx, build/opt.go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Literal

from workbench.context.ignore import IGNORE_FILE, IgnoreRules
from workbench.dataclass import dataclass
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.refs import familiar
from workbench.engines.worker import Cancel
from workbench.errors import InputError, Unsupported, UsageError

_IMAGE, _LAYOUT = "docker-image://", "oci-layout://"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a named context is: a folder of this machine, an image as FROM names it, a git or http(s) URL."""

    kind: Literal["folder", "image", "git", "url"]
    text: str


def known_as(name: str) -> str:
    """A name as contexts are looked up: without `docker.io/library/` and `:latest`, in lower case."""
    with suppress(UsageError):
        name = familiar(name.lower())
    return name.lower().removesuffix(":latest")


def read_places(given: Mapping[str, str], engine: str) -> dict[str, Place]:
    """`--build-context`, checked. Raises UsageError, InputError where there is no such folder, Unsupported."""
    return {known_as(name): _place(name, text, engine) for name, text in given.items()}


def _place(name: str, text: str, engine: str) -> Place:
    from workbench.context.git import is_git
    from workbench.context.remote import is_url

    if text.startswith(_IMAGE):
        return Place("image", text.removeprefix(_IMAGE))
    if text.startswith(_LAYOUT):
        path, image = _split_layout(text.removeprefix(_LAYOUT))
        return Place("image", f"oci:{Path(path).absolute()}" + (f":{image}" if image else ""))
    if is_git(text):
        return Place("git", text)
    if is_url(text):
        return Place("url", text)
    if "://" in text or text.startswith(("target:", "input:")):
        raise Unsupported(
            f"--build-context {name}={text}", engine=engine,
            hint="A context is a folder, docker-image://NAME, oci-layout://PATH, or a git or http(s) URL.",
        )  # fmt: skip
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise InputError(f"--build-context {name}={text}: there is no such folder")
    return Place("folder", str(folder))


def _split_layout(text: str) -> tuple[str, str]:
    """`/path:tag`, `/path@sha256:...` -> the path, and the tag or digest."""
    path, at, digest = text.partition("@")
    if at:
        return path, digest
    path, _, tag = text.rpartition(":")
    return (path, tag) if path and "/" not in tag else (text, "")


@dataclass(slots=True)
class NamedContexts:
    """Of one build: each is read when it is first asked for, and once."""

    places: Mapping[str, Place]
    new_folder: Callable[[str], Path]
    folder_tree: Callable[[Path, IgnoreRules | None], ContextTree]
    cancel: Cancel
    agents: Mapping[str, str] = field(default_factory=dict)
    """Sockets of ssh agents, by ID."""
    _trees: dict[str, ContextTree] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __contains__(self, name: str) -> bool:
        return known_as(name) in self.places

    def image(self, name: str) -> str:
        """The image that the name stands for; the name itself where it stands for none."""
        place = self.places.get(known_as(name))
        return place.text if place is not None and place.kind == "image" else name

    def tree(self, name: str) -> ContextTree | None:
        """The files that the name stands for, None where it is no named context or an image. Raises StepFailed,
        InputError, Cancelled."""
        key = known_as(name)
        place = self.places.get(key)
        if place is None or place.kind == "image":
            return None
        with self._lock:
            if key not in self._trees:
                self._trees[key] = self._read(name, place)
            return self._trees[key]

    def _read(self, name: str, place: Place) -> ContextTree:
        from workbench.context.git import fetch_git, parse_git
        from workbench.context.unpack import Peeked, is_archive, unpack
        from workbench.engines.embedded.download import opened
        from workbench.engines.embedded.git_ssh import git_environment

        try:
            if place.kind == "folder":
                return self.folder_tree(Path(place.text), _rules(Path(place.text)))
            folder = self.new_folder("context")
            if place.kind == "git":
                source = parse_git(place.text)
                fetched = fetch_git(source, folder, self.cancel.on_ask, git_environment(self.agents))
                return self.folder_tree(fetched.folder, None)
            with opened(place.text, self.cancel) as stream:
                peeked = Peeked(stream)
                if not is_archive(peeked.head):
                    raise InputError(f"{place.text} is no tar", hint="A context from a URL is a tar of its files.")
                unpack(peeked, folder)
            return self.folder_tree(folder, None)
        except InputError as error:
            self.cancel.check()
            raise StepFailed(f"build context {name}: {error}", error.hint) from error


def _rules(folder: Path) -> IgnoreRules | None:
    """The context's own .dockerignore."""
    file = folder / IGNORE_FILE
    try:
        return IgnoreRules.parse(file.read_bytes().decode("utf-8", "surrogateescape"), source=str(file), build_files=())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
