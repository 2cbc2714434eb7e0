"""BuildKit's rules about what goes into the image: commands, ports, secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import Fix, replacing
from workbench.dockerfile.instructions import (
    Arg,
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Shell,
)
from workbench.dockerfile.lint import Finding
from workbench.dockerfile.rules.places import argument, behind_flags, defaults, uncommented, whole_lines, words
from workbench.dockerfile.secret_names import is_secret_name
from workbench.dockerfile.stages import Stage, base_stage

_WORD = re.compile(r"""\s*((?:[\w./:=@%+,-]|'[^'\\]*'|"[^"$`\\!]*")+)(?=\s|\Z)""", re.ASCII)
_OF_THE_SHELL = frozenset((
    ".", ":", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done", "eval", "exit", "export",
    "fg", "for", "function", "if", "jobs", "local", "read", "readonly", "return", "select", "set", "shift",
    "source", "then", "time", "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "until", "wait",
    "while",
))  # fmt: skip
"""Words that a shell understands itself, and that are no program (or not the same one)."""


def json_args(dockerfile: Dockerfile) -> Iterator[Finding]:
    env = defaults(dockerfile)
    shells: set[int] = set()
    for stage in dockerfile.stages:
        image = words(stage.base.image, env, dockerfile.escape)
        parent = base_stage(dockerfile, stage.index, image.text) if image else None
        own_shell = parent is not None and parent.index in shells
        for it in stage.instructions:
            own_shell = own_shell or isinstance(it, Shell)
            if isinstance(it, Cmd | Entrypoint) and it.shell and not own_shell:
                message = (
                    f"JSON arguments recommended for {it.keyword} to prevent unintended behavior related to OS signals"
                )
                fix = _exec_form(dockerfile, stage, it)
                hint = "" if fix else "It needs a shell: write SHELL above to say which, or put it into a script."
                yield Finding(it.node, argument(it.node, (it.args or ("",))[0]), message, fix, hint)
        if own_shell:
            shells.add(stage.index)


def _exec_form(dockerfile: Dockerfile, stage: Stage, command: Cmd | Entrypoint) -> Fix | None:
    """Where no shell is needed to understand the words: plain ones, and quoted ones without variables.

    An ENTRYPOINT in shell form takes no CMD; in exec form it does.
    """
    text = (command.args or ("",))[0]
    argv = split_plainly(text)
    if argv and argv[0] == "exec":
        argv = argv[1:]
    start = command.original.find(text, behind_flags(command.node))
    if not argv or "=" in argv[0] or argv[0] in _OF_THE_SHELL or start < 0 or not uncommented(dockerfile, command.node):
        return None
    takes_cmd = isinstance(command, Entrypoint) and any(isinstance(it, Cmd) for it in stage.instructions)
    title = "use the exec form (CMD is then added to it)" if takes_cmd else "use the exec form"
    place = command.node.span(start, start + len(text))
    return replacing(title, place, json.dumps(argv, ensure_ascii=False), safe=not takes_cmd)


def split_plainly(text: str) -> list[str]:
    """The words of a command that means the same to every shell and to none; empty if it is not so plain."""
    found: list[str] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _WORD.match(text, position)
        if match is None:
            return []
        found.append(re.sub(r"'([^']*)'|\"([^\"]*)\"", lambda it: it[1] or it[2] or "", match[1]))
        position = match.end()
    return found


def repeated(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        before: dict[type[Instruction], Instruction] = {}
        for it in stage.instructions:
            if isinstance(it, Cmd | Entrypoint | Healthcheck):
                if earlier := before.get(type(it)):
                    message = (
                        f"Multiple {it.keyword} instructions should not be used in the same stage "
                        "because only the last one will be used"
                    )
                    fix = replacing("take this one away", whole_lines(dockerfile, earlier), "")
                    yield Finding(earlier.node, earlier.range, message, fix)
                before[type(it)] = it


def secrets(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        for it in stage.instructions:
            if isinstance(it, Arg | Env):
                for name, _ in it.pairs:
                    if is_secret_name(name):
                        message = f'Do not use ARG or ENV instructions for sensitive data ({it.keyword} "{name}")'
                        hint = (
                            f"Give it to the RUN that needs it: RUN --mount=type=secret,id={name},env={name} ..., "
                            f"and build with --secret id={name}."
                        )
                        yield Finding(it.node, argument(it.node, name), message, hint=hint)


def _ports(dockerfile: Dockerfile) -> Iterator[tuple[Expose, str]]:
    for stage in dockerfile.stages:
        for it in stage.instructions:
            if isinstance(it, Expose):
                yield from ((it, port) for port in it.ports if "$" not in port)


def protocol_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    for it, port in _ports(dockerfile):
        _, slash, protocol = port.rpartition("/")
        if slash and protocol != protocol.lower():
            place = argument(it.node, port)
            message = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            yield Finding(it.node, place, message, replacing(f"write {port.lower()}", place, port.lower()))


def port_mapping(dockerfile: Dockerfile) -> Iterator[Finding]:
    for it, port in _ports(dockerfile):
        if ":" in port.strip(":"):
            place = argument(it.node, port)
            inside = port.rpartition(":")[2]
            message = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            fix = replacing(f"write {inside}, the port in the container", place, inside)
            yield Finding(it.node, place, message, fix if inside.partition("/")[0] else None)
