"""The first programs of a sandbox: what becomes the command, what keeps a sandbox open, and what enters it.

bwrap cannot change the user of what it runs as root, sets a PWD, and forbids that a program gains rights. So it runs a
`starter`, which becomes the user and then the command. Where the image has programs that give rights (sudo, ping) or
volumes, it runs a `keeper`, and the command comes in by another way, through an `entrant`: the rights that bwrap took
from itself for ever are those that this one gives up on the way.

None of them notices by itself that its caller is gone, so the first ask: they end at once where the caller's end of
the pipe `watch` is closed. They close what is not the command's, and only then enter the working folder: before, a name
like `/proc/self/fd/3` would lead out of the sandbox (CVE-2024-21626).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from workbench.dataclass import dataclass
from workbench.engines.embedded.machine import (
    STACK,
    ZEROS,
    Call,
    Execute,
    ExitAsWaited,
    Memory,
    Step,
    Store,
    program,
)

_SIGKILL, _SIGCHLD = 9, 17
_PDEATHSIG, _CAPBSET_DROP, _SECCOMP = 1, 24, 22  # prctl
_BIND = 0x1000 | 0x4000  # MS_BIND, MS_REC
_NAMESPACES = 0x7E020000
"""CLONE_NEW...: mount, cgroup, uts, ipc, user, pid, net."""
_NETWORK = 0x40000000
_LAST_CAPABILITY = 40
_GIVE_UP = (Call("exit", (126,)),)
_CANNOT_ENTER = (Call("kill", (0, _SIGKILL)),)
"""The program is alone in its process group. No command's end looks like this one."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run: `program` is its absolute path, `argv[0]` what it sees. `user` is (uid, gid, groups), None to stay
    who one is."""

    program: str
    argv: Sequence[str]
    env: Mapping[str, str]
    workdir: str
    user: tuple[int, int, Sequence[int]] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """How a sandbox is entered. On the pipe `ready` its keeper writes; `keeper` is a descriptor of that process."""

    ready: int
    keeper: int
    private_network: bool
    volumes: Sequence[str] = ()
    """Absolute paths without links."""
    capabilities: frozenset[int] | None = None
    """None leaves all."""
    filters: Sequence[bytes] = ()


def starter(command: Command, watch: int, closes: Sequence[int], machine: str = "") -> bytes:
    """The ELF file of what bwrap runs and what becomes the command."""
    memory = Memory()
    steps = [*_while_watched(watch), *_close(watch, *closes), *_become(memory, command)]
    return program(memory, steps, machine)


def keeper(watch: int, ready: int, closes: Sequence[int], machine: str = "") -> bytes:
    """The ELF file of a first process that does nothing but be there, until it is killed. Who is orphaned becomes its
    child, and is not kept as a zombie."""
    memory = Memory()
    ignore = memory.place(struct.pack("<QQQQ", 1, 0, 0, 0))
    steps: list[Step] = [
        *_while_watched(watch),
        Call("rt_sigaction", (_SIGCHLD, ignore, 0, 8), _GIVE_UP),
        Call("prctl", (_PDEATHSIG, _SIGKILL), _GIVE_UP),
        Call("write", (ready, memory.place(b"."), 1), _GIVE_UP, "positive"),
        *_close(0, 1, 2, watch, ready, *closes),
        Call("ppoll", (0, 0, 0, 0, 0)),
        *_GIVE_UP,
    ]
    return program(memory, steps, machine)


def entrant(entry: Entry, command: Command, closes: Sequence[int], machine: str = "") -> bytes:
    """The ELF file of what enters a sandbox as soon as its keeper is there, and ends it when the command has ended. Its
    exit code is the command's, 128 and more where a signal ended that; where there was nothing to enter, it is killed
    itself. Needs the rights of the sandbox's maker."""
    memory = Memory()
    namespaces = _NAMESPACES & ~(0 if entry.private_network else _NETWORK)
    nothing = memory.place(bytes(24))
    steps: list[Step] = [
        Call("read", (entry.ready, STACK, 1), _CANNOT_ENTER, "positive"),
        Call("setns", (entry.keeper, namespaces), _CANNOT_ENTER),
    ]
    for volume in entry.volumes:  # a mount of its own, as Docker's volumes are: not to be removed, renamed, linked from
        path = memory.text(volume)
        steps.append(Call("mount", (path, path, 0, _BIND, 0), _CANNOT_ENTER))
    after = (
        Call("wait4", (-1, STACK, 0, 0), _CANNOT_ENTER, "positive"),
        Call("pidfd_send_signal", (entry.keeper, _SIGKILL, 0, 0)),
        ExitAsWaited(),
    )
    version = memory.place(struct.pack("<II", 0x20080522, 0))
    steps += [
        Call("clone", (_SIGCHLD, 0, 0, 0, 0), (Call("capset", (version, nothing), _CANNOT_ENTER), *after)),
        Call("setsid", (), _GIVE_UP, "positive"),  # the command has no business with the process that waits for it
        *_close(entry.ready, entry.keeper, *closes),
        *_give_up_rights(memory, entry),
        *_become(memory, command),
    ]
    return program(memory, steps, machine)


def _while_watched(watch: int) -> list[Step]:
    """Goes on where the caller has its end of the pipe."""
    return [Store(watch), Call("ppoll", (STACK, 1, ZEROS, 0, 0), _GIVE_UP)]


def _close(*descriptors: int) -> list[Step]:
    return [Call("close", (descriptor,)) for descriptor in dict.fromkeys(descriptors)]


def _give_up_rights(memory: Memory, entry: Entry) -> list[Step]:
    steps: list[Step] = []
    if entry.capabilities is not None:
        for number in range(_LAST_CAPABILITY + 1):
            if number not in entry.capabilities:
                steps.append(Call("prctl", (_CAPBSET_DROP, number)))  # an older kernel has fewer
    for rules in entry.filters:
        filter_program = memory.place(struct.pack("<HxxxxxxQ", len(rules) // 8, memory.place(rules)))
        steps.append(Call("prctl", (_SECCOMP, 2, filter_program, 0, 0), _GIVE_UP))
    return steps


def _become(memory: Memory, command: Command) -> list[Step]:
    """Asks to die with the parent only when the user is changed: that takes such a wish away."""
    steps: list[Step] = [Call("chdir", (memory.text(command.workdir),), _GIVE_UP)]
    if command.user is not None:
        uid, gid, groups = command.user
        listed = memory.place(struct.pack(f"<{len(groups)}I", *groups))
        steps += [
            Call("setgroups", (len(groups), listed), _GIVE_UP),
            Call("setresgid", (gid, gid, gid), _GIVE_UP),
            Call("setresuid", (uid, uid, uid), _GIVE_UP),
        ]
    environment = [f"{name}={value}" for name, value in command.env.items()]
    return [
        *steps,
        Call("prctl", (_PDEATHSIG, _SIGKILL), _GIVE_UP),
        Execute(memory.text(command.program), memory.texts(command.argv), memory.texts(environment)),
    ]
