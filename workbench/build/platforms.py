"""Platforms: `linux/arm64/v8` read and compared as containerd does it, and which of them this machine can run.

Source: github.com/containerd/platforms (Normalize); binfmt_misc of the kernel's documentation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from workbench.dataclass import dataclass
from workbench.errors import UsageError

_NAMES = {
    "x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm/v7", "armel": "arm/v6", "i386": "386",
    "i486": "386", "i586": "386", "i686": "386", "armv7l": "arm/v7", "armv6l": "arm/v6",
}  # fmt: skip
_USUAL = {("arm64", "v8"): "", ("amd64", "v1"): "", ("arm", ""): "v7"}
_QEMU = {
    "amd64": "x86_64", "386": "i386", "arm64": "aarch64", "arm": "arm", "riscv64": "riscv64", "ppc64le": "ppc64le",
    "s390x": "s390x", "mips64le": "mips64el", "loong64": "loongarch64",
}  # fmt: skip
_NATIVE = {"amd64": ("386",)}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system, an architecture by its Go name, and a variant ("" for the usual one)."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    def fits(self, facts: Mapping[str, object]) -> bool:
        """Whether a descriptor's `platform`, or an image's configuration, is of this platform."""
        found = platform_of(facts)
        if found is None or (found.os, found.architecture) != (self.os, self.architecture):
            return False
        return found.variant == self.variant or self.architecture != "arm"


def machine() -> str:
    """This machine's architecture by its Go name."""
    name = os.uname().machine.lower()
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}.get(name, name)


def here() -> Platform:
    """This machine's."""
    return _usual("linux", machine(), "")


def platform_of(facts: Mapping[str, object]) -> Platform | None:
    """What a descriptor or a configuration says; None where it says nothing."""
    system, architecture = facts.get("os") or "linux", facts.get("architecture")
    if not isinstance(system, str) or not isinstance(architecture, str) or not architecture:
        return None
    return _usual(system, architecture, str(facts.get("variant") or ""))


def parse_platform(text: str, flag: str = "--platform") -> Platform:
    """`linux/arm64`, `arm64`, `linux/arm/v6`, `linux`. Raises UsageError."""
    parts = text.lower().split("/")
    if not 1 <= len(parts) <= 3 or not all(_WORD.fullmatch(part) for part in parts):
        raise UsageError(f"{flag}: {text!r} is no platform", hint="It is OS/ARCH[/VARIANT], as in linux/arm64.")
    if len(parts) == 1:
        return here() if parts[0] == "linux" else _usual("linux", parts[0], "")
    return _usual(parts[0], parts[1], parts[2] if len(parts) == 3 else "")


def _usual(system: str, architecture: str, variant: str) -> Platform:
    architecture, _, own = _NAMES.get(architecture, architecture).partition("/")
    variant = variant or own
    return Platform(system, architecture, _USUAL.get((architecture, variant), variant))


def runs_here(platform: Platform, binfmt: Path = _BINFMT) -> bool:
    """Whether the kernel starts programs of this platform: its own, or those that it has an interpreter for."""
    own = machine()
    if platform.os != "linux":
        return False
    if platform.architecture == own or platform.architecture in _NATIVE.get(own, ()):
        return True
    try:
        return (binfmt / f"qemu-{_QEMU.get(platform.architecture, '')}").read_text().startswith("enabled")
    except OSError:
        return False


def asked_platform(text: str | None) -> Platform:
    """The first that `--platform` names, where that can be read; this machine's where it names none."""
    try:
        return parse_platform((text or "linux").partition(",")[0])
    except UsageError:  # the engine says so
        return here()


def platform_arguments(target: Platform) -> dict[str, str]:
    """BuildKit's platform variables: TARGET... of what is built, BUILD... of this machine."""
    return {
        f"{side}{name}": value
        for side, it in (("TARGET", target), ("BUILD", here()))
        for name, value in (
            ("PLATFORM", str(it)), ("OS", it.os), ("ARCH", it.architecture), ("VARIANT", it.variant),
        )
    }  # fmt: skip


def cannot_run(platform: Platform) -> tuple[str, str]:
    """What a person reads where `runs_here` says no, and what to do."""
    return (
        f"RUN for {platform}: this machine ({here()}) has nothing that runs its programs",
        "Install qemu-user-static with binfmt support, or take RUN out of the stages for that platform.",
    )
