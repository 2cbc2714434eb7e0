"""What of /proc and /sys a command does not see, or may not change: as Docker's containers have it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Literal

from workbench.engines.embedded.bwrap import Mode

_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_MASKED = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
"""moby 28, oci/defaults.go; each is empty inside."""
GROUPS = "/sys/fs/cgroup"


@lru_cache(maxsize=4)
def covers(below: Literal["/proc", "/sys"], mode: Mode) -> tuple[str, ...]:
    """What Docker makes read-only or hides there, as far as this kernel has it."""
    out: list[str] = []
    for path in _below(below, _READ_ONLY) if mode == "root" else ():
        if os.path.exists(path):
            out += ["--ro-bind", path, path]
    for path in _below(below, (*_MASKED, *_mounted_below_sys())):
        if os.path.isdir(path):
            out += ["--tmpfs", path, "--remount-ro", path]
        elif os.path.exists(path):
            out += ["--dev-bind", "/dev/null", path]
    return tuple(out)


def _below(folder: str, paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path.startswith(f"{folder}/")]


def _mounted_below_sys() -> list[str]:
    """The machine's debugfs and the like, which a sysfs of the sandbox's own would not have."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            path = line.split(" ")[4]
            covered = tuple(f"{above}/" for above in (*found, *_MASKED, GROUPS))
            if path.startswith("/sys/") and not f"{path}/".startswith(covered):
                found.append(path)
    return found
