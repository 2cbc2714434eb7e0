"""Programs of a few instructions that make one system call and exit with its errno: no image has tools for these."""

from __future__ import annotations

import platform
import struct
from collections.abc import Sequence

REFUSED, UNKNOWN, DONE = 1, 38, 0
"""EPERM, ENOSYS, success."""
X86 = platform.machine() == "x86_64"


def probe(number: int, arguments: Sequence[int] = (), *, compat: bool = False) -> bytes:
    """An ELF program for x86-64: exit code is the call's errno, 0 where it gave none. With `compat` the call is made
    through `int 0x80`, where the kernel takes it for one of i386."""
    registers = (0xBB, 0xB9, 0xBA, 0xBE) if compat else (0xBF, 0xBE, 0xBA)  # ebx ecx edx esi; edi esi edx
    code = b""
    for move, value in zip(registers, arguments, strict=False):
        code += bytes([move]) + struct.pack("<I", value)
    code += b"\xb8" + struct.pack("<I", number) + (b"\xcd\x80" if compat else b"\x0f\x05")
    code += b"\x85\xc0\x79\x04"  # test eax, eax; jns over the next two
    code += b"\xf7\xd8\xeb\x02"  # neg eax; jmp over the next
    code += b"\x31\xc0"  # xor eax, eax
    code += b"\x89\xc7\xb8\x3c\x00\x00\x00\x0f\x05"  # mov edi, eax; exit
    size = 0x78 + len(code)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 0x1000) + code
