"""What the chosen engine cannot do with a Dockerfile, said while it is typed: before a build fails on it.

The classic builder's refusals are those of moby's builder/dockerfile (dispatchers.go: "requires BuildKit"); flags and
documents that its parser of 20.10 does not know fail there as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from workbench.dockerfile import Dockerfile
from workbench.dockerfile.fix import Fix, replacing
from workbench.dockerfile.instructions import Add, Healthcheck, Instruction, Onbuild, Run, Transfer
from workbench.dockerfile.lint import Diagnostic
from workbench.dockerfile.nodes import Range
from workbench.dockerfile.rules.places import PLATFORM_VARIABLES, flag_with_space

ENGINE_CODE = "WBEngine"
_ELSEWHERE = "The engines embedded and buildkit have it."
_KNOWN_TO_CLASSIC = frozenset({"--chown", "--from"})


def engine_limits(dockerfile: Dockerfile, engine: str) -> list[Diagnostic]:
    """One error for each thing that makes a build with that engine fail; none for an engine without such limits."""
    if engine == "docker":
        return list(_classic(dockerfile))
    if engine == "embedded":
        return list(_embedded(dockerfile))
    return []


def _classic(dockerfile: Dockerfile) -> Iterator[Diagnostic]:
    declared = {name for arg in dockerfile.global_args for name, _ in arg.pairs}
    for stage in dockerfile.stages:
        for name in PLATFORM_VARIABLES:
            if stage.base.platform.strip("${}") == name and name not in declared:
                flag = next((it for it in stage.base.node.flags if it.startswith("--platform")), "")
                place = flag_with_space(stage.base.node, flag)
                fix = replacing("take the flag away (builds for this machine)", place, "", safe=False)
                yield _error(place, f"The classic builder does not set {name}", fix)
    for written in dockerfile:
        it = written.trigger if isinstance(written, Onbuild) else written
        if it.node.heredocs:
            yield _error(it.node.find("<<"), "The classic builder has no documents (<<)")
        for flag in it.node.flags:
            name = flag.partition("=")[0]
            if not _classic_has(it, name):
                place = it.node.find(flag)
                yield _error(place, f"The classic builder has no {it.keyword} {name}", _without(it, flag, name))


def _classic_has(it: Instruction, flag: str) -> bool:
    if isinstance(it, Run):
        return False
    if isinstance(it, Transfer):
        return flag in _KNOWN_TO_CLASSIC
    return not (isinstance(it, Healthcheck) and flag == "--start-interval")


def _without(it: Instruction, flag: str, name: str) -> Fix | None:
    """Where the flag only makes a build faster, it can go."""
    cache = isinstance(it, Run) and name == "--mount" and "type=cache" in flag
    if not cache and name != "--link":
        return None
    return replacing(f"take {name} away (it only spares time)", flag_with_space(it.node, flag), "", safe=False)


def _embedded(dockerfile: Dockerfile) -> Iterator[Diagnostic]:
    for it in dockerfile:
        if isinstance(it, Run) and it.devices:
            yield Diagnostic(it.node.find("--device"), ENGINE_CODE, "The embedded engine has no RUN --device", "error")
        elif isinstance(it, Run) and it.security == "insecure":
            yield Diagnostic(
                it.node.find("--security"), ENGINE_CODE, "The build has to be given --allow security.insecure", "info"
            )
        elif isinstance(it, Add) and it.checksum and len(it.sources) != 1:
            yield Diagnostic(it.node.find("--checksum"), ENGINE_CODE, "--checksum takes one source", "error")


def _error(place: Range, message: str, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(place, ENGINE_CODE, message, "error", fix, _ELSEWHERE)
