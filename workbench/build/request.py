"""What is to be built: one frozen value, validated once, that every engine honours or refuses by name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workbench.dataclass import dataclass
from workbench.errors import UsageError

_EMPTY: Mapping[str, Any] = MappingProxyType({})

IN_THE_STORE = ("type=docker",)
"""The `--output` (short: `--load`) that asks for what every engine with images of its own does anyway."""

_HUB = ("docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/")
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_TAG = re.compile(rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[\w][\w.-]{{0,127}})?", re.ASCII)


def normalise_tag(tag: str) -> str:
    """`genesis` -> `genesis:latest`. Raises UsageError where it is no reference (distribution's grammar)."""
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"{tag!r} is not an image name",
            hint="A name is lower-case letters, digits and separators, with an optional :tag, as in genesis:latest.",
        )
    return tag if ":" in tag.rsplit("/", 1)[-1] else f"{tag}:latest"


def familiar_tag(tag: str) -> str:
    """`docker.io/library/busybox:1` -> `busybox:1`: as Docker shows it; Podman lists a name with the registry that it
    stands for. Source: distribution/reference of Docker (FamiliarString)."""
    for prefix in _HUB:
        if tag.startswith(prefix) and len(tag) > len(prefix):
            return tag.removeprefix(prefix)
    return tag


def _flag(name: str, default: Any = None, *, factory: Any = None) -> Any:
    """A field that is a command-line option; `name` is how an engine's refusal names it."""
    if factory is not None:
        return field(default_factory=factory, metadata={"flag": name})
    return field(default=default, metadata={"flag": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One build. Sizes are bytes; mappings and tuples keep the order of the command line."""

    context: Path | None
    """The folder, absolute; None when the Dockerfile comes alone (`-`) and nothing is sent."""
    dockerfile: str = "Dockerfile"
    """Path of the Dockerfile: relative to the context, or absolute where it lies outside it."""
    dockerfile_text: str | None = None
    """The text to build when it is not (only) on disk: standard input, or a revision held in the editor."""
    remote: str | None = None
    """A git or http(s) URL, for an engine that fetches its context itself."""

    tags: tuple[str, ...] = _flag("--tag", ())
    build_args: Mapping[str, str | None] = _flag("--build-arg", factory=lambda: _EMPTY)
    labels: Mapping[str, str] = _flag("--label", factory=lambda: _EMPTY)
    target: str | None = _flag("--target")
    platform: str | None = _flag("--platform")
    no_cache: bool = _flag("--no-cache", False)
    no_cache_filter: tuple[str, ...] = _flag("--no-cache-filter", ())
    cache_from: tuple[str, ...] = _flag("--cache-from", ())
    cache_to: tuple[str, ...] = _flag("--cache-to", ())
    pull: bool = _flag("--pull", False)
    rm: bool = _flag("--rm", True)
    force_rm: bool = _flag("--force-rm", False)
    squash: bool = _flag("--squash", False)
    compress: bool = _flag("--compress", False)
    network: str | None = _flag("--network")
    add_hosts: tuple[str, ...] = _flag("--add-host", ())
    cgroup_parent: str | None = _flag("--cgroup-parent")
    cpu_period: int | None = _flag("--cpu-period")
    cpu_quota: int | None = _flag("--cpu-quota")
    cpu_shares: int | None = _flag("--cpu-shares")
    cpuset_cpus: str | None = _flag("--cpuset-cpus")
    cpuset_mems: str | None = _flag("--cpuset-mems")
    memory: int | None = _flag("--memory")
    memory_swap: int | None = _flag("--memory-swap")
    shm_size: int | None = _flag("--shm-size")
    ulimits: tuple[str, ...] = _flag("--ulimit", ())
    security_opt: tuple[str, ...] = _flag("--security-opt", ())
    isolation: str | None = _flag("--isolation")
    disable_content_trust: bool = _flag("--disable-content-trust", True)
    secrets: tuple[str, ...] = _flag("--secret", ())
    ssh: tuple[str, ...] = _flag("--ssh", ())
    output: tuple[str, ...] = _flag("--output", ())
    build_contexts: Mapping[str, str] = _flag("--build-context", factory=lambda: _EMPTY)
    attests: tuple[str, ...] = _flag("--attest", ())
    annotations: tuple[str, ...] = _flag("--annotation", ())
    allow: tuple[str, ...] = _flag("--allow", ())

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(normalise_tag(tag) for tag in self.tags))
        if self.context is not None and not self.context.is_absolute():
            raise ValueError("BuildRequest.context must be absolute")
        for size in ("memory", "shm_size"):
            value = getattr(self, size)
            if value is not None and value < 0:
                raise UsageError(f"--{size.replace('_', '-')} must not be negative")

    @property
    def written(self) -> tuple[Path, ...]:
        """Files and folders of this machine that the build itself writes: `-o DIR`, and `dest=` of `--output` and
        `--cache-to`."""
        places = [text for text in self.output if "=" not in text]
        for text in (*self.output, *self.cache_to):
            places += [part.removeprefix("dest=") for part in text.split(",") if part.startswith("dest=")]
        return tuple(Path(place) for place in places if place != "-")

    def options_used(self) -> tuple[str, ...]:
        """The flags (`--memory`, ...) whose value is not the default: what an engine must honour or refuse."""
        used = []
        for spec in dataclasses.fields(self):
            flag = spec.metadata.get("flag")
            if flag is None:
                continue
            default = spec.default if spec.default is not dataclasses.MISSING else _EMPTY
            value = getattr(self, spec.name)
            if flag == "--output" and value == IN_THE_STORE:
                continue
            if value != default and not (isinstance(value, Mapping) and not value):
                used.append(flag)
        return tuple(used)
