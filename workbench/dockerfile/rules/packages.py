"""Our rules about package managers in RUN: what keeps a build from going on, and what fills a layer for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import Fix, replacing
from workbench.dockerfile.instructions import Env, Instruction, Run
from workbench.dockerfile.lexical import trim
from workbench.dockerfile.lint import Finding
from workbench.dockerfile.nodes import Range
from workbench.dockerfile.rules.places import end_of, uncommented
from workbench.dockerfile.rules.shell import Simple, simple_commands
from workbench.dockerfile.stages import Stage

_APT = ("apt-get", "apt")
_ASKING = {**dict.fromkeys(_APT, ("install", "upgrade", "dist-upgrade", "full-upgrade", "remove", "purge")),
           **dict.fromkeys(("yum", "dnf", "microdnf"), ("install", "update", "upgrade", "remove"))}  # fmt: skip
_YES = re.compile(r"-[a-zA-Z]*y[a-zA-Z]*\Z|--yes\Z|--assume-?yes\Z|-qq|-q=2|--quiet=2|--assumeno\Z|-s\Z|--simulate\Z")
_OPTION_WITH_VALUE = ("-o", "-t", "-c", "--option", "--target-release", "--config-file")
_PIP = re.compile(r"pip[0-9.]*\Z")
_LISTS = "/var/lib/apt"
_STATEFUL = frozenset(["cd", "exec", "exit", "export", "set", "trap", "umask", "source", "."])
"""What a command leaves behind in its shell, so that the next one cannot be put after it as it is."""


def runs(dockerfile: Dockerfile) -> Iterator[tuple[Stage, Run, int, tuple[Simple, ...]]]:
    """Each RUN in shell form whose commands can be read, with where they begin in its text."""
    for stage in dockerfile.stages:
        for it in stage.instructions:
            if isinstance(it, Run) and it.shell and it.args and not it.heredocs:
                start = it.original.find(it.args[0])
                if start >= 0 and (commands := simple_commands(it.args[0])):
                    yield stage, it, start, commands


def _verb(command: Simple) -> tuple[str, str, int]:
    """The program, what it is to do, and the end of that word; "" where that is not plain."""
    first = 1 if command.words[0] in ("sudo", "exec") else 0
    words = command.words[first:]
    skip = False
    for word, offset in zip(words[1:], command.offsets[first + 1 :], strict=True):
        if skip or word.startswith("-"):
            skip = not skip and word in _OPTION_WITH_VALUE
            continue
        return words[0].rpartition("/")[2], word, offset + len(word)
    return (words[0] if words else ""), "", 0


def _insert(it: Instruction, offset: int, text: str, title: str, *, safe: bool) -> Fix:
    line, column = it.node.span(offset - 1, offset)[2:]
    return replacing(title, Range(line, column, line, column), text, safe=safe)


def assume_yes(dockerfile: Dockerfile) -> Iterator[Finding]:
    for _, it, start, commands in runs(dockerfile):
        for command in commands:
            program, verb, end = _verb(command)
            sure = any(_YES.match(word) or "Assume-Yes" in word for word in command.words)
            if verb in _ASKING.get(program, ()) and not sure and command.before != "|":
                place = it.node.span(start + command.start, start + end)
                message = f"{program} {verb} asks before it goes on, and nobody can answer in a build"
                yield Finding(it.node, place, message, _insert(it, start + end, " -y", "add -y", safe=True))


def apt_command(dockerfile: Dockerfile) -> Iterator[Finding]:
    for _, it, start, commands in runs(dockerfile):
        for command in commands:
            program, verb, _ = _verb(command)
            if program == "apt" and command.words[0] == "apt" and verb in ("install", "update", "upgrade", "remove"):
                place = it.node.span(start + command.start, start + command.start + len("apt"))
                message = "apt is for people: what it prints and how it behaves may change; apt-get stays the same"
                yield Finding(it.node, place, message, replacing("write apt-get", place, "apt-get", safe=False))


def apt_lists(dockerfile: Dockerfile) -> Iterator[Finding]:
    for _, it, start, commands in runs(dockerfile):
        verbs = {_verb(command)[:2] for command in commands}
        cached = any((mount.target or "").startswith(_LISTS) for mount in it.mounts)
        if cached or _LISTS in it.args[0] or not any((name, "update") in verbs for name in _APT):
            continue
        if not any((name, "install") in verbs for name in _APT):
            continue
        fix = None
        if all(command.before in ("", "&&") for command in commands) and it.line <= end_of(it.node)[0]:
            line, column = end_of(it.node)
            text = " && rm -rf /var/lib/apt/lists/*"
            if it.line != it.end_line:
                text = f" {dockerfile.escape}\n    &&{text[3:]}"
            title = "remove them in the same step (the layer is smaller)"
            fix = replacing(title, Range(line, column, line, column), text, safe=False)
        place = it.node.span(start + commands[0].start, start + commands[0].end)
        yield Finding(it.node, place, "The package lists of apt-get stay in the layer", fix)


def apt_split(dockerfile: Dockerfile) -> Iterator[Finding]:
    """`RUN apt-get update` and the install in the next RUN: the update is cached when the install changes."""
    read = {id(it): (stage.index, it, start, commands) for stage, it, start, commands in runs(dockerfile)}
    for stage in dockerfile.stages:
        for first, second in zip(stage.instructions, stage.instructions[1:], strict=False):
            if id(first) not in read or id(second) not in read:
                continue
            _, one, start, commands = read[id(first)]
            _, other, _, following = read[id(second)]
            if _only_apt(commands) and any(_verb(command)[0] in _APT for command in following):
                updates = all(_verb(command)[1] == "update" for command in commands)
                message = (
                    "apt-get update in a step of its own is reused, and old, when the packages of the next step change"
                    if updates
                    else "Two apt-get steps in a row make two layers"
                )
                place = one.node.span(start + commands[0].start, start + commands[0].end)
                yield Finding(one.node, place, message, _merged(dockerfile, one, other, following))


def _only_apt(commands: tuple[Simple, ...]) -> bool:
    return all(_verb(command)[0] in _APT or command.words[0] == "rm" for command in commands) and any(
        _verb(command)[0] in _APT for command in commands
    )


def _merged(dockerfile: Dockerfile, one: Run, other: Run, following: tuple[Simple, ...]) -> Fix | None:
    lines = dockerfile.text.split("\n")[one.end_line : other.line - 1]
    chained = all(command.before in ("", "&&") for command in following)
    if one.flags or other.flags or any(map(trim, lines)) or not chained:
        return None
    if any(command.words[0] in _STATEFUL for command in following[:-1]) or not uncommented(dockerfile, one.node):
        return None
    line, column = end_of(one.node)
    start = other.node.span(other.original.find(other.args[0]), len(other.original))
    if line != one.end_line:
        return None
    place = Range(line, column, start.start_line, start.start_column)
    return replacing("join the two steps (one layer for both)", place, f" {dockerfile.escape}\n    && ", safe=False)


def pip_cache(dockerfile: Dockerfile) -> Iterator[Finding]:
    unwanted = _environment(dockerfile, "PIP_NO_CACHE_DIR")
    for stage, it, start, commands in runs(dockerfile):
        for command in commands:
            pip, verb, end = _verb(command)
            words = command.words
            if words[0].startswith("python") and words[1:3] == ("-m", "pip") and "install" in words[3:]:
                index = words.index("install", 3)
                pip, verb, end = "pip", "install", command.offsets[index] + len("install")
            if not _PIP.match(pip) or verb != "install" or stage.index in unwanted or "--no-cache-dir" in words:
                continue
            if any(mount.type == "cache" for mount in it.mounts) or "PIP_NO_CACHE_DIR" in it.args[0]:
                continue
            place = it.node.span(start + command.start, start + end)
            title = "add --no-cache-dir (the layer is smaller)"
            fix = _insert(it, start + end, " --no-cache-dir", title, safe=False)
            yield Finding(it.node, place, "What pip downloads stays in the layer", fix)


def apk_cache(dockerfile: Dockerfile) -> Iterator[Finding]:
    for _, it, start, commands in runs(dockerfile):
        for command in commands:
            program, verb, end = _verb(command)
            if program != "apk" or verb != "add" or "--no-cache" in command.words or "/var/cache/apk" in it.args[0]:
                continue
            if any(mount.type == "cache" for mount in it.mounts):
                continue
            place = it.node.span(start + command.start, start + end)
            title = "add --no-cache (the layer is smaller)"
            fix = _insert(it, start + end, " --no-cache", title, safe=False)
            yield Finding(it.node, place, "The package index of apk stays in the layer", fix)


def _environment(dockerfile: Dockerfile, name: str) -> set[int]:
    """The stages that set a variable themselves."""
    return {
        stage.index
        for stage in dockerfile.stages
        if any(isinstance(it, Env) and name in dict(it.pairs) for it in stage.instructions)
    }
