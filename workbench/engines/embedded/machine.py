"""Programs that are a list of system calls, put together in memory for x86-64 and arm64: the sandbox's own first steps.

An image need not have a program that could make them (`FROM scratch` has none). Each call has constant arguments; what
a program points to lies in front of its code. Sources: System V ABI for x86-64 and AArch64 (process entry), ELF-64
object file format, numbers of Linux' arch/x86/entry/syscalls and asm-generic/unistd.h.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Sequence
from typing import Literal

from workbench.dataclass import dataclass

_BASE = 0x400000
_HEADERS = 64 + 56
_MACHINES = {"x86_64": 62, "aarch64": 183}
CALLS = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "rt_sigaction": (13, 134), "clone": (56, 220),
    "execve": (59, 221), "exit": (60, 93), "wait4": (61, 260), "kill": (62, 129), "chdir": (80, 49),
    "setsid": (112, 157), "setgroups": (116, 159), "setresuid": (117, 147), "setresgid": (119, 149),
    "capset": (126, 91), "prctl": (157, 167), "mount": (165, 40), "ppoll": (271, 73), "setns": (308, 268),
    "pidfd_send_signal": (424, 424),
}  # fmt: skip
"""Numbers on x86-64 and arm64."""

Place = Literal["stack", "zeros"]
STACK: Place = "stack"
"""An argument: the address of eight bytes that may be written."""
ZEROS: Place = "zeros"
"""An argument: the address of sixteen more, which `Store` makes 0."""


@dataclass(frozen=True, slots=True)
class Call:
    """A system call. Where its result is not of the sort that is `wanted`, what is in `otherwise` is done first; that
    does not come back, where it ends in `exit` or `kill`."""

    name: str
    arguments: tuple[int | Place, ...] = ()
    otherwise: tuple[Step, ...] = ()
    wanted: Literal["zero", "positive", "not negative"] = "zero"


@dataclass(frozen=True, slots=True)
class Store:
    """Four bytes to where `STACK` is, and 0 to the rest and to `ZEROS`."""

    value: int


@dataclass(frozen=True, slots=True)
class Execute:
    """Becomes another program; where it cannot, the exit code is a shell's: 127 not found, 126 cannot be run."""

    program: int
    arguments: int
    environment: int


@dataclass(frozen=True, slots=True)
class ExitAsWaited:
    """Exits as the process of which `wait4` wrote to `STACK`: with its code, or with 128 and the signal's number."""


Step = Call | Store | Execute | ExitAsWaited


class Memory:
    """What a program points to, from known addresses on. Read-only while it runs."""

    def __init__(self) -> None:
        self.content = bytearray()

    def place(self, data: bytes) -> int:
        """Its address, which is a multiple of eight."""
        address = _BASE + _HEADERS + len(self.content)
        self.content += data + bytes(-len(data) % 8)
        return address

    def text(self, text: str) -> int:
        return self.place(text.encode("utf-8", "surrogateescape") + b"\0")

    def texts(self, texts: Sequence[str]) -> int:
        """The address of a list of texts' addresses, with 0 at its end."""
        return self.place(struct.pack(f"<{len(texts) + 1}Q", *map(self.text, texts), 0))


def known_machine(machine: str = "") -> bool:
    """Whether there are such programs for this machine."""
    return (machine or platform.machine()) in _MACHINES


def program(memory: Memory, steps: Sequence[Step], machine: str = "") -> bytes:
    """The ELF file. Raises KeyError for a machine that `known_machine` does not know."""
    machine = machine or platform.machine()
    number = _MACHINES[machine]
    code = (_x86_64 if machine == "x86_64" else _aarch64)(steps)
    size = _HEADERS + len(memory.content) + len(code)
    entry = _BASE + _HEADERS + len(memory.content)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = ident + struct.pack("<HHIQQQIHHHHHH", 2, number, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return elf + segment + memory.content + code


# -- x86-64 ----------------------------------------------------------------------------------------------------------

_REGISTERS = (b"\xbf", b"\xbe", b"\xba", b"\x41\xba", b"\x41\xb8", b"\x41\xb9")  # mov edi esi edx r10d r8d r9d, imm32
_FROM_STACK = (b"\x48\x8d\x7c\x24", b"\x48\x8d\x74\x24", b"\x48\x8d\x54\x24")  # lea rdi rsi rdx, [rsp+offset]
_OFFSETS: dict[Place, int] = {STACK: 0, ZEROS: 16}
_OVER = {"zero": b"\x0f\x84", "positive": b"\x0f\x8f", "not negative": b"\x0f\x89"}  # jz, jg, jns


def _x86_64(steps: Sequence[Step]) -> bytes:
    return b"".join(map(_x86_64_step, steps))


def _x86_64_step(step: Step) -> bytes:
    match step:
        case Store(value):
            zeros = b"".join(b"\x48\xc7\x44\x24" + bytes((offset, 0, 0, 0, 0)) for offset in (0, 16, 24))
            return zeros + b"\xc7\x04\x24" + struct.pack("<I", value)  # mov qword [rsp+offset], 0; mov dword [rsp]
        case ExitAsWaited():
            return (
                b"\x8b\x04\x24\x89\xc7"  # mov eax, [rsp]; mov edi, eax
                b"\x83\xe7\x7f\x74\x08"  # and edi, 0x7f; jz over the next two
                b"\x81\xc7\x80\x00\x00\x00\xeb\x03"  # add edi, 128; jmp over the next
                b"\x0f\xb6\xfc"  # movzx edi, ah
                b"\xb8\x3c\x00\x00\x00\x0f\x05"  # exit
            )
        case Execute(path, arguments, environment):
            code = _x86_64_call("execve", (path, arguments, environment))
            code += _REGISTERS[0] + struct.pack("<I", 127) + b"\x83\xf8\xfe\x74\x05"  # cmp eax, -ENOENT; je
            return code + _x86_64_call("exit", (126,))
        case Call(name, given, otherwise, wanted):
            code = _x86_64_call(name, given)
            if otherwise:
                body = _x86_64(otherwise)
                code += b"\x48\x85\xc0" + _OVER[wanted] + struct.pack("<i", len(body)) + body  # test rax, rax
            return code


def _x86_64_call(name: str, given: Sequence[int | Place]) -> bytes:
    code = b""
    for register, value in enumerate(given):
        if isinstance(value, str):
            code += _FROM_STACK[register] + bytes((_OFFSETS[value],))
        else:
            code += _REGISTERS[register] + struct.pack("<I", value & 0xFFFFFFFF)
    return code + b"\xb8" + struct.pack("<I", CALLS[name][0]) + b"\x0f\x05"  # mov eax, number; syscall


# -- arm64 -----------------------------------------------------------------------------------------------------------

_IS_ENOENT = 0xB100081F  # cmn x0, 2 (-ENOENT)


def _aarch64(steps: Sequence[Step]) -> bytes:
    words = _aarch64_words(steps)
    return struct.pack(f"<{len(words)}I", *words)


def _aarch64_words(steps: Sequence[Step]) -> list[int]:
    return [word for step in steps for word in _aarch64_step(step)]


def _aarch64_step(step: Step) -> list[int]:
    match step:
        case Store(value):
            return [*_move(9, value), 0xF90003E9, 0xF9000BFF, 0xF9000FFF]  # str x9, [sp]; str xzr, [sp, 16] [sp, 24]
        case ExitAsWaited():
            return [
                0xB94003E0, 0x12001801,  # ldr w0, [sp]; and w1, w0, 0x7f
                0x34000061, 0x11020020, 0x14000002,  # cbz w1, over the next two; add w0, w1, 128; b over the next
                0x53083C00, *_number("exit"),  # ubfx w0, w0, 8, 8
            ]  # fmt: skip
        case Execute(path, arguments, environment):
            failed = [_IS_ENOENT, 0xD2800FE0, 0x54000040, 0xD2800FC0]  # mov x0, 127; b.eq over; mov x0, 126
            return [*_aarch64_call("execve", (path, arguments, environment)), *failed, *_number("exit")]
        case Call(name, given, otherwise, wanted):
            words = _aarch64_call(name, given)
            if otherwise:
                body = _aarch64_words(otherwise)
                words += [*_over(wanted, len(body) + 1), *body]
            return words


def _over(wanted: str, distance: int) -> list[int]:
    if wanted == "zero":
        return [0xB4000000 | distance << 5]  # cbz x0
    if wanted == "positive":
        return [0xF100001F, 0x5400000C | distance << 5]  # cmp x0, 0; b.gt
    return [0xB6F80000 | distance << 5]  # tbz x0, 63


def _aarch64_call(name: str, given: Sequence[int | Place]) -> list[int]:
    words: list[int] = []
    for register, value in enumerate(given):
        if isinstance(value, str):
            words.append(0x910003E0 | _OFFSETS[value] << 10 | register)  # add x, sp, offset
        else:
            words += _move(register, value)
    return words + _number(name)


def _number(name: str) -> list[int]:
    return [0xD2800000 | CALLS[name][1] << 5 | 8, 0xD4000001]  # mov x8, number; svc 0


def _move(register: int, value: int) -> list[int]:
    value &= 0xFFFFFFFF
    low, high = value & 0xFFFF, value >> 16
    return [0xD2800000 | low << 5 | register, 0xF2A00000 | high << 5 | register]  # movz; movk lsl 16
