"""BuildKit's rules about FROM: names of stages, base images, platforms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import Fix, replacing
from workbench.dockerfile.instructions import From
from workbench.dockerfile.lint import Finding
from workbench.dockerfile.nodes import Range
from workbench.dockerfile.rules.places import (
    PLATFORM_VARIABLES,
    argument,
    defaults,
    flag_with_space,
    free_name,
    froms,
    last,
    rename_stage,
    words,
)
from workbench.dockerfile.suggest import did_you_mean, nearest
from workbench.dockerfile.words import Words

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?\Z",
    re.ASCII,
)
_TAG_VARIABLE = re.compile(r"[^$]+:\$(?:(\w+)|\{(\w+)\})\Z", re.ASCII)
RESERVED = ("context", "scratch")


def stage_name_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base in froms(dockerfile):
        if base.name and base.node.args[2] != base.name:
            place = last(base, base.node.args[2])
            message = f"Stage name '{base.node.args[2]}' should be lowercase"
            yield Finding(base.node, place, message, replacing(f"write {base.name}", place, base.name))


def from_as_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base in froms(dockerfile):
        keyword = base.node.keyword
        if not base.name or not (keyword.islower() or keyword.isupper()):
            continue
        written = base.node.args[1]
        wanted = "as" if keyword.islower() else "AS"
        if written != wanted:
            after = base.original.rfind(base.node.args[2])
            start = base.original.rfind(written, 0, after)
            place = base.node.span(start, start + 2)
            message = f"'{written}' and '{keyword}' keywords' casing do not match"
            yield Finding(base.node, place, message, replacing(f"write {wanted}", place, wanted))


def duplicate_names(dockerfile: Dockerfile) -> Iterator[Finding]:
    """The fix renames the earlier stage: a target of that name is the later one, and stays it."""
    seen: dict[str, int] = {}
    repeated: set[str] = set()
    for stage in dockerfile.stages:
        name = stage.name
        if name in seen:
            fix = None
            if name not in repeated:
                other = free_name(dockerfile, name)
                fix = Fix(f"call the earlier one {other}", rename_stage(dockerfile, seen[name], other))
            repeated.add(name)
            message = f'Duplicate stage name "{name}", stage names should be unique'
            yield Finding(stage.base.node, last(stage.base, stage.base.node.args[2]), message, fix)
        if name:
            seen[name] = stage.index


def reserved_names(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        base = stage.base
        if base.name in RESERVED:
            message = f'Stage name should not use the same name as reserved stage "{base.name}"'
            other = free_name(dockerfile, base.name)
            title = f"call it {other} (a --target of the old name is then none)"
            fix = Fix(title, rename_stage(dockerfile, stage.index, other), safe=False)
            yield Finding(base.node, last(base, base.node.args[2]), message, fix)


def undefined_in_from(dockerfile: Dockerfile) -> Iterator[Finding]:
    known = {name for arg in dockerfile.global_args for name, _ in arg.pairs} | set(PLATFORM_VARIABLES)
    env = defaults(dockerfile)
    for base in froms(dockerfile):
        for text in (base.image, base.platform):
            found = words(text, env, dockerfile.escape)
            for name in sorted((found.unmatched if found else frozenset()) - known):
                message = f"FROM argument '{name}' is not declared{did_you_mean(name, known)}"
                place = base.node.find(name, base.original.find("$"))
                meant = nearest(name, known)
                fix = replacing(f"write {meant}", place, meant, safe=False) if meant else None
                yield Finding(base.node, place, message, fix, "" if fix else f"Declare it above: ARG {name}=...")


def redundant_platform(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base, platform in _platform_flag(dockerfile):
        if platform.used == {"TARGETPLATFORM"} and platform.text == "<TARGETPLATFORM>":
            message = (
                f"Setting platform to predefined {base.platform} in FROM is redundant as this is the default behavior"
            )
            yield Finding(base.node, base.node.find("--platform"), message, _without_platform(base))


def constant_platform(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base, platform in _platform_flag(dockerfile):
        parts = [part for part in platform.text.lower().split("/")[:2] if part]
        if not platform.used and parts and not any(part in base.name for part in parts):
            message = f'FROM --platform flag should not use constant value "{platform.text}"'
            yield Finding(base.node, base.node.find("--platform"), message, _without_platform(base, safe=False))


def default_arg(dockerfile: Dockerfile) -> Iterator[Finding]:
    # Whatever the platform is, it has a name; most have no variant.
    env = defaults(dockerfile, {name: "" if name.endswith("VARIANT") else "platform" for name in PLATFORM_VARIABLES})
    for base in froms(dockerfile):
        found = words(base.image, env, dockerfile.escape)
        if found is not None and not _REFERENCE.match(found.text):
            message = f"Default value for ARG {base.image} results in empty or invalid base image name"
            fix = _latest(dockerfile, base)
            hint = "" if fix else "Give the ARG above a default that names an image."
            yield Finding(base.node, base.node.find(base.image), message, fix, hint)


def _latest(dockerfile: Dockerfile, base: From) -> Fix | None:
    """Where the tag is an ARG without a default: that it is `latest`, which is what no tag would mean."""
    match = _TAG_VARIABLE.match(base.image)
    name = match and (match[1] or match[2])
    for arg in dockerfile.global_args:
        for key, value in arg.pairs:
            if key == name and value is None:
                place = argument(arg.node, key)
                end = Range(place.end_line, place.end_column, place.end_line, place.end_column)
                return replacing(f"make latest the default of {key}", end, "=latest", safe=False)
    return None


def _platform_flag(dockerfile: Dockerfile) -> Iterator[tuple[From, Words]]:
    env = {name: f"<{name}>" for name in PLATFORM_VARIABLES} | defaults(dockerfile)
    for base in froms(dockerfile):
        found = words(base.platform, env, dockerfile.escape) if base.platform else None
        if found is not None:
            yield base, found


def _without_platform(base: From, *, safe: bool = True) -> Fix | None:
    flag = f"--platform={base.platform}"
    if flag not in base.original:
        return None
    title = "take the flag away" if safe else "take the flag away (the stage is then built for the target's platform)"
    return replacing(title, flag_with_space(base.node, flag), "", safe=safe)
