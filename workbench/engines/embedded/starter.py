"""A program of a few dozen instructions that is the first to run in a sandbox: it becomes the user, then the command.

bwrap cannot change the user of what it runs as root, and the image need not have a program that can (`FROM scratch`
has none). Nor does it notice a caller that was killed while it was setting up. So the sandbox is handed this program
in memory. It ends at once where the caller's end of the pipe `watch` is closed; it closes what is not the command's,
and only then enters the working folder: before, a name like `/proc/self/fd/3` would lead out of the sandbox
(CVE-2024-21626). It calls `setgroups`, `setresgid` and `setresuid`, asks to die with bwrap, and becomes the command by
`execve`.

Its arguments, from the zeroth on, are `WORKDIR PATH ARGV0 ARG...`. Exit codes are a shell's: 127 not found, 126 cannot
be run.
Source: System V ABI for x86-64 and AArch64 (process entry), ELF-64 object file format.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_BASE = 0x400000
_HEADERS = 64 + 56
_MACHINES = {"x86_64": 62, "aarch64": 183}


@dataclass(frozen=True, slots=True)
class Start:
    """What the program does before the command. `user` is (uid, gid, groups), None to stay who one is."""

    watch: int
    closes: Sequence[int] = ()
    user: tuple[int, int, Sequence[int]] | None = None


def known_machine(machine: str = "") -> bool:
    """Whether there is such a program for this machine."""
    return (machine or platform.machine()) in _MACHINES


def program(start: Start, machine: str = "") -> bytes:
    """The ELF file. Raises KeyError for a machine that `known_machine` does not know."""
    machine = machine or platform.machine()
    number = _MACHINES[machine]
    code = _x86_64(start) if machine == "x86_64" else _aarch64(start)
    groups = start.user[2] if start.user else ()
    content = code + struct.pack(f"<{len(groups)}I", *groups)
    size = _HEADERS + len(content)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = ident + struct.pack("<HHIQQQIHHHHHH", 2, number, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return elf + segment + content


def _x86_64(start: Start) -> bytes:
    edi, esi, edx = b"\xbf", b"\xbe", b"\xba"  # mov register, imm32

    def call(number: int) -> bytes:
        return b"\xb8" + struct.pack("<I", number) + b"\x0f\x05"  # mov eax, number; syscall

    def value(register: bytes, number: int) -> bytes:
        return register + struct.pack("<I", number)

    def three(number: int) -> bytes:
        return value(edi, number) + value(esi, number) + value(edx, number)

    tail = (
        b"\x48\x8b\x0c\x24"  # mov rcx, [rsp]
        b"\x48\x8b\x7c\x24\x10"  # mov rdi, [rsp+16]
        b"\x48\x8d\x74\x24\x18"  # lea rsi, [rsp+24]
        b"\x48\x8d\x54\xcc\x10"  # lea rdx, [rsp+rcx*8+16]
    )
    tail += call(59)  # execve; it returns only where it failed
    tail += value(edi, 127) + b"\x83\xf8\xfe\x74\x05"  # cmp eax, -ENOENT; je over what gives up
    end = value(edi, 126) + call(60)  # give up; exit
    code = value(edi, 1) + value(esi, 9) + call(157) + tail  # prctl(PR_SET_PDEATHSIG, SIGKILL)

    def before(body: bytes) -> None:
        """Puts `body` in front, and gives up where it does not leave 0 in eax."""
        nonlocal code
        code = body + b"\x85\xc0\x0f\x85" + struct.pack("<i", len(code)) + code  # test eax, eax; jne

    if start.user is not None:
        uid, gid, groups = start.user
        before(three(uid) + call(117))
        before(three(gid) + call(119))
        distance = len(call(116)) + 8 + len(code) + len(end)  # 8: test and jne
        before(value(edi, len(groups)) + b"\x48\x8d\x35" + struct.pack("<i", distance) + call(116))  # lea rsi, [rip+..]
    before(b"\x48\x8b\x7c\x24\x08" + call(80))  # mov rdi, [rsp+8]; chdir
    code = b"".join(value(edi, descriptor) + call(3) for descriptor in (start.watch, *start.closes)) + code  # close
    pollfd = b"\x68" + struct.pack("<I", start.watch) + b"\x48\x89\xe7"  # push imm32; mov rdi, rsp
    before(pollfd + value(esi, 1) + value(edx, 0) + call(7) + b"\x59")  # poll; pop rcx
    return code + end


def _aarch64(start: Start) -> bytes:
    def move(register: int, number: int) -> list[int]:
        low, high = number & 0xFFFF, number >> 16
        return [0xD2800000 | low << 5 | register, 0xF2A00000 | high << 5 | register]  # movz; movk lsl 16

    def call(number: int) -> list[int]:
        return [0xD2800000 | number << 5 | 8, 0xD4000001]  # mov x8, number; svc 0

    def three(number: int) -> list[int]:
        return move(0, number) + move(1, number) + move(2, number)

    code = [*move(0, 1), *move(1, 9), *call(167)]  # prctl(PR_SET_PDEATHSIG, SIGKILL)
    code += [
        0xF94003E9,  # ldr x9, [sp]
        0xF9400BE0,  # ldr x0, [sp, 16]
        0x910063E1,  # add x1, sp, 24
        0x8B296FE2,  # add x2, sp, x9, lsl 3
        0x91004042,  # add x2, x2, 16
        *call(221),  # execve
        0xB100081F,  # cmn x0, 2 (-ENOENT)
        0xD2800FE0,  # mov x0, 127
        0x54000040,  # b.eq over what gives up
    ]
    end = [0xD2800FC0, *call(93)]  # mov x0, 126; exit

    def before(body: list[int]) -> None:
        """Puts `body` in front, and gives up where it does not leave 0 in x0."""
        nonlocal code
        code = [*body, 0xB5000000 | (len(code) + 1) << 5, *code]  # cbnz x0

    if start.user is not None:
        uid, gid, groups = start.user
        before(three(uid) + call(147))
        before(three(gid) + call(149))
        words = 1 + len(call(159)) + 1 + len(code) + len(end)  # from adr to the list
        before([*move(0, len(groups)), 0x10000001 | words << 5, *call(159)])  # adr x1, list
    before([0xF94007E0, *call(49)])  # ldr x0, [sp, 8]; chdir
    for descriptor in (start.watch, *start.closes):
        code = [*move(0, descriptor), *call(57), *code]  # close
    before(
        [
            0xD10083FF, *move(9, start.watch), 0xF90003E9,  # sub sp, sp, 32; mov x9, watch; str x9, [sp]
            0xF9000BFF, 0xF9000FFF, 0x910003E0,  # str xzr, [sp, 16]; str xzr, [sp, 24]; mov x0, sp
            *move(1, 1), 0x910043E2, *move(3, 0), *move(4, 8),  # add x2, sp, 16
            *call(73), 0x910083FF,  # ppoll; add sp, sp, 32
        ]
    )  # fmt: skip
    return struct.pack(f"<{len(code) + len(end)}I", *code, *end)
