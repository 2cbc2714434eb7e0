"""What is refused by name: instructions, flags and directives that this engine does not have, or was not allowed.

A Dockerfile is asked before its first step, a trigger of a base when its image is there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from workbench.dockerfile import Dockerfile, Instruction
from workbench.dockerfile import instructions as docker
from workbench.dockerfile.modes import parse_mode
from workbench.engines.embedded.layout import is_digest
from workbench.errors import DockerfileError, Unsupported, UsageError

ENGINE = "embedded"
_OURS = re.compile(r"(?:.*/)?dockerfile(?:-upstream)?(?::[^/@]*)?(?:@.*)?", re.DOTALL)
"""BuildKit's own frontend, wherever it is mirrored: the language that this engine reads."""


def refuse_directives(dockerfile: Dockerfile, build_args: Mapping[str, str | None]) -> None:
    """Raises Unsupported for `# syntax=` of another language, DockerfileError for a finding where `# check=` has
    `error=true`. The arguments BUILDKIT_SYNTAX and BUILDKIT_DOCKERFILE_CHECK stand in for both, as in BuildKit."""
    syntax = build_args.get("BUILDKIT_SYNTAX") or dockerfile.directives.get("syntax", "").partition(" ")[0]
    if syntax and not _OURS.fullmatch(syntax):
        raise Unsupported(f"# syntax={syntax}", engine=ENGINE, engines=["buildkit"], hint="It reads docker/dockerfile.")
    options = build_args.get("BUILDKIT_DOCKERFILE_CHECK")
    if options is None and "check" not in dockerfile.directives:
        return
    from workbench.dockerfile.lint import check, fails_on_findings

    if not fails_on_findings(dockerfile, options=options):
        return
    for found in check(dockerfile, options=options):
        if not found.code.startswith("WB"):  # BuildKit knows nothing of ours
            raise DockerfileError(
                found.range.start_line, found.range.start_column, f"{found.code}: {found.message}",
                path=dockerfile.path, hint=found.hint or "The Dockerfile asks for it: `# check=error=true`.",
            )  # fmt: skip


def refuse(it: Instruction, allowed: Collection[str]) -> None:
    """Raises Unsupported for what this engine does not do, UsageError for what it was not allowed (`--allow`),
    DockerfileError for flags that cannot be."""
    match it:
        case docker.Onbuild():
            refuse(it.trigger, allowed)
        case docker.Run():
            if it.security == "insecure" and "security.insecure" not in allowed:
                raise UsageError(
                    f"line {it.line}: RUN --security=insecure is not allowed",
                    hint="Give this build --allow security.insecure where you trust all of its Dockerfile.",
                )
            if it.devices:
                raise refused(it, "RUN --device")
        case docker.Copy():
            _check_mode(it)
        case docker.Add():
            _check_mode(it)
            _check_add(it)
        case _:
            return


def _check_mode(it: docker.Transfer) -> None:
    if it.chmod and "$" not in it.chmod:
        try:
            parse_mode(it.chmod)
        except ValueError as error:
            raise _wrong(it, "--chmod", str(error)) from error


def _check_add(it: docker.Add) -> None:
    """Of flags what BuildKit refuses, and URLs that name nothing; where variables stand, the step does."""
    from workbench.context.git import is_git, parse_git
    from workbench.context.remote import is_url

    checked = [source for source in it.sources if "$" not in source]
    remote = [source for source in checked if is_git(source) or is_url(source)]
    for source in filter(is_git, remote):
        parse_git(source)
    if not it.checksum:
        return
    if len(it.sources) != 1:
        raise _wrong(it, "--checksum", "checksum can't be specified for multiple sources")
    if checked and not remote:
        raise _wrong(it, "--checksum", "checksum requires HTTP(S) or Git sources")
    if checked and not is_git(checked[0]) and "$" not in it.checksum and not is_digest(it.checksum):
        raise _wrong(it, "--checksum", f"{it.checksum!r} is no sha256 digest")


def _wrong(it: Instruction, flag: str, message: str) -> DockerfileError:
    place = it.node.find(flag)
    return DockerfileError(place.start_line, place.start_column, message)


def refused(it: Instruction, what: str) -> Unsupported:
    return Unsupported(f"{what} (line {it.line})", engine=ENGINE)
