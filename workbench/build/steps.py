"""The steps of a Dockerfile as they would take effect now, each with its manifest: no engine is asked.

Equal identities mean that the step would make the same on the same base. Two builders differ in what a step stands
on: for Docker's classic builder everything before it in its stage, for BuildKit only what made files; there a RUN has
the environment among its options instead (moby/buildkit, frontend/dockerfile/dockerfile2llb/convert.go).
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

from workbench.build.arguments import BuildArguments
from workbench.build.manifest import Input, Manifest, argument_value, identity, pack, run_options
from workbench.build.platforms import asked_platform, platform_arguments
from workbench.build.request import BuildRequest
from workbench.build.sources import ContextFiles
from workbench.context.ignore import IgnoreRules
from workbench.dataclass import dataclass
from workbench.dockerfile import (
    Dockerfile,
    Stage,
    base_stage,
    effect,
    expand,
    find_stage,
    global_environment,
    needed_stages,
    source_stage,
)
from workbench.dockerfile import instructions as docker
from workbench.errors import DockerfileError

Builder = Literal["classic", "buildkit"]
_FILES = frozenset({"FROM", "RUN", "COPY", "ADD", "WORKDIR"})
"""Instructions that make files: the ones that BuildKit builds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `number` counts as the engine counts; 0-based `stage` is -1 for an ARG before the first FROM."""

    number: int
    line: int
    stage: int
    manifest: Manifest
    identity: str = ""
    """Of this step on everything below it, as far as it can be known; two builds of equal identity make the same."""
    stands_on: str = ""
    """The identity of what it stands on."""
    needs: tuple[int, ...] = ()
    """Stages whose content goes into it."""
    needed: tuple[str, ...] = ()
    """Their names, or numbers where they have none."""
    base: str = ""
    """Of a FROM: the image that it names, "" for `scratch` and for a stage."""
    problem: str = ""
    """Why it cannot be known: an input that is not here (a download, another image's files)."""
    essence: Manifest | None = None
    """What counts of the manifest where that is less: a COPY's sources by their content, however they are spelled."""
    apart: bool = False
    """BuildKit's COPY --link: it stands on nothing."""
    firm: bool = False
    """BuildKit's WORKDIR: `--no-cache` does not touch it."""
    counts: bool = True
    """Whether what comes behind it stands on it."""


@dataclass(slots=True)
class _StageState:
    env: dict[str, str]
    arguments: BuildArguments
    shell: str = ""
    user: str = ""
    workdir: str = ""
    identity: str = ""
    """Of its last step."""
    first: str = ""
    """The base's name until the first step on it is done."""


@dataclass(slots=True)
class StepMaker:
    """`make` goes through the Dockerfile once. `bases` are IDs of the images that FROM names, as far as known."""

    dockerfile: Dockerfile
    request: BuildRequest
    files: ContextFiles | None
    builder: Builder = "classic"
    bases: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None
    _stages: dict[int, _StageState] = field(default_factory=dict)
    _number: int = 0

    def make(self) -> tuple[Step, ...]:
        """Raises UsageError, DockerfileError, InputError, and what `check` raises."""
        steps: list[Step] = []
        for arg in self.dockerfile.global_args:
            manifest = Manifest(keyword="ARG", instruction=arg.text)
            steps.append(self._step(arg.line, -1, manifest))
        for index in self._wanted():
            stage = self.dockerfile.stages[index]
            steps.append(self._from(stage))
            for it in stage.instructions:
                self.check()
                steps.append(self._instruction(stage, it))
        last = find_stage(self.dockerfile, self.request.target)
        for name, value in sorted(self.request.labels.items()):
            manifest = Manifest(keyword="LABEL", instruction=f"LABEL {name}={value}")
            steps.append(self._on(last, self._step(0, last.index, manifest)))
        return tuple(steps)

    def _wanted(self) -> Iterable[int]:
        target = self.request.target
        if self.builder == "classic":
            return range(find_stage(self.dockerfile, target).index + 1)
        return needed_stages(self.dockerfile, target, self._given(), predefined=self._predefined())

    def _given(self) -> dict[str, str]:
        return {name: value for name, value in self.request.build_args.items() if value is not None}

    def _predefined(self) -> dict[str, str]:
        return {} if self.builder == "classic" else platform_arguments(asked_platform(self.request.platform))

    def _step(self, line: int, stage: int, manifest: Manifest) -> Step:
        self._number += 1
        return Step(number=self._number, line=line, stage=stage, manifest=manifest)

    # -- FROM ----------------------------------------------------------------------------------------------------

    def _from(self, stage: Stage) -> Step:
        env = global_environment(self.dockerfile, self._given(), self._predefined())
        names = [name for arg in self.dockerfile.global_args for name, _ in arg.pairs]
        arguments = BuildArguments(self._given(), {name: env.get(name) for name in names})
        it, _ = expand(stage.base, env, self.dockerfile.escape)
        earlier = base_stage(self.dockerfile, stage.index, it.image)
        if earlier is not None and earlier.index in self._stages:
            below = self._stages[earlier.index]
            state = replace(below, env=dict(below.env), arguments=arguments, first="")
            manifest = Manifest(keyword="FROM", instruction=f"FROM {it.image}")
            step = replace(self._step(stage.base.line, stage.index, manifest), **_needs([earlier]))
            step = replace(step, identity=below.identity, stands_on=below.identity)
        else:
            base = "" if it.image == "scratch" else it.image
            image = self.bases.get(it.image, "")
            manifest = Manifest(keyword="FROM", instruction=effect(it), base=it.image, parent=image)
            step = self._step(stage.base.line, stage.index, manifest)
            step = replace(step, identity=identity(manifest, it.platform), base=base)
            state = _StageState({}, arguments, identity=step.identity, first=it.image)
        self._stages[stage.index] = state
        return step

    # -- the others ----------------------------------------------------------------------------------------------

    def _instruction(self, stage: Stage, it: docker.Instruction) -> Step:
        state = self._stages[stage.index]
        visible = state.arguments.visible(state.env)
        try:
            it, _ = expand(it, {**visible, **state.env}, self.dockerfile.escape)
        except DockerfileError as error:
            manifest = Manifest(keyword=it.keyword, instruction=it.text)
            return self._on(stage, replace(self._step(it.line, stage.index, manifest), problem=error.message))
        step = self._step(it.line, stage.index, Manifest(keyword=it.keyword, instruction=effect(it)))
        match it:
            case docker.Run():
                step = self._run(stage, it, step, visible)
            case docker.Copy() | docker.Add():
                step = self._transfer(stage, it, step)
        step = self._on(stage, step)
        _take_effect(state, it)
        return step

    def _on(self, stage: Stage, step: Step) -> Step:
        """The step with its identity, on what its stage has so far."""
        state = self._stages[stage.index]
        base = state.first
        manifest = replace(step.manifest, base=base, parent=self.bases.get(base, "") if base else "")
        stands_on = "" if step.apart else state.identity
        below = [stands_on, *(self._stages[index].identity for index in step.needs if index in self._stages)]
        made = identity(step.essence or step.manifest, "\n".join(below))
        counts = self.builder == "classic" or step.manifest.keyword in _FILES
        firm = self.builder == "buildkit" and step.manifest.keyword == "WORKDIR"
        if counts:
            state.identity = identity(Manifest(keyword="", instruction=made), state.identity) if step.apart else made
            state.first = ""
        return replace(step, manifest=manifest, identity=made, stands_on=stands_on, counts=counts, firm=firm)

    def _run(self, stage: Stage, it: docker.Run, step: Step, visible: Mapping[str, str]) -> Step:
        state = self._stages[stage.index]
        network = it.network if it.network != "default" else self.request.network or "default"
        options = run_options(self.request, network)
        if self.builder == "buildkit":
            options |= {f"ENV {name}": argument_value(name, value) for name, value in state.env.items()}
            options |= self._place(state) | ({"SHELL": state.shell} if it.shell and state.shell else {})
        found: list[Input] = []
        needs: list[Stage] = []
        problem = step.problem
        for mount in it.mounts:
            if mount.from_:
                earlier = source_stage(self.dockerfile, stage.index, mount.from_)
                needs += [earlier] if earlier is not None else []
                problem = problem or ("" if earlier is not None else f"what {mount.from_} holds is not known here")
            elif mount.type == "bind" and self.files is not None:
                found += [item for path in self.files.find(mount.source) for item in self.files.inputs(path)]
        counting = (pair.partition("=")[::2] for pair in state.arguments.in_history(visible))
        arguments = {name: argument_value(name, value) for name, value in counting}
        manifest = replace(step.manifest, options=options, arguments=arguments, inputs=pack(found))
        return replace(step, manifest=manifest, problem=problem, **_needs(needs))

    def _place(self, state: _StageState) -> dict[str, str]:
        found = {"USER": state.user, "WORKDIR": state.workdir}
        return {name: value for name, value in found.items() if value}

    def _transfer(self, stage: Stage, it: docker.Copy | docker.Add, step: Step) -> Step:
        state = self._stages[stage.index]
        options: dict[str, str] = {}
        if self.builder == "buildkit" and not it.destination.startswith("/") and state.workdir:
            options["WORKDIR"] = state.workdir
        from_ = it.from_ if isinstance(it, docker.Copy) else ""
        apart = self.builder == "buildkit" and it.link
        step = replace(step, manifest=replace(step.manifest, options=options), apart=apart)
        if from_:
            earlier = source_stage(self.dockerfile, stage.index, from_)
            if earlier is None:
                return replace(step, problem=f"what {from_} holds is not known here")
            return replace(step, **_needs([earlier]))
        return self._inputs(it, step)

    def _inputs(self, it: docker.Copy | docker.Add, step: Step) -> Step:
        found: list[Input] = []
        content: list[Input] = []
        problem = ""
        exclude = IgnoreRules(it.exclude) if it.exclude else None
        for source in it.sources:
            if "://" in source or source.startswith("git@"):
                problem = f"{source} is fetched when the step runs"
                continue
            paths = self.files.find(source) if self.files is not None else []
            if not paths:
                problem = problem or f"{source} leads to nothing that is sent"
            for path in paths:
                assert self.files is not None
                taken = list(self.files.inputs(path, exclude))
                found += taken
                content += (item._replace(path=_landing(item.path, path)) for item in taken)
        for document in it.heredocs:
            digest = hashlib.sha256(document.text.encode("utf-8", "surrogateescape")).hexdigest()
            found.append(Input(document.name, "file", 0o644, f"sha256:{digest}"))
            content.append(found[-1])
        manifest = replace(step.manifest, inputs=pack(found))
        essence = replace(manifest, instruction=effect(replace(it, sources=())), inputs=pack(content))
        return replace(step, manifest=manifest, essence=essence, problem=problem)


def _needs(stages: Sequence[Stage]) -> dict[str, Any]:
    return {
        "needs": tuple(stage.index for stage in stages),
        "needed": tuple(stage.name or str(stage.index) for stage in stages),
    }


def _landing(path: str, source: str) -> str:
    """Where an input comes to lie: its name, or its path below the folder that is copied."""
    return path.rpartition("/")[2] if path == source else path[len(source) :].lstrip("/")


def _take_effect(state: _StageState, it: docker.Instruction) -> None:
    match it:
        case docker.Arg():
            for name, default in it.pairs:
                state.arguments.declare(name, default)
        case docker.Env():
            state.env.update(it.pairs)
        case docker.Shell():
            state.shell = str(list(it.args))
        case docker.User():
            state.user = it.user
        case docker.Workdir():
            state.workdir = posixpath.join(state.workdir or "/", it.path)
