"""System calls that Docker keeps from a build's commands, made by the command itself."""

from __future__ import annotations

import pytest
from attack_tools import run
from builds import Builder
from machine_code import DONE, REFUSED, UNKNOWN, X86, probe

pytestmark = [
    pytest.mark.usefixtures("sandbox", "way"),
    pytest.mark.skipif(not X86, reason="the probes are x86-64 programs"),
]

CALLS = {
    "unshare-user-namespace": probe(272, [0x10000000]),  # CVE-2022-0185, CVE-2022-0492 begin with it
    "unshare-mount-namespace": probe(272, [0x20000]),
    "clone-user-namespace": probe(56, [0x10000011]),
    "mount": probe(165, [0, 0, 0]),
    "umount": probe(166, [0, 0]),
    "pivot_root": probe(155, [0, 0]),
    "move_mount": probe(429, [0, 0, 0]),
    "open_tree": probe(428, [0, 0, 0]),
    "fsopen": probe(430, [0, 0]),  # CVE-2022-0185
    "fsconfig": probe(431, [0, 0, 0]),
    "mount_setattr": probe(442, [0, 0, 0]),
    "init_module": probe(175, [0, 0, 0]),
    "finit_module": probe(313, [0, 0, 0]),
    "delete_module": probe(176, [0, 0]),
    "kexec_load": probe(246, [0, 0, 0]),
    "reboot": probe(169, [0xFEE1DEAD, 672274793, 0x4321FEDC]),
    "swapon": probe(167, [0, 0]),
    "keyctl": probe(250, [0, 0xFFFFFFFD, 0]),  # CVE-2016-0728
    "add_key": probe(248, [0, 0, 0]),  # keyrings know no namespace
    "request_key": probe(249, [0, 0, 0]),
    "bpf": probe(321, [0, 0, 0]),  # CVE-2020-8835, CVE-2021-3490
    "userfaultfd": probe(323, [0]),
    "perf_event_open": probe(298, [0, 0, 0]),  # CVE-2013-2094
    "open_by_handle_at": probe(304, [0, 0, 0]),  # "shocker", Docker before 1.0
    "io_uring_setup": probe(425, [0, 0]),
    "setns": probe(308, [0, 0]),
    "settimeofday": probe(164, [0, 0]),
    "syslog": probe(103, [3, 0, 0]),
    "personality-without-aslr": probe(135, [0x0040000]),
    "vsock": probe(41, [40, 1, 0]),
    "i386-unshare": probe(310, [0x10000000], compat=True),
    "i386-mount": probe(21, [0, 0, 0], compat=True),
    "i386-keyctl": probe(288, [0, 0, 0], compat=True),
    "i386-clone": probe(120, [0x10000011, 0], compat=True),
}
UNKNOWN_CALLS = {"clone3": probe(435, [0, 0]), "x32-mount": probe(0x40000000 + 165, [0, 0, 0])}
ALLOWED = {"getpid": probe(39), "i386-getpid": probe(20, compat=True), "personality-0": probe(135, [0])}


async def test_what_docker_refuses_is_refused(build: Builder) -> None:
    """All in one RUN: each program's exit code is the error that its call gave."""
    programs = {**CALLS, **UNKNOWN_CALLS, **ALLOWED}
    build.put({f"p/{name}": program for name, program in programs.items()})
    log = await run(
        build, "COPY --chmod=755 p /p", "RUN cd /p && for one in *; do ./$one; echo $one $?; done 2>/dev/null"
    )
    got = {name: int(code) for name, code in (line.split() for line in log.splitlines())}
    wanted = dict.fromkeys(CALLS, REFUSED) | dict.fromkeys(UNKNOWN_CALLS, UNKNOWN) | dict.fromkeys(ALLOWED, DONE)
    if got.get("i386-getpid") not in (DONE, None):
        wanted = {name: code for name, code in wanted.items() if not name.startswith("i386")}  # no such kernel
        got = {name: code for name, code in got.items() if not name.startswith("i386")}
    assert got == wanted
