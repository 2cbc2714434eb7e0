"""An instruction as it takes effect, on one line: flags that count, variables filled in, no place in a source."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.dockerfile.instructions import (
    Add,
    Arg,
    Command,
    Copy,
    Env,
    Expose,
    From,
    Instruction,
    Label,
    Run,
    Shell,
    Stopsignal,
    Transfer,
    User,
    Volume,
    Workdir,
)
from workbench.dockerfile.mounts import Mount

Words = Iterable[str]


def effect(it: Instruction) -> str:
    """What `expand` gave, as text: equal for two spellings that mean the same. Content of heredocs is not in a
    COPY's or ADD's text: it is one of its inputs."""
    words = _words(it)
    return it.text if words is None else " ".join([it.keyword, *words])


def _words(it: Instruction) -> Words | None:
    match it:
        case Copy() | Add():
            return [*_transfer_flags(it), *it.sources, *(document.name for document in it.heredocs), it.destination]
        case Run():
            return [*_run_flags(it), it.command if it.shell else str(list(it.args))]
        case Command():
            return [it.args[0] if it.shell and it.args else str(list(it.args))]
        case Shell():
            return [str(list(it.args))]
        case From():
            return [it.image]
        case Env() | Label():
            return [f"{name}={value}" for name, value in it.pairs]
        case Arg():
            return [name if value is None else f"{name}={value}" for name, value in it.pairs]
        case Expose():
            return it.ports
        case Volume():
            return it.paths
        case Workdir() | User() | Stopsignal():
            return [it.path if isinstance(it, Workdir) else it.user if isinstance(it, User) else it.signal]
    return None  # no variables are filled in: its text is what it means


def _transfer_flags(it: Transfer) -> list[str]:
    flags = {"chown": it.chown, "chmod": it.chmod}
    if isinstance(it, Copy):
        flags["from"] = it.from_
    if isinstance(it, Add):
        flags["checksum"] = it.checksum
        flags["unpack"] = "" if it.unpack is None else str(it.unpack).lower()
    given = [f"--{name}={value}" for name, value in flags.items() if value]
    given += [f"--exclude={pattern}" for pattern in it.exclude]
    if isinstance(it, Copy) and it.parents:
        given.append("--parents")
    return given


def _run_flags(it: Run) -> list[str]:
    given = [f"--mount={_mount(mount)}" for mount in it.mounts]
    if it.network != "default":
        given.append(f"--network={it.network}")
    if it.security != "sandbox":
        given.append(f"--security={it.security}")
    return given


def _mount(mount: Mount) -> str:
    fields = {"type": mount.type, "from": mount.from_, "source": mount.source, "target": mount.target, "id": mount.id}
    return ",".join(f"{name}={value}" for name, value in fields.items() if value)
