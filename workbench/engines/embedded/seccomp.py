"""A seccomp filter for RUN without root: calls that change owners or make devices answer success and do nothing.

A user namespace with one user in it has no other owner to give a file to; package managers try all the same, and
stop when they are refused. Source: Linux seccomp(2), BPF as in linux/filter.h; call numbers of asm/unistd_64.h
(x86-64) and asm-generic/unistd.h (arm64).
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass

_LOAD, _AND, _EQUAL, _GREATER_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_ALLOW, _SUCCESS = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with errno 0
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_S_IFMT, _S_IFCHR, _S_IFBLK = 0xF000, 0x2000, 0x6000
_X32 = 0x40000000


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


def owner_filter(machine: str = "") -> bytes | None:
    """The filter for this machine as bwrap's `--seccomp` reads it, or None for a machine that it does not know."""
    calls = _MACHINES.get(machine or platform.machine())
    if calls is None:
        return None
    allow, success = "allow", "success"
    program: list[tuple[int, int, str, str]] = [  # code, k, label if true, label if false ("" is the next)
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
    return b"".join(
        struct.pack("=HBBI", code, _jump(labels, yes, at), _jump(labels, no, at), k)
        for at, (code, k, yes, no) in enumerate(program)
    )


def _jump(labels: dict[str, int], label: str, at: int) -> int:
    return labels[label] - at - 1 if label else 0
