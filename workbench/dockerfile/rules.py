"""BuildKit's check rules, in its words: each yields what it finds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.instructions import (
    Arg,
    Cmd,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Shell,
)
from workbench.dockerfile.lint import Finding, Fix, Rule
from workbench.dockerfile.nodes import Range
from workbench.dockerfile.stages import base_stage, global_environment
from workbench.dockerfile.suggest import did_you_mean
from workbench.dockerfile.words import WordError, Words, process
from workbench.errors import DockerfileError

PLATFORM_VARIABLES = (
    *(side + part for side in ("BUILD", "TARGET") for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")),
    "TARGETSTAGE",
)
"""What FROM may use without an ARG."""

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_HARMLESS = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?\Z",
    re.ASCII,
)
_PLAIN_WORDS = re.compile(r"[\w./:=@%+, -]+\Z", re.ASCII)


def _froms(dockerfile: Dockerfile) -> Iterator[From]:
    return (stage.base for stage in dockerfile.stages)


def _stage_name_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base in _froms(dockerfile):
        if base.name and base.node.args[2] != base.name:
            place = _last(base, base.node.args[2])
            yield Finding(
                base.node,
                place,
                f"Stage name '{base.node.args[2]}' should be lowercase",
                Fix(place, base.name),
            )


def _from_as_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base in _froms(dockerfile):
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
            yield Finding(base.node, place, message, Fix(place, wanted))


def _empty_continuation(dockerfile: Dockerfile) -> Iterator[Finding]:
    lines = dockerfile.text.split("\n")
    for node, line in dockerfile.empty_continuations:
        width = len(lines[line - 1].rstrip("\r"))
        place = Range(line, 1, line, width + 1)
        yield Finding(node, place, "Empty continuation line")


def _instruction_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    staged = [it for stage in dockerfile.stages for it in (stage.base, *stage.instructions)]
    lower = sum(it.node.keyword.islower() for it in staged) > sum(it.node.keyword.isupper() for it in staged)
    for it in staged:
        written = it.node.keyword
        wanted = written.lower() if lower else written.upper()
        if written != wanted:
            case = "lowercase" if lower else "uppercase"
            place = it.node.keyword_range
            message = f"Command '{written}' should match the case of the command majority ({case})"
            yield Finding(it.node, place, message, Fix(place, wanted))


def _stage_names(dockerfile: Dockerfile) -> Iterator[Finding]:
    seen: set[str] = set()
    for base in _froms(dockerfile):
        if base.name in seen:
            message = f'Duplicate stage name "{base.name}", stage names should be unique'
            yield Finding(base.node, _last(base, base.node.args[2]), message)
        if base.name:
            seen.add(base.name)


def _reserved_names(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base in _froms(dockerfile):
        if base.name in ("context", "scratch"):
            message = f'Stage name should not use the same name as reserved stage "{base.name}"'
            yield Finding(base.node, _last(base, base.node.args[2]), message)


def _json_args(dockerfile: Dockerfile) -> Iterator[Finding]:
    env = _defaults(dockerfile)
    shells: set[int] = set()
    for stage in dockerfile.stages:
        words = _words(stage.base.image, env, dockerfile.escape)
        parent = base_stage(dockerfile, stage.index, words.text) if words else None
        own_shell = parent is not None and parent.index in shells
        for it in stage.instructions:
            own_shell = own_shell or isinstance(it, Shell)
            if isinstance(it, Cmd | Entrypoint) and it.shell and not own_shell:
                message = (
                    f"JSON arguments recommended for {it.keyword} to prevent unintended behavior related to OS signals"
                )
                yield Finding(it.node, it.node.find((it.args or ("",))[0], len(it.keyword)), message, _as_json(it))
        if own_shell:
            shells.add(stage.index)


def _as_json(command: Cmd | Entrypoint) -> Fix | None:
    """The exec form, where no shell is needed to understand the words."""
    text = (command.args or ("",))[0]
    if not _PLAIN_WORDS.match(text) or "=" in text.split()[0]:
        return None
    return Fix(command.node.find(text, len(command.keyword)), json.dumps(text.split(), ensure_ascii=False))


def _maintainer(dockerfile: Dockerfile) -> Iterator[Finding]:
    for it in dockerfile.instructions:
        if isinstance(it, Maintainer):
            name = it.name.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
            plain = dockerfile.escape == "\\" and it.line == it.end_line
            fix = Fix(it.range, f'LABEL org.opencontainers.image.authors="{name}"') if plain else None
            yield Finding(it.node, it.range, "Maintainer instruction is deprecated in favor of using label", fix)


def _undefined_in_from(dockerfile: Dockerfile) -> Iterator[Finding]:
    known = {name for arg in dockerfile.global_args for name, _ in arg.pairs} | set(PLATFORM_VARIABLES)
    env = _defaults(dockerfile)
    for base in _froms(dockerfile):
        for text in (base.image, base.platform):
            words = _words(text, env, dockerfile.escape)
            for name in sorted((words.unmatched if words else frozenset()) - known):
                message = f"FROM argument '{name}' is not declared{did_you_mean(name, known)}"
                yield Finding(base.node, base.node.find(name, base.original.find("$")), message)


def _repeated(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        last: dict[type[Instruction], Instruction] = {}
        for it in stage.instructions:
            if isinstance(it, Cmd | Entrypoint | Healthcheck):
                if before := last.get(type(it)):
                    message = (
                        f"Multiple {it.keyword} instructions should not be used in the same stage "
                        "because only the last one will be used"
                    )
                    yield Finding(before.node, before.range, message)
                last[type(it)] = it


def _legacy_pairs(dockerfile: Dockerfile) -> Iterator[Finding]:
    for it in dockerfile.instructions:
        if isinstance(it, Env | Label) and it.legacy:
            key, value = it.pairs[0]
            written = it.node.keyword
            fix = None
            if it.line == it.end_line and not re.search(r"[\"'`\\]", value):
                quoted = f'"{value}"' if " " in value or "\t" in value else value
                fix = Fix(it.range, f"{written} {key}={quoted}")
            message = f'"{it.keyword} key=value" should be used instead of legacy "{it.keyword} key value" format'
            yield Finding(it.node, it.range, message, fix)


def _platform_flag(dockerfile: Dockerfile) -> Iterator[tuple[From, Words]]:
    env = {name: f"<{name}>" for name in PLATFORM_VARIABLES} | _defaults(dockerfile)
    for base in _froms(dockerfile):
        words = _words(base.platform, env, dockerfile.escape) if base.platform else None
        if words is not None:
            yield base, words


def _redundant_platform(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base, words in _platform_flag(dockerfile):
        if words.used == {"TARGETPLATFORM"} and words.text == "<TARGETPLATFORM>":
            place = base.node.find("--platform")
            message = (
                f"Setting platform to predefined {base.platform} in FROM is redundant as this is the default behavior"
            )
            yield Finding(base.node, place, message)


def _constant_platform(dockerfile: Dockerfile) -> Iterator[Finding]:
    for base, words in _platform_flag(dockerfile):
        parts = [part for part in words.text.lower().split("/")[:2] if part]
        if not words.used and parts and not any(part in base.name for part in parts):
            message = f'FROM --platform flag should not use constant value "{words.text}"'
            yield Finding(base.node, base.node.find("--platform"), message)


def _secrets(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        for it in stage.instructions:
            if isinstance(it, Arg | Env):
                for name, _ in it.pairs:
                    if _SECRET.search(name) and not _HARMLESS.search(name):
                        message = f'Do not use ARG or ENV instructions for sensitive data ({it.keyword} "{name}")'
                        yield Finding(it.node, it.node.find(name, len(it.keyword)), message)


def _default_arg(dockerfile: Dockerfile) -> Iterator[Finding]:
    env = dict.fromkeys(PLATFORM_VARIABLES, "") | _defaults(dockerfile)
    for base in _froms(dockerfile):
        words = _words(base.image, env, dockerfile.escape)
        if words is not None and not _REFERENCE.match(words.text):
            message = f"Default value for ARG {base.image} results in empty or invalid base image name"
            yield Finding(base.node, base.node.find(base.image), message)


def _ports(dockerfile: Dockerfile) -> Iterator[tuple[Expose, str]]:
    for stage in dockerfile.stages:
        for it in stage.instructions:
            if isinstance(it, Expose):
                yield from ((it, port) for port in it.ports if "$" not in port)


def _protocol_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    for it, port in _ports(dockerfile):
        _, slash, protocol = port.rpartition("/")
        if slash and protocol != protocol.lower():
            place = it.node.find(port)
            message = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            yield Finding(it.node, place, message, Fix(place, port.lower()))


def _port_mapping(dockerfile: Dockerfile) -> Iterator[Finding]:
    for it, port in _ports(dockerfile):
        if ":" in port.strip(":"):
            message = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            yield Finding(it.node, it.node.find(port), message)


def _definition(dockerfile: Dockerfile) -> Iterator[Finding]:
    lines = dockerfile.text.split("\n")
    for it in dockerfile.instructions:
        names: list[str] = []
        if isinstance(it, From) and it.name:
            names = [it.name]
        elif isinstance(it, Arg):
            names = [name for name, _ in it.pairs]
        # The documentation of the rule has an empty line between as the way to say that it is no description.
        above = lines[it.line - 2].strip() if it.line > 1 else ""
        if names and above and it.node.comments and it.node.comments[-1].split(" ")[0] not in names:
            shown = names[0] if len(names) == 1 else "<arg_key>"
            message = f"Comment for {it.keyword} should follow the format: `# {shown} <description>`"
            yield Finding(it.node, it.node.keyword_range, message)


def _last(it: Instruction, word: str) -> Range:
    """The last place of a word in an instruction."""
    start = it.original.rfind(word)
    return it.node.span(start, start + len(word))


def _defaults(dockerfile: Dockerfile) -> dict[str, str]:
    try:
        return global_environment(dockerfile, {})
    except DockerfileError:
        return {}


def _words(text: str, env: dict[str, str], escape: str) -> Words | None:
    try:
        return process(text, env, escape)
    except WordError:
        return None


RULES = (
    Rule("ConsistentInstructionCasing", _instruction_casing),
    Rule("DuplicateStageName", _stage_names),
    Rule("ExposeInvalidFormat", _port_mapping),
    Rule("ExposeProtoCasing", _protocol_casing),
    Rule("FromAsCasing", _from_as_casing),
    Rule("FromPlatformFlagConstDisallowed", _constant_platform),
    Rule("InvalidDefaultArgInFrom", _default_arg),
    Rule("InvalidDefinitionDescription", _definition, experimental=True),
    Rule("JSONArgsRecommended", _json_args),
    Rule("LegacyKeyValueFormat", _legacy_pairs),
    Rule("MaintainerDeprecated", _maintainer),
    Rule("MultipleInstructionsDisallowed", _repeated),
    Rule("NoEmptyContinuation", _empty_continuation),
    Rule("RedundantTargetPlatform", _redundant_platform),
    Rule("ReservedStageName", _reserved_names),
    Rule("SecretsUsedInArgOrEnv", _secrets),
    Rule("StageNameCasing", _stage_name_casing),
    Rule("UndefinedArgInFrom", _undefined_in_from),
)
