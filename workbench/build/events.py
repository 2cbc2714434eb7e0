"""The facts of a build, as every engine tells them and every display reads them.

Laws, checked on each engine by one contract test: exactly one `BuildFinished`, and it is last; a failed build is
data; steps may interleave; text is a stranger's, without markup or colour added by us. Every event is frozen and
carries `at`, seconds since the epoch. `to_json` and `from_json` are each other's inverse.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import field
from typing import Any, Literal, get_args

from workbench.build.change import Change, change_from_json
from workbench.dataclass import dataclass

Outcome = Literal["succeeded", "failed", "cancelled"]
ContainerAction = Literal["created", "started", "exited", "committed", "removed"]
Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as the Dockerfile has it, before it runs. Lines count from 1, `end_line` is included."""

    step: int
    text: str
    line: int
    end_line: int
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStarted(_Event):
    """The first event. `steps` is the plan where the engine knows it, else empty."""

    build: str
    engine: str
    steps: tuple[PlannedStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSent(_Event):
    """The context went to the engine: bytes and files of this time (an incremental engine sends less)."""

    bytes: int
    files: int
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(_Event):
    """`step` of `total` began. `text` is the instruction as shown (`RUN make`); lines are those of the Dockerfile."""

    step: int
    total: int
    text: str
    line: int
    end_line: int
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLog(_Event):
    """Output of a step, as it came: not necessarily whole lines. Never dropped on the way to a display."""

    step: int
    text: str
    stream: Stream = "stdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(_Event):
    """How far a step is, in bytes or items of `what`. May be coalesced."""

    step: int
    what: str
    current: int
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent(_Event):
    """The intermediate container of a step: `container` is its ID; `exit_code` only with `exited`."""

    step: int
    action: ContainerAction
    container: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(_Event):
    """A step ended. `image` is the ID of what it left (empty for `FROM scratch`), `bytes` what its layer added.

    `why` says why it was not reused, where the engine knows: facts, bounded, see `build.change`.
    """

    step: int
    cached: bool = False
    seconds: float = 0.0
    error: str | None = None
    image: str = ""
    bytes: int | None = None
    why: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildWarning(_Event):
    """Something that a person should know and that does not end the build."""

    message: str
    code: str = ""
    step: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFinished(_Event):
    """The last event, once. `image` is set where `outcome` is succeeded; `error`, `step` and `line` where it failed.

    `lost` says that the engine went away, which is exit code 3 and not 1; `unfit` that the context cannot be sent as
    it is, which is 2.
    """

    outcome: Outcome
    image: str = ""
    tags: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str | None = None
    hint: str = ""
    step: int | None = None
    line: int | None = None
    lost: bool = False
    unfit: bool = False


BuildEvent = (
    BuildStarted
    | ContextSent
    | StepStarted
    | StepLog
    | StepProgress
    | ContainerEvent
    | StepFinished
    | BuildWarning
    | BuildFinished
)

_BY_NAME: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(BuildEvent)}


def to_json(event: BuildEvent) -> dict[str, Any]:
    """`{"event": class name, ...fields}`, ready for `json.dumps`."""
    return {"event": type(event).__name__, **dataclasses.asdict(event)}


def from_json(data: dict[str, Any]) -> BuildEvent:
    """The event that `to_json` wrote. Raises ValueError for a name or a field that is not of this vocabulary."""
    fields = dict(data)
    name = fields.pop("event", None)
    cls = _BY_NAME.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ValueError(f"not a build event: {name!r}")
    if "steps" in fields:
        fields["steps"] = tuple(PlannedStep(**step) for step in fields["steps"])
    if "why" in fields:
        fields["why"] = tuple(change_from_json(change) for change in fields["why"])
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    try:
        event: BuildEvent = cls(**fields)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error
    return event
