"""The seccomp filters of RUN: what Docker's default profile refuses, and owners that answer success without root.

A user namespace with one user in it has no other owner to give a file to; package managers try all the same, and
stop when they are refused. Source: Linux seccomp(2), BPF as in linux/filter.h; call numbers of asm/unistd_64.h
(x86-64) and asm-generic/unistd.h (arm64).
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

from workbench.dataclass import dataclass
from workbench.engines.embedded.syscalls import ARCHITECTURES, CLONE3, Architecture

_LOAD, _AND, _EQUAL, _GREATER_EQUAL, _ANY_BIT, _GO, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x05, 0x06
_ALLOW, _SUCCESS = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with errno 0
_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_PERSONALITIES = (0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
_AF_VSOCK = 40
_EPERM = _SUCCESS | errno.EPERM
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_S_IFMT, _S_IFCHR, _S_IFBLK = 0xF000, 0x2000, 0x6000
_X32 = 0x40000000


_Line = tuple[int, int, str, str]
"""code, k, label if true, label if false ("" is the next)."""


@dataclass(frozen=True, slots=True)
class _Calls:
    arch: int
    owners: tuple[int, ...]
    """chown, fchown, lchown, fchownat, set*id, setgroups, capset."""
    nodes: tuple[tuple[int, int], ...]
    """mknod and mknodat, with the index of the argument that has the mode."""


_MACHINES = {
    "x86_64": _Calls(
        0xC000003E, (92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123, 126), ((133, 1), (259, 2))
    ),
    "aarch64": _Calls(0xC00000B7, (55, 54, 146, 144, 145, 143, 159, 147, 149, 151, 152, 91), ((33, 2),)),
}


@lru_cache(maxsize=4)
def owner_filter(machine: str = "") -> bytes | None:
    """The filter for this machine as bwrap's `--seccomp` reads it, or None for a machine that it does not know."""
    calls = _MACHINES.get(machine or platform.machine())
    if calls is None:
        return None
    allow, success = "allow", "success"
    program: list[_Line] = [
        (_LOAD, _ARCH, "", ""),
        (_EQUAL, calls.arch, "", allow),
        (_LOAD, _NUMBER, "", ""),
        (_GREATER_EQUAL, _X32, allow, ""),
    ]
    program += [(_EQUAL, number, success, "") for number in calls.owners]
    program += [(_EQUAL, number, f"mode{argument}", "") for number, argument in calls.nodes]
    labels = {"allow": len(program)}
    program.append((_RETURN, _ALLOW, "", ""))
    for argument in sorted({argument for _, argument in calls.nodes}):
        labels[f"mode{argument}"] = len(program)
        program += [
            (_LOAD, _ARGUMENTS + 8 * argument, "", ""),
            (_AND, _S_IFMT, "", ""),
            (_EQUAL, _S_IFCHR, success, ""),
            (_EQUAL, _S_IFBLK, success, "again"),
        ]
    labels["again"] = len(program)
    program.append((_RETURN, _ALLOW, "", ""))
    labels["success"] = len(program)
    program.append((_RETURN, _SUCCESS, "", ""))
    return _assemble(program, labels)


@lru_cache(maxsize=4)
def docker_filter(machine: str = "", *, tracing: bool = True) -> bytes | None:
    """What Docker's default profile refuses is refused with EPERM here too: namespaces, mounts, modules, keys, tracing
    of the kernel. clone3 is ENOSYS, so that programs fall back to clone, whose flags can be seen. None for a machine
    that it does not know. Without `tracing` other processes cannot be reached into."""
    architectures = ARCHITECTURES.get(machine or platform.machine())
    if architectures is None:
        return None
    out = struct.pack("=HBBI", _LOAD, 0, 0, _ARCH)
    for architecture in architectures:
        block = _refusals(architecture, tracing=tracing)
        out += struct.pack("=HBBI", _EQUAL, 1, 0, architecture.audit)
        out += struct.pack("=HBBI", _GO, 0, 0, len(block) // 8) + block
    return out + struct.pack("=HBBI", _RETURN, 0, 0, _EPERM)


def _refusals(architecture: Architecture, *, tracing: bool) -> bytes:
    arguments = {"clone": architecture.clone, "personality": architecture.personality, "socket": architecture.socket}
    program: list[_Line] = [(_LOAD, _NUMBER, "", "")]
    if architecture.x32:
        program.append((_GREATER_EQUAL, _X32, "unknown", ""))
    forbidden = [*architecture.forbidden.values(), *(() if tracing else architecture.tracing.values())]
    program += [(_EQUAL, number, "refuse", "") for number in sorted(forbidden)]
    program.append((_EQUAL, CLONE3, "unknown", ""))
    program += [(_EQUAL, number, label, "") for label, number in arguments.items()]
    program.append((_RETURN, _ALLOW, "", ""))
    labels: dict[str, int] = {}
    tests: dict[str, list[_Line]] = {
        "clone": [(_ANY_BIT, _NAMESPACES, "refuse", "allow")],
        "personality": [(_EQUAL, value, "allow", "") for value in _PERSONALITIES] + [(_RETURN, _EPERM, "", "")],
        "socket": [(_EQUAL, _AF_VSOCK, "refuse", "allow")],
    }
    for label, test in tests.items():
        labels[label] = len(program)
        program += [(_LOAD, _ARGUMENTS, "", ""), *test]
    for label, answer in (("allow", _ALLOW), ("refuse", _EPERM), ("unknown", _SUCCESS | errno.ENOSYS)):
        labels[label] = len(program)
        program.append((_RETURN, answer, "", ""))
    return _assemble(program, labels)


def _assemble(program: Sequence[_Line], labels: Mapping[str, int]) -> bytes:
    return b"".join(
        struct.pack("=HBBI", code, _jump(labels, yes, at), _jump(labels, no, at), k)
        for at, (code, k, yes, no) in enumerate(program)
    )


def _jump(labels: Mapping[str, int], label: str, at: int) -> int:
    return labels[label] - at - 1 if label else 0
