"""Before the first step: the Dockerfile read, the stages chosen, every flag checked, the steps numbered.

Everything here raises what keeps a build from starting: DockerfileError, InputError, UsageError, Unsupported.
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from workbench.build.events import PlannedStep
from workbench.build.platforms import (
    Platform,
    cannot_run,
    here,
    parse_platform,
    platform_arguments,
    runs_here,
)
from workbench.build.request import BuildRequest
from workbench.build.secrets import read_secrets
from workbench.context.opening import read_file
from workbench.dataclass import dataclass
from workbench.dockerfile import (
    Dockerfile,
    Stage,
    base_stage,
    decode,
    expand,
    find_stage,
    global_environment,
    needed_stages,
    parse,
)
from workbench.dockerfile import instructions as docker
from workbench.dockerfile.stages import Triggers, build_steps
from workbench.engines.embedded.cgroups import NO_LIMITS, Limits, plan_limits
from workbench.engines.embedded.contexts import Place, read_places
from workbench.engines.embedded.refusals import ENGINE, refuse, refuse_directives, refused
from workbench.errors import DockerfileError, InputError, Unsupported, UsageError

_LIMITS = {
    name.removeprefix("RLIMIT_").lower(): getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT")
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be built. `numbers` has each instruction's step by its identity."""

    dockerfile: Dockerfile
    path: str
    """The Dockerfile as a person would name it."""
    stages: tuple[Stage, ...]
    target: Stage
    steps: tuple[PlannedStep, ...]
    numbers: dict[int, int]
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)
    contexts: dict[str, Place] = field(default_factory=dict)
    """`--build-context`, by the name that it is looked up by."""
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What `--secret` gives, by ID."""
    agents: Mapping[str, str] = field(default_factory=dict)
    """The sockets of ssh agents that `--ssh` gives, by ID."""
    platform: Platform = field(default_factory=here)
    """What is built for."""
    platforms: Mapping[int, Platform | None] = field(default_factory=dict)
    """What FROM asks for, by the index of its stage."""
    groups: Limits = NO_LIMITS
    """Control groups."""


def make_plan(request: BuildRequest, triggers: Triggers | None = None) -> Plan:
    """Reads and checks. `request` has been through `refuse_unsupported`; `triggers` knows what the ONBUILD of an image
    by its name says, as far as it is here."""
    if request.remote is not None:
        raise Unsupported("a context from a URL", engine=ENGINE, engines=["docker"])
    path, text = _read_dockerfile(request)
    dockerfile = parse(text, path=path)
    refuse_directives(dockerfile, request.build_args)
    given = {name: value for name, value in request.build_args.items() if value is not None}
    target = find_stage(dockerfile, request.target)
    contexts = read_places(request.build_contexts, ENGINE)
    platform = _platform(request)
    arguments = platform_arguments(platform)
    needed = needed_stages(
        dockerfile, request.target, given, predefined=arguments, replaced=contexts, triggers=triggers
    )
    stages = tuple(dockerfile.stages[index] for index in needed)
    for stage in stages:
        for instruction in (stage.base, *stage.instructions):
            try:
                refuse(instruction, request.allow)
            except DockerfileError as error:
                error.path = path
                raise
    if request.network not in (None, "", "default", "bridge", "host", "none"):
        raise Unsupported(f"--network {request.network}", engine=ENGINE, engines=["docker"])
    secrets = read_secrets(request.secrets)
    platforms = _platforms(dockerfile, stages, given, platform)
    _check_programs(dockerfile, stages, platform if request.platform else None, platforms, given)
    steps, numbers = _steps(dockerfile, stages, request)
    return Plan(
        dockerfile, path, stages, target, steps, numbers, _limits(request), contexts, secrets,
        platform=platform, platforms=platforms, groups=plan_limits(request),
    )  # fmt: skip


def _read_dockerfile(request: BuildRequest) -> tuple[str, str]:
    path = (request.context or Path.cwd()) / request.dockerfile
    shown = os.path.relpath(path)
    if shown.startswith(".."):
        shown = str(path)
    if request.dockerfile_text is not None:
        return (shown if path.exists() else request.dockerfile), request.dockerfile_text
    try:
        data = read_file(path)
    except FileNotFoundError as error:
        raise InputError(f"no Dockerfile at {path}", hint="Write one, or name another with -f.") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return shown, decode(data, path=shown)


def _steps(
    dockerfile: Dockerfile, stages: tuple[Stage, ...], request: BuildRequest
) -> tuple[tuple[PlannedStep, ...], dict[int, int]]:
    names = {id(it): stage.name for stage in stages for it in (stage.base, *stage.instructions)}
    steps: list[PlannedStep] = []
    numbers: dict[int, int] = {}
    for number, it in enumerate(build_steps(dockerfile, [stage.index for stage in stages]), 1):
        numbers[id(it)] = number
        steps.append(PlannedStep(number, it.text, it.line, it.end_line, names.get(id(it), "")))
    for name, value in sorted(request.labels.items()):  # steps on no line, as the classic builder adds them
        steps.append(PlannedStep(len(steps) + 1, f"LABEL {name}={value}", 0, 0, steps[-1].stage))
    return tuple(steps), numbers


def _platform(request: BuildRequest) -> Platform:
    if request.platform and "," in request.platform:
        raise Unsupported(f"--platform {request.platform} (several at once)", engine=ENGINE)
    platform = parse_platform(request.platform) if request.platform else here()
    if platform.os != "linux":
        raise Unsupported(f"--platform {platform}", engine=ENGINE, hint="It builds for linux.")
    return platform


def _platforms(
    dockerfile: Dockerfile, stages: tuple[Stage, ...], given: Mapping[str, str], platform: Platform
) -> dict[int, Platform | None]:
    """Raises UsageError, Unsupported for what FROM asks for and cannot have."""
    env = global_environment(dockerfile, given, platform_arguments(platform))
    found: dict[int, Platform | None] = {}
    for stage in stages:
        asked = expand(stage.base, env, dockerfile.escape)[0].platform
        found[stage.index] = it = parse_platform(asked, f"line {stage.base.line}: FROM --platform") if asked else None
        if it is not None and it.os != "linux":
            raise refused(stage.base, f"FROM --platform={it}")
    return found


def _check_programs(
    dockerfile: Dockerfile, stages: tuple[Stage, ...], asked: Platform | None,
    platforms: Mapping[int, Platform | None], given: Mapping[str, str],
) -> None:  # fmt: skip
    """Raises Unsupported for a RUN whose programs this machine is known not to run, before the first step."""
    env = global_environment(dockerfile, given, platform_arguments(asked or here()))
    of: dict[int, Platform | None] = {}
    for stage in stages:
        earlier = base_stage(dockerfile, stage.index, expand(stage.base, env, dockerfile.escape)[0].image)
        of[stage.index] = it = of.get(earlier.index) if earlier else platforms[stage.index] or asked
        run = next((one for one in stage.instructions if isinstance(one, docker.Run)), None)
        if it is not None and run is not None and not runs_here(it):
            what, hint = cannot_run(it)
            raise Unsupported(f"{what} (line {run.line})", engine=ENGINE, hint=hint)


def _limits(request: BuildRequest) -> dict[int, tuple[int, int]]:
    limits: dict[int, tuple[int, int]] = {}
    for text in request.ulimits:
        match = re.fullmatch(r"(\w+)=(-?\d+)(?::(-?\d+))?", text)
        if match is None or match[1] not in _LIMITS:
            raise UsageError(
                f"--ulimit {text}: not a limit", hint=f"As in nofile=1024:2048; limits: {', '.join(sorted(_LIMITS))}."
            )
        soft, hard = int(match[2]), int(match[3] or match[2])
        if hard != -1 and (soft > hard or soft == -1):
            raise UsageError(f"--ulimit {text}: the soft limit is above the hard one")
        what = _LIMITS[match[1]]
        most = resource.getrlimit(what)[1]
        if os.geteuid() != 0 and most != -1 and (hard > most or hard == -1):
            raise UsageError(f"--ulimit {text}: only root can go above {most}")
        limits[what] = (soft, hard)
    return limits
