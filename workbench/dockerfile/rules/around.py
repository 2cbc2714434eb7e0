"""BuildKit's rules that need to know more than the text: variables, working directories, ignored files, platforms."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import replacing
from workbench.dockerfile.instructions import Add, Arg, Copy, Transfer, Workdir
from workbench.dockerfile.lint import Finding
from workbench.dockerfile.rules.places import argument, flag_with_space, froms, words
from workbench.dockerfile.rules.scopes import config_of, scopes, used_words
from workbench.dockerfile.stages import base_stage, global_environment
from workbench.dockerfile.suggest import nearest
from workbench.dockerfile.surroundings import Surroundings
from workbench.errors import DockerfileError

_OF_BUILDKIT = frozenset({"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"})
_SURELY_MEANT = 5
"""Letters of a name from which on a near one is taken for a slip, where the base image might define the name."""
_REMOTE = re.compile(r"(?:[a-z][a-z0-9+.-]*://|git@)", re.IGNORECASE)
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm"}


def undefined_variables(dockerfile: Dockerfile, surroundings: Surroundings) -> Iterator[Finding]:
    """A name that neither ENV nor ARG of the stage nor the base image has. Where the base image is not known, only
    those that look like a slip for a name that is known."""
    for _, it, scope in scopes(dockerfile, surroundings):
        declared = scope.declared | ({name for name, _ in it.pairs} if isinstance(it, Arg) else set())
        for name in sorted(used_words(it, scope, dockerfile.escape).unmatched - declared - _OF_BUILDKIT):
            meant = nearest(name, scope.env)
            if not scope.complete and not (meant and len(name) >= _SURELY_MEANT):
                continue
            found = re.search(rf"\$\{{?{re.escape(name)}(?!\w)", it.original)
            place = it.node.span(found.end() - len(name), found.end()) if found else it.node.keyword_range
            message = f"Usage of undefined variable '${name}'" + (f" (did you mean ${meant}?)" if meant else "")
            fix = replacing(f"write ${meant}", place, meant, safe=False) if meant and found else None
            yield Finding(it.node, place, message, fix, "" if fix else f"Declare it above: ARG {name}, or ENV {name}=…")


def relative_workdir(dockerfile: Dockerfile, surroundings: Surroundings) -> Iterator[Finding]:
    """The first WORKDIR of a stage and of those it stands on, if it is relative."""
    for _, it, scope in scopes(dockerfile, surroundings):
        if not isinstance(it, Workdir) or scope.workdir_set:
            continue
        path = words(it.path, scope.env, dockerfile.escape)
        if path is None or path.unmatched or posixpath.isabs(path.text):
            continue
        message = f"Relative workdir {_quoted(path.text)} can have unexpected results if the base image changes"
        directory = scope.workdir if scope.complete else ""
        place = argument(it.node, it.path)
        absolute = posixpath.normpath(posixpath.join(directory or "/", it.path))
        title = f"write {absolute}" if directory else f"write {absolute} (if the base image's directory is /)"
        plain = it.path in it.original and not re.search(r"[\"'\\`]", it.path)
        yield Finding(
            it.node, place, message, replacing(title, place, absolute, safe=bool(directory)) if plain else None
        )


def _quoted(text: str) -> str:
    """As Go's %q."""
    return json.dumps(text, ensure_ascii=False)


def ignored_sources(dockerfile: Dockerfile, surroundings: Surroundings) -> Iterator[Finding]:
    """COPY and ADD of what the ignore file keeps out of the context."""
    ignored = surroundings.ignored
    if ignored is None:
        return
    for _, it, scope in scopes(dockerfile, surroundings):
        if not isinstance(it, Transfer) or (isinstance(it, Copy) and it.from_):
            continue
        for source in it.sources:
            path = words(source, scope.env, dockerfile.escape)
            if path is None or path.unmatched or (isinstance(it, Add) and _REMOTE.match(path.text)):
                continue
            cleaned = posixpath.normpath(path.text)
            if rule := ignored(cleaned.lstrip("/")):
                kind = "Add" if isinstance(it, Add) else "Copy"
                message = f'Attempting to {kind} file "{cleaned}" that is excluded by .dockerignore'
                place = argument(it.node, source)
                fix = None
                if len(it.sources) > 1 and not it.node.json and it.sources.count(source) == 1:
                    title = f"take {source} away (the build fails with it)"
                    fix = replacing(title, flag_with_space(it.node, source), "", safe=False)
                yield Finding(it.node, place, message, fix, f"It is kept out by {rule}")


def base_platform(dockerfile: Dockerfile, surroundings: Surroundings) -> Iterator[Finding]:
    """A base image at hand that is made for another platform than the one to be built for."""
    try:
        env = global_environment(dockerfile, surroundings.build_args)
    except DockerfileError:
        return
    for index, base in enumerate(froms(dockerfile)):
        platform = words(base.platform, env, dockerfile.escape) if base.platform else None
        wanted = platform.text if platform and not platform.unmatched else "" if platform else surroundings.platform
        image = words(base.image, env, dockerfile.escape)
        if not wanted or image is None or base_stage(dockerfile, index, image.text) is not None:
            continue
        config = config_of(surroundings, image.text)
        actual = _platform(f"{config.get('os', '')}/{config.get('architecture', '')}") if config else ""
        if config and actual.strip("/") and _platform(wanted) != actual:
            variant = str(config.get("variant") or "")
            shown, expected = _quoted(f"{actual}/{variant}".rstrip("/")), _quoted(wanted.lower())
            message = f"Base image {image.text} was pulled with platform {shown}, expected {expected} for current build"
            hint = f"Pull it for {wanted}: docker pull --platform {wanted} {image.text}"
            yield Finding(base.node, argument(base.node, base.image), message, hint=hint)


def _platform(text: str) -> str:
    """Operating system and architecture by their usual names, without the variant."""
    system, _, rest = text.lower().partition("/")
    architecture = rest.partition("/")[0]
    return f"{system}/{_ARCHITECTURES.get(architecture, architecture)}"
