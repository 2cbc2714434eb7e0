"""Nodes to instructions: argument counts, flags and values are checked, in BuildKit's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from workbench.dockerfile.arguments import KEYWORDS
from workbench.dockerfile.flags import Flags, InstructionError, Kind, flag_range, parse_flags
from workbench.dockerfile.heredocs import parse_heredoc
from workbench.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Pairs,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from workbench.dockerfile.lexical import trim
from workbench.dockerfile.mounts import Mount, MountError, parse_mount
from workbench.dockerfile.nodes import Heredoc, Node
from workbench.dockerfile.suggest import did_you_mean
from workbench.dockerfile.values import parse_duration
from workbench.dockerfile.words import WordError
from workbench.errors import DockerfileError

FLAGS: Mapping[str, Mapping[str, Kind]] = {
    "add": {
        "chown": "string",
        "chmod": "string",
        "link": "bool",
        "keep-git-dir": "bool",
        "checksum": "string",
        "unpack": "bool",
        "exclude": "strings",
    },
    "copy": {
        "chown": "string",
        "from": "string",
        "chmod": "string",
        "link": "bool",
        "exclude": "strings",
        "parents": "bool",
    },
    "from": {"platform": "string"},
    "healthcheck": {
        "interval": "string",
        "timeout": "string",
        "start-period": "string",
        "start-interval": "string",
        "retries": "string",
    },
    "run": {"mount": "strings", "network": "string", "security": "string", "device": "strings"},
}
"""The flags that each instruction has; the others have none."""

_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*\Z")
_ONBUILD = re.compile(r"[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*", re.IGNORECASE)


def build_instruction(node: Node, *, path: str = "") -> Instruction:
    """The instruction that a node is. Raises DockerfileError at the flag or keyword that is wrong."""
    build = _BUILDERS.get(node.name)
    try:
        if build is None:
            known = [name.upper() for name in KEYWORDS]
            raise InstructionError(f"unknown instruction: {node.keyword}{did_you_mean(node.keyword, known)}")
        return build(node)
    except InstructionError as error:
        place = error.place or node.keyword_range
        raise DockerfileError(place.start_line, place.start_column, str(error), path=path) from error


def _flags(node: Node) -> Flags:
    return parse_flags(node, FLAGS.get(node.name, {}))


def _one(node: Node) -> str:
    if len(node.args) != 1:
        raise InstructionError(f"{node.name.upper()} requires exactly one argument")
    _flags(node)
    return node.args[0]


def _some(node: Node) -> tuple[str, ...]:
    if not node.args:
        raise InstructionError(f"{node.name.upper()} requires at least one argument")
    return node.args


def _pairs(node: Node) -> tuple[Pairs, bool]:
    _flags(node)
    args = _some(node)
    if not all(args[::3]):
        raise InstructionError(f"{node.name.upper()} names can not be blank")
    return tuple(zip(args[::3], args[1::3], strict=True)), args[2] == ""


def _from(node: Node) -> From:
    args = node.args
    name = ""
    if len(args) == 3 and args[1].lower() == "as":
        name = args[2].lower()
        if not _STAGE_NAME.match(name):
            raise InstructionError(
                f'invalid name for build stage: "{args[2]}", name can\'t start with a number or contain symbols',
                node.find(args[2], node.original.rfind(args[2])),
            )
    elif len(args) != 1:
        raise InstructionError("FROM requires either one or three arguments")
    return From(node, args[0], _flags(node).text("platform"), name)


def _arg(node: Node) -> Arg:
    _flags(node)
    pairs: list[tuple[str, str | None]] = []
    for word in _some(node):
        name, equals, value = word.partition("=")
        if not name:
            raise InstructionError("ARG names can not be blank", node.find(word))
        pairs.append((name, value if equals else None))
    return Arg(node, tuple(pairs))


def _command(node: Node) -> tuple[str, ...]:
    return node.args if node.json or not node.args else (" ".join(node.args),)


def _run(node: Node) -> Run:
    flags = _flags(node)
    network = flags.text("network", "default")
    if network not in ("default", "none", "host"):
        raise InstructionError(f'invalid network mode "{network}"', node.find("--network"))
    security = flags.text("security", "sandbox")
    if security not in ("sandbox", "insecure"):
        raise InstructionError(f'security "{security}" is not valid', node.find("--security"))
    mounts = tuple(_mount(node, text) for text in flags.texts("mount"))
    return Run(
        node,
        _command(node),
        not node.json,
        mounts=mounts,
        network=network,
        security=security,
        devices=flags.texts("device"),
        heredocs=node.heredocs,
        flags=node.flags,
    )


def _mount(node: Node, text: str) -> Mount:
    try:
        return parse_mount(text)
    except MountError as error:
        raise InstructionError(str(error), flag_range(node, f"--mount={text}")) from error


def _cmd(node: Node) -> Cmd:
    _flags(node)
    return Cmd(node, _command(node), not node.json)


def _entrypoint(node: Node) -> Entrypoint:
    _flags(node)
    return Entrypoint(node, _command(node), not node.json)


def _sources(node: Node) -> tuple[tuple[str, ...], str, tuple[Heredoc, ...]]:
    """Sources in the context, destination, and sources in the Dockerfile itself."""
    keyword = node.name.upper()
    if len(node.args) < 2:
        raise InstructionError(
            f"{keyword} requires at least two arguments, but only one was provided. Destination could not be determined"
        )
    *candidates, destination = node.args
    if _document(node, destination) is not None:
        raise InstructionError(f"{keyword} cannot accept a heredoc as a destination", node.find(destination))
    documents = [_document(node, word) for word in candidates]
    sources = [word for word, document in zip(candidates, documents, strict=True) if document is None]
    return tuple(sources), destination, tuple(document for document in documents if document is not None)


def _document(node: Node, word: str) -> Heredoc | None:
    try:
        opening = parse_heredoc(word) if "<<" in word else None
    except WordError:
        return None
    if opening is None:
        return None
    empty = Heredoc(opening.name, "", opening.expand, opening.chomp, opening.descriptor, node.range)
    found = [document for document in node.heredocs if document.name == opening.name]
    return replace(found[-1], expand=opening.expand, chomp=opening.chomp) if found else empty


def _copy(node: Node) -> Copy:
    sources, destination, heredocs = _sources(node)
    flags = _flags(node)
    return Copy(
        node,
        sources,
        destination,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.true("link"),
        exclude=flags.texts("exclude"),
        heredocs=heredocs,
        from_=flags.text("from"),
        parents=flags.true("parents"),
    )


def _add(node: Node) -> Add:
    sources, destination, heredocs = _sources(node)
    flags = _flags(node)
    return Add(
        node,
        sources,
        destination,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.true("link"),
        exclude=flags.texts("exclude"),
        heredocs=heredocs,
        checksum=flags.text("checksum"),
        keep_git_dir=flags.maybe("keep-git-dir"),
        unpack=flags.maybe("unpack"),
    )


def _env(node: Node) -> Env:
    return Env(node, *_pairs(node))


def _label(node: Node) -> Label:
    return Label(node, *_pairs(node))


def _expose(node: Node) -> Expose:
    ports = _some(node)
    _flags(node)
    return Expose(node, tuple(sorted(ports)))


def _volume(node: Node) -> Volume:
    paths = tuple(trim(path) for path in _some(node))
    _flags(node)
    if not all(paths):
        raise InstructionError("VOLUME specified can not be an empty string")
    return Volume(node, paths)


def _shell(node: Node) -> Shell:
    _flags(node)
    if not node.args:
        raise InstructionError("SHELL requires at least one argument")
    if not node.json:
        raise InstructionError(f"SHELL requires the arguments to be in JSON form, not: {node.args[0]}")
    return Shell(node, node.args)


def _healthcheck(node: Node) -> Healthcheck:
    kind, *args = _some(node)
    if kind.upper() == "NONE":
        if args:
            raise InstructionError("HEALTHCHECK NONE takes no arguments")
        return Healthcheck(node, (), False, none=True)
    flags = _flags(node)
    if kind.upper() != "CMD":
        raise InstructionError(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)', node.find(kind))
    if not args:
        raise InstructionError("Missing command after HEALTHCHECK CMD")
    return Healthcheck(
        node,
        tuple(args) if node.json else (" ".join(args),),
        not node.json,
        interval=_interval(node, flags, "interval"),
        timeout=_interval(node, flags, "timeout"),
        start_period=_interval(node, flags, "start-period"),
        start_interval=_interval(node, flags, "start-interval"),
        retries=_retries(node, flags.text("retries")),
    )


def _interval(node: Node, flags: Flags, name: str) -> int:
    text = flags.text(name)
    if not text:
        return 0
    place = flag_range(node, f"--{name}={text}")
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise InstructionError(str(error), place) from error
    if duration and duration < 1_000_000:
        raise InstructionError(f'Interval "{name}" cannot be less than 1ms', place)
    return duration


def _retries(node: Node, text: str) -> int:
    place = node.find("--retries")
    digits = text.lstrip("+-")
    if text and (not digits.isdecimal() or not digits.isascii() or len(text) - len(digits) > 1 or len(digits) > 10):
        raise InstructionError(f'--retries needs a whole number, not "{text}"', place)
    retries = int(text or "0")
    if retries < 0 or retries >= 2**31:
        raise InstructionError(f"--retries cannot be {'negative' if retries < 0 else 'so large'} ({retries})", place)
    return retries


def _onbuild(node: Node) -> Onbuild:
    child = node.child
    if child is None:
        raise InstructionError("ONBUILD requires at least one argument")
    _flags(node)
    if child.name == "onbuild":
        raise InstructionError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", child.keyword_range)
    if child.name in ("maintainer", "from"):
        raise InstructionError(f"{child.name.upper()} isn't allowed as an ONBUILD trigger", child.keyword_range)
    build = _BUILDERS.get(child.name)
    if build is None:
        known = [name.upper() for name in KEYWORDS]
        raise InstructionError(
            f"unknown instruction: {child.keyword}{did_you_mean(child.keyword, known)}", child.keyword_range
        )
    try:
        trigger = build(replace(child, heredocs=node.heredocs))
    except InstructionError as error:
        raise InstructionError(str(error), error.place or child.keyword_range) from error
    text = _ONBUILD.sub("", node.original, count=1)
    documents = (f"\n{document.content}{document.name}" for document in node.heredocs)
    return Onbuild(node, trigger, text + "".join(documents))


_BUILDERS: dict[str, Callable[[Node], Instruction]] = {
    "add": _add,
    "arg": _arg,
    "cmd": _cmd,
    "copy": _copy,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": _healthcheck,
    "label": _label,
    "maintainer": lambda node: Maintainer(node, _one(node)),
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": lambda node: Stopsignal(node, _one(node)),
    "user": lambda node: User(node, _one(node)),
    "volume": _volume,
    "workdir": lambda node: Workdir(node, _one(node)),
}
