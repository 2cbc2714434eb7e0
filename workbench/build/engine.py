"""The Engine protocol: what turns a request into events, and says beforehand what it cannot do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Literal, Protocol

from workbench.build.events import BuildEvent
from workbench.build.images import ImageStore
from workbench.build.request import BuildRequest
from workbench.dataclass import dataclass
from workbench.errors import Unsupported

if TYPE_CHECKING:
    from workbench.build.forecast import Forecast
    from workbench.context.scan import Scan


Reasons = Literal["told", "kept", "none"]
"""What becomes of the reasons why a step was not reused, on an engine that keeps no manifests: a build tells them, or
keeps only what the next one is compared with, or does neither, and does not look at the context a second time."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine honours: flags of BuildRequest (`--memory`), and its features (`heredoc`, `run-mount`)."""

    options: frozenset[str]
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """A usable engine: who it is and where. `details` are short facts for a person (`bwrap 0.11.0, as root`)."""

    name: str
    version: str
    address: str = ""
    details: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


class Build(Protocol):
    """A running build: iterate it for its events. `cancel` may be called at any time, from the loop's thread,
    and more than once; the events then end in `BuildFinished(outcome="cancelled")` within a second."""

    def __aiter__(self) -> AsyncIterator[BuildEvent]: ...

    async def __anext__(self) -> BuildEvent: ...

    def cancel(self) -> None: ...

    async def aclose(self) -> None:
        """Cancels, and waits until nothing of the build is left."""
        ...

    @property
    def scan(self) -> Scan | None:
        """After its end: the context as it was read, where this process read it and kept it so long."""
        ...


class Engine(Protocol):
    """One way to build. Constructing it does nothing; `check` looks."""

    @property
    def name(self) -> str: ...

    @property
    def images(self) -> ImageStore: ...

    def capabilities(self) -> Capabilities: ...

    async def check(self) -> EngineInfo:
        """Raises EngineUnavailable, saying what to do."""
        ...

    def build(self, request: BuildRequest) -> Build:
        """The events of one build. The first `__anext__` raises what keeps it from starting: DockerfileError,
        InputError, Unsupported, EngineUnavailable. After the first event nothing raises."""
        ...

    async def forecast(self, request: BuildRequest) -> Forecast | None:
        """What the next build of `request` (its `dockerfile_text` may be unsaved) will reuse, without building; None
        where the engine cannot tell. Cancelling it ends its work soon. Raises WorkbenchError, OSError."""
        ...

    async def close(self) -> None:
        """Ends what the engine holds open. Builds are cancelled first."""
        ...


# Which engine honours which flag. One table, so that a refusal can name the engines that do without importing them.
_COMMON = frozenset(
    {"--tag", "--build-arg", "--label", "--target", "--no-cache", "--force-rm", "--network", "--add-host", "--shm-size",
     "--ulimit", "--compress"}
)  # fmt: skip
_GROUPS = frozenset(
    {"--cgroup-parent", "--cpu-period", "--cpu-quota", "--cpu-shares", "--cpuset-cpus", "--cpuset-mems", "--memory",
     "--memory-swap"}
)  # fmt: skip
OPTIONS: Mapping[str, frozenset[str]] = {
    # No container outlives its step, so --rm=false has nothing to keep.
    "embedded": _COMMON
    | _GROUPS
    | {"--pull", "--cache-from", "--build-context", "--secret", "--ssh", "--allow", "--platform"},
    "docker": _COMMON
    | _GROUPS
    | {"--rm", "--cache-from", "--pull", "--platform", "--security-opt", "--isolation",
       "--squash"},
    # Signatures are verified by nobody here (--disable-content-trust=false): that was a client's work, with a notary.
    # BuildKit never keeps containers (--rm=false), and its steps have no limits of their own (--memory).
    "buildkit": frozenset(
        {"--tag", "--build-arg", "--label", "--target", "--no-cache", "--no-cache-filter", "--force-rm", "--network",
         "--add-host", "--shm-size", "--ulimit", "--cgroup-parent", "--cache-from", "--cache-to", "--pull",
         "--platform", "--secret", "--ssh", "--output", "--build-context", "--attest", "--allow", "--annotation"}
    ),
}  # fmt: skip


SENDING_AS_CLASSIC = frozenset({"docker", "embedded"})
"""Engines that take of an ignored folder what the classic builder's client does; see IgnoreRules.as_classic."""


def refuse_unsupported(request: BuildRequest, engine: str) -> None:
    """Raises Unsupported for the first flag of `request` that `engine` cannot honour, naming the engines that can."""
    honoured = OPTIONS[engine]
    for flag in request.options_used():
        if flag not in honoured:
            said = f"--output {request.output[0]}" if flag == "--output" else flag  # --push is one, too
            raise Unsupported(said, engine=engine, engines=[name for name in OPTIONS if flag in OPTIONS[name]])
