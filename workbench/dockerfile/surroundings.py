"""What a Dockerfile's text does not say and a check may know: base images, ignored paths, the build's arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from workbench.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Each is given by who knows it. Without it the checks that need it stay silent rather than guess."""

    base_config: Callable[[str], Mapping[str, Any] | None] | None = None
    """The configuration of an image (`os`, `architecture`, `config: {Env, WorkingDir}`) by the reference in FROM, None
    for one that is not at hand. Asked at most once per FROM; it may not wait for a network."""
    ignored: Callable[[str], str] | None = None
    """Which line of the ignore file keeps a path out of the context (`.dockerignore:3: *.log`), "" for a path that is
    sent. Not given where a rule with `!` may bring back what lies below: BuildKit is silent there too."""
    platform: str = ""
    """What is built for, like `linux/amd64`; "" where that is open."""
    build_args: Mapping[str, str] = field(default_factory=dict)
    paths: Callable[[], Sequence[str]] | None = None
    """The paths in the context, for completion; a folder ends in `/`."""
    images: Sequence[str] = ()
    """The names of images that the engine has, for completion."""


NOTHING = Surroundings()
"""Only the text is known."""
