"""A program of a few dozen instructions that becomes another user and runs a command.

bwrap cannot change the user of what it runs as root, and the image need not have a program that can (`FROM scratch`
has none). So the sandbox is handed this one in memory: `setgroups`, `setresgid`, `setresuid`, close itself, `execve`.
It is called as `PROGRAM PATH ARGV0 ARG...`. Exit codes are a shell's: 127 not found, 126 cannot be run.
Source: System V ABI for x86-64 and AArch64 (process entry), ELF-64 object file format.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Sequence

_BASE = 0x400000
_HEADERS = 64 + 56
_MACHINES = {"x86_64": 62, "aarch64": 183}


def program(uid: int, gid: int, groups: Sequence[int], descriptor: int, machine: str = "") -> bytes | None:
    """The ELF file for this machine, or None for a machine that it does not know. `descriptor` is the file
    descriptor it will be run from, which it closes."""
    machine = machine or platform.machine()
    if machine not in _MACHINES:
        return None
    build = _x86_64 if machine == "x86_64" else _aarch64
    code = build(uid, gid, len(groups), descriptor)
    content = code + struct.pack(f"<{len(groups)}I", *groups)
    size = _HEADERS + len(content)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, _MACHINES[machine], 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return elf + segment + content


def _x86_64(uid: int, gid: int, groups: int, descriptor: int) -> bytes:
    def call(number: int) -> bytes:
        return b"\xb8" + struct.pack("<I", number) + b"\x0f\x05"  # mov eax, number; syscall

    def value(opcode: bytes, number: int) -> bytes:
        return opcode + struct.pack("<I", number)

    edi, esi, edx = b"\xbf", b"\xbe", b"\xba"  # mov register, imm32
    tail = (
        value(edi, descriptor) + call(3)  # close
        + b"\x48\x8b\x0c\x24"  # mov rcx, [rsp]
        + b"\x48\x8b\x7c\x24\x10"  # mov rdi, [rsp+16]
        + b"\x48\x8d\x74\x24\x18"  # lea rsi, [rsp+24]
        + b"\x48\x8d\x54\xcc\x10"  # lea rdx, [rsp+rcx*8+16]
        + call(59)  # execve; it returns only where it failed
        + b"\xbf\x7f\x00\x00\x00"  # mov edi, 127
        + b"\x83\xf8\xfe"  # cmp eax, -ENOENT
        + b"\x74\x05"  # je exit
    )  # fmt: skip
    give_up = b"\xbf\x7e\x00\x00\x00"  # mov edi, 126
    end = call(60)

    def checked(code: bytes, after: int) -> bytes:
        return code + b"\x85\xc0\x0f\x85" + struct.pack("<i", after)  # test eax, eax; jne give_up

    size = len(checked(value(edi, uid) + value(esi, uid) + value(edx, uid) + call(117), 0))
    set_user = checked(value(edi, uid) + value(esi, uid) + value(edx, uid) + call(117), len(tail))
    set_group = checked(value(edi, gid) + value(esi, gid) + value(edx, gid) + call(119), size + len(tail))
    rest = set_group + set_user + tail + give_up + end
    after_lea = len(call(116)) + 8 + len(rest)  # 8: test and jne of setgroups
    lea = b"\x48\x8d\x35" + struct.pack("<i", after_lea)  # lea rsi, [rip+list]
    set_groups = checked(value(edi, groups) + lea + call(116), 2 * size + len(tail))
    return set_groups + rest


def _aarch64(uid: int, gid: int, groups: int, descriptor: int) -> bytes:
    def move(register: int, number: int) -> list[int]:
        low, high = number & 0xFFFF, number >> 16
        return [0xD2800000 | low << 5 | register, 0xF2A00000 | high << 5 | register]  # movz; movk lsl 16

    def call(number: int) -> list[int]:
        return [0xD2800000 | number << 5 | 8, 0xD4000001]  # mov x8, number; svc 0

    def three(number: int) -> list[int]:
        return move(0, number) + move(1, number) + move(2, number)

    tail = [
        *move(0, descriptor), *call(57),  # close
        0xF94003E9,  # ldr x9, [sp]
        0xF9400BE0,  # ldr x0, [sp, 16]
        0x910063E1,  # add x1, sp, 24
        0x8B296FE2,  # add x2, sp, x9, lsl 3
        0x91004042,  # add x2, x2, 16
        *call(221),  # execve
        0xB1000800 | 0x1F,  # cmn x0, 2 (-ENOENT)
        0xD2800000 | 127 << 5,  # mov x0, 127
        0x54000000 | 2 << 5,  # b.eq exit
    ]  # fmt: skip
    end = [0xD2800000 | 126 << 5, *call(93)]  # mov x0, 126; exit

    def checked(code: list[int], after: int) -> list[int]:
        return [*code, 0xB5000000 | (after + 1) << 5]  # cbnz x0, give_up

    set_user = checked(three(uid) + call(147), len(tail))
    set_group = checked(three(gid) + call(149), len(set_user) + len(tail))
    rest = set_group + set_user + tail + end
    distance = 4 * (1 + len(call(159)) + 1 + len(rest))
    address = 0x10000000 | (distance & 3) << 29 | (distance >> 2) << 5 | 1  # adr x1, list
    set_groups = checked([*move(0, groups), address, *call(159)], len(set_group) + len(set_user) + len(tail))
    return struct.pack(f"<{len(set_groups + rest)}I", *set_groups, *rest)
