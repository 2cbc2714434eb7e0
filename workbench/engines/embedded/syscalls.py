"""System calls that Docker's default profile keeps from a container, with their numbers on each architecture.

Source: moby, profiles/seccomp/default_linux.go (what it allows only with a capability that is not in the default set,
and what it does not list); numbers of Linux' arch/*/entry/syscalls tables. Calls that are newer than 5.1 have one
number everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from workbench.dataclass import dataclass

_EVERYWHERE = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "process_madvise": 440,
    "mount_setattr": 442, "quotactl_fd": 443, "set_mempolicy_home_node": 450, "lsm_set_self_attr": 460,
}  # fmt: skip
_X86_64 = {
    "uselib": 134, "ustat": 136, "sysfs": 139, "vhangup": 153, "pivot_root": 155, "_sysctl": 156, "acct": 163,
    "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "iopl": 172,
    "ioperm": 173, "create_module": 174, "init_module": 175, "delete_module": 176, "get_kernel_syms": 177,
    "query_module": 178, "quotactl": 179, "nfsservctl": 180, "lookup_dcookie": 212, "clock_settime": 227,
    "mbind": 237, "set_mempolicy": 238, "get_mempolicy": 239, "kexec_load": 246, "add_key": 248, "request_key": 249,
    "keyctl": 250, "migrate_pages": 256, "unshare": 272, "move_pages": 279, "perf_event_open": 298,
    "fanotify_init": 300, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "kcmp": 312,
    "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323, "syslog": 103,
}  # fmt: skip
_I386 = {
    "mount": 21, "umount": 22, "stime": 25, "acct": 51, "umount2": 52, "ustat": 62, "settimeofday": 79, "uselib": 86,
    "swapon": 87, "reboot": 88, "ioperm": 101, "syslog": 103, "iopl": 110, "vhangup": 111, "vm86old": 113,
    "swapoff": 115, "create_module": 127, "init_module": 128, "delete_module": 129, "get_kernel_syms": 130,
    "quotactl": 131, "sysfs": 135, "_sysctl": 149, "vm86": 166, "query_module": 167, "nfsservctl": 169,
    "pivot_root": 217, "lookup_dcookie": 253, "clock_settime": 264, "mbind": 274, "get_mempolicy": 275,
    "set_mempolicy": 276, "kexec_load": 283, "add_key": 286, "request_key": 287, "keyctl": 288, "migrate_pages": 294,
    "unshare": 310, "move_pages": 317, "perf_event_open": 336, "fanotify_init": 338, "open_by_handle_at": 342,
    "clock_adjtime": 343, "setns": 346, "kcmp": 349, "finit_module": 350, "bpf": 357, "userfaultfd": 374,
    "clock_settime64": 404, "clock_adjtime64": 405,
}  # fmt: skip
_AARCH64 = {
    "lookup_dcookie": 18, "umount2": 39, "mount": 40, "pivot_root": 41, "nfsservctl": 42, "vhangup": 58,
    "quotactl": 60, "acct": 89, "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106,
    "clock_settime": 112, "syslog": 116, "reboot": 142, "settimeofday": 170, "add_key": 217, "request_key": 218,
    "keyctl": 219, "swapon": 224, "swapoff": 225, "mbind": 235, "get_mempolicy": 236, "set_mempolicy": 237,
    "migrate_pages": 238, "move_pages": 239, "perf_event_open": 241, "fanotify_init": 262, "open_by_handle_at": 265,
    "clock_adjtime": 266, "setns": 268, "kcmp": 272, "finit_module": 273, "bpf": 280, "userfaultfd": 282,
    "kexec_file_load": 294,
}  # fmt: skip
_ARM = {
    "mount": 21, "acct": 51, "umount2": 52, "ustat": 62, "settimeofday": 79, "uselib": 86, "swapon": 87, "reboot": 88,
    "syslog": 103, "vhangup": 111, "swapoff": 115, "init_module": 128, "delete_module": 129, "quotactl": 131,
    "sysfs": 135, "_sysctl": 149, "nfsservctl": 169, "pivot_root": 218, "lookup_dcookie": 249, "clock_settime": 262,
    "add_key": 309, "request_key": 310, "keyctl": 311, "mbind": 319, "get_mempolicy": 320, "set_mempolicy": 321,
    "unshare": 337, "move_pages": 344, "kexec_load": 347, "perf_event_open": 364, "fanotify_init": 367,
    "open_by_handle_at": 371, "clock_adjtime": 372, "setns": 375, "kcmp": 378, "finit_module": 379, "bpf": 386,
    "userfaultfd": 388, "migrate_pages": 400, "kexec_file_load": 401, "clock_settime64": 404, "clock_adjtime64": 405,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Architecture:
    """`audit` is its AUDIT_ARCH_ number; the other calls are refused for some of their arguments only."""

    audit: int
    forbidden: Mapping[str, int]
    clone: int
    personality: int
    socket: int
    tracing: Mapping[str, int]
    """What reaches into other processes: Docker allows it, as its containers see their own only."""
    x32: bool = False
    """Whether it has a second table of numbers from 0x40000000 on."""


def _tracing(ptrace: int, read: int, write: int) -> Mapping[str, int]:
    return {"ptrace": ptrace, "process_vm_readv": read, "process_vm_writev": write}


CLONE3 = 435
ARCHITECTURES: Mapping[str, tuple[Architecture, ...]] = {
    "x86_64": (
        Architecture(0xC000003E, {**_X86_64, **_EVERYWHERE}, 56, 135, 41, _tracing(101, 310, 311), x32=True),
        Architecture(0x40000003, {**_I386, **_EVERYWHERE}, 120, 136, 359, _tracing(26, 347, 348)),
    ),
    "aarch64": (
        Architecture(0xC00000B7, {**_AARCH64, **_EVERYWHERE}, 220, 92, 198, _tracing(117, 270, 271)),
        Architecture(0x40000028, {**_ARM, **_EVERYWHERE}, 120, 136, 281, _tracing(26, 376, 377)),
    ),
}
"""What programs of a machine may be built for."""
