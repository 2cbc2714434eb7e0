"""A request in the words of `docker build`: to show and copy it, and to keep its options for the next time."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.build.masks import speaks_of_secret
from workbench.build.request import BuildRequest
from workbench.config import kept_name, state_dir

SWITCHES = ("--no-cache", "--pull", "--rm", "--force-rm", "--squash", "--compress", "--disable-content-trust")
"""Flags that are true or false."""


def option_flags() -> tuple[str, ...]:
    """Every flag of a request, in the order of its fields."""
    return tuple(spec.metadata["flag"] for spec in dataclasses.fields(BuildRequest) if "flag" in spec.metadata)


def values_of(request: BuildRequest, flag: str, *, hide: bool = False) -> tuple[str, ...]:
    """What `flag` has in `request`, once for each time that it is given; nothing where it has its default.

    With `hide` a build argument whose name speaks of a secret is its name alone, which docker takes as the value of
    the environment. `--secret` and `--ssh` name where a secret is, never what it is.
    """
    if flag not in request.options_used():
        return ()
    name = next(spec.name for spec in dataclasses.fields(request) if spec.metadata.get("flag") == flag)
    value = getattr(request, name)
    if isinstance(value, Mapping):
        by_name = hide and flag == "--build-arg"
        return tuple(
            key if it is None or (by_name and speaks_of_secret(key)) else f"{key}={it}" for key, it in value.items()
        )
    if isinstance(value, tuple):
        return tuple(map(str, value))
    return (str(value).lower() if isinstance(value, bool) else str(value),)


def words_of(request: BuildRequest, *, hide: bool = True) -> list[str]:
    """The options as words of a command line; see `values_of` for `hide`."""
    words: list[str] = []
    for flag in option_flags():
        for value in values_of(request, flag, hide=hide):
            words += [flag] if value == "true" and flag in SWITCHES else [f"{flag}={value}"]
    return words


def docker_command(request: BuildRequest) -> str:
    """The equal `docker build`, quoted for a shell. Of secrets it has names alone."""
    file = [] if request.dockerfile == "Dockerfile" else ["-f", _file(request)]
    place = request.remote or ("-" if request.context is None else str(request.context))
    return shlex.join(["docker", "build", *words_of(request), *file, place])


def _file(request: BuildRequest) -> str:
    return request.dockerfile if request.context is None else str(request.context / request.dockerfile)


def keep_options(request: BuildRequest) -> None:
    """Keeps the options of a context for the next start. Blocks. Raises OSError."""
    assert request.context is not None, "options are kept for a folder"
    place = _place(request.context)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = place.with_suffix(f".{os.getpid()}.new")
    new.touch(0o600)
    new.write_text(json.dumps({"context": os.fspath(request.context), "options": words_of(request)}))
    new.replace(place)


def kept_options(context: Path) -> list[str]:
    """The words that `keep_options` kept; none where there are none that can be read. Blocks."""
    try:
        data: Any = json.loads(_place(context).read_bytes())
        return [str(word) for word in data["options"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _place(context: Path) -> Path:
    return state_dir() / "options" / f"{kept_name(context)}.json"
