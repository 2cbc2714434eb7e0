"""Control groups: where this machine has them, version 1 and 2, and one group for each RUN that is to be limited.

Sources: Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; what the options mean is what moby 20.10 makes of
them (daemon/daemon_unix.go, runc's libcontainer/cgroups).
"""

from __future__ import annotations

import errno
import os
import posixpath
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.build.request import BuildRequest
from workbench.dataclass import dataclass
from workbench.engines.embedded.guardian import Guardian
from workbench.errors import StoreError, Unsupported, UsageError

PIDS = 2048
"""Processes in a limited RUN, as Podman and Buildah have it: a fork bomb ends in an error of fork."""
_MEMORY_MIN = 6 << 20
_FLAGS = {
    "--memory": "memory", "--memory-swap": "memory", "--cpu-shares": "cpu", "--cpu-period": "cpu", "--cpu-quota": "cpu",
    "--cpuset-cpus": "cpuset", "--cpuset-mems": "cpuset", "--cgroup-parent": "",
}  # fmt: skip
_CONTROLLERS = ("memory", "cpu", "cpuset", "pids")
_SECONDS = 2.0
"""How long a group may take to be empty once its last process was waited for."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted tree of groups. `version` 2 has all `controllers` in one; `own` is the group of this process."""

    version: int
    mount: Path
    own: Path
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """Groups are made in `parent`; `files` is what is written in each, by name, in this order."""

    hierarchy: Hierarchy
    parent: Path
    controllers: Sequence[str]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a build's RUNs are limited to."""

    places: Sequence[Place] = ()


NO_LIMITS = Limits()


def hierarchies(mounts: str | None = None, own: str | None = None) -> list[Hierarchy]:
    """Of this process; the texts are /proc/self/mountinfo and /proc/self/cgroup."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text() if mounts is None else mounts
        own = Path("/proc/self/cgroup").read_text() if own is None else own
    except OSError:
        return []
    paths = {names: path for _, names, path in (line.split(":", 2) for line in own.splitlines())}
    found: list[Hierarchy] = []
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        root, mount = fields.split(" ")[3:5]
        if kind == "cgroup2":
            here = _below(Path(mount), root, paths.get("", "/"))
            with suppress(OSError):
                names = frozenset((Path(mount) / "cgroup.controllers").read_text().split())
                found.append(Hierarchy(2, Path(mount), here, names))
        elif kind == "cgroup":
            names = frozenset(options.split(",")) & frozenset(_CONTROLLERS)
            path = next((path for key, path in paths.items() if names & frozenset(key.split(","))), "/")
            if names:
                found.append(Hierarchy(1, Path(mount), _below(Path(mount), root, path), names))
    return found


def _below(mount: Path, root: str, path: str) -> Path:
    relative = posixpath.relpath(path, root)
    here = mount / relative
    return mount if relative.startswith("..") or not here.is_dir() else here


def plan_limits(request: BuildRequest, found: Sequence[Hierarchy] | None = None) -> Limits:
    """Where the groups of this build will be. Raises UsageError for values that Docker refuses, Unsupported, naming
    the option, where there are no control groups that can do it."""
    used = [flag for flag in request.options_used() if flag in _FLAGS]
    if not used:
        return NO_LIMITS
    _check(request)
    found = hierarchies() if found is None else found
    wanted = {_FLAGS[flag]: flag for flag in reversed(used) if _FLAGS[flag]}
    places: dict[Path, Place] = {}
    for name in _CONTROLLERS:
        flag = wanted.get(name) or (used[0] if request.cgroup_parent else "")
        hierarchy = next((one for one in found if name in one.controllers), None)
        reason = "the machine has no such controller" if hierarchy is None else ""
        parent = None
        if hierarchy is not None:
            parent, reason = _parent(hierarchy, name, request.cgroup_parent)
        if hierarchy is None or parent is None:
            if name in wanted:
                raise _refused(flag, name, reason)
            continue
        if not flag and name != "pids":
            continue
        before = places.get(hierarchy.mount)
        files = {**(before.files if before else {}), **_files(name, hierarchy.version, request)}
        places[hierarchy.mount] = Place(hierarchy, parent, (*(before.controllers if before else ()), name), files)
    if request.cgroup_parent and not places:
        raise _refused("--cgroup-parent", "", "none can be written")
    return Limits(tuple(places.values()))


def _refused(flag: str, controller: str, reason: str) -> Unsupported:
    what = f"the control group of {controller}" if controller else "control groups"
    return Unsupported(
        flag, engine="embedded", engines=["docker"],
        hint=f"It needs {what}, and here {reason}. Run as root where /sys/fs/cgroup can be written, or leave it out.",
    )  # fmt: skip


def _check(request: BuildRequest) -> None:
    memory, swap = request.memory, request.memory_swap
    if memory is not None and 0 < memory < _MEMORY_MIN:
        raise UsageError("--memory: the minimum is 6MB")
    if swap is not None and swap > 0 and not memory:
        raise UsageError("--memory-swap needs --memory", hint="It is memory and swap together.")
    if swap is not None and memory and 0 < swap < memory:
        raise UsageError("--memory-swap is memory and swap together, and cannot be less than --memory")
    parent = request.cgroup_parent or ""
    if ".." in parent.split("/") or parent.endswith(".slice"):
        raise UsageError(f"--cgroup-parent {parent!r} is not the path of a control group", hint="As in /builds.")


def _parent(hierarchy: Hierarchy, controller: str, asked: str | None) -> tuple[Path | None, str]:
    """The group to make groups in, or None and why."""
    if asked:
        candidates = [hierarchy.mount / asked.lstrip("/") if asked.startswith("/") else hierarchy.own / asked]
    elif hierarchy.version == 1:
        candidates = [hierarchy.own]
    else:  # a group that has processes of its own cannot hand out controllers
        above = [one for one in hierarchy.own.parents if one.is_relative_to(hierarchy.mount)]
        candidates = [hierarchy.own, *above]
    reason = "this user may not make one"
    for candidate in candidates:
        there = candidate
        while not there.is_dir() and there != hierarchy.mount:
            there = there.parent
        if not os.access(there, os.W_OK | os.X_OK) or os.statvfs(there).f_flag & os.ST_RDONLY:
            continue
        if hierarchy.version == 1 or _hands_out(there, controller):
            return candidate, ""
        reason = f"no group above this process hands it out ({there}/cgroup.subtree_control)"
    return None, reason


def _hands_out(group: Path, controller: str) -> bool:
    switches = group / "cgroup.subtree_control"
    with suppress(OSError):
        if controller in switches.read_text().split():
            return True
        switches.write_text(f"+{controller}")
        return True
    return False


def _files(controller: str, version: int, request: BuildRequest) -> dict[str, str]:
    """What is written for one controller; first what others depend on."""
    files: dict[str, str | None] = {}
    memory, swap = request.memory or None, request.memory_swap
    quota, period, shares = request.cpu_quota or None, request.cpu_period or None, request.cpu_shares or None
    if controller == "pids":
        files["pids.max"] = str(PIDS)
    elif controller == "cpuset":
        files["cpuset.cpus"], files["cpuset.mems"] = request.cpuset_cpus, request.cpuset_mems
    elif controller == "memory" and memory is not None:
        both = swap or memory * 2
        files["memory.limit_in_bytes" if version == 1 else "memory.max"] = str(memory)
        if version == 1:
            files["?memory.memsw.limit_in_bytes"] = str(both)
        else:
            files["?memory.swap.max"] = "max" if both < 0 else str(both - memory)
    elif controller == "cpu" and version == 1:
        files["cpu.shares"] = None if shares is None else str(shares)
        files["cpu.cfs_period_us"] = None if period is None else str(period)
        files["cpu.cfs_quota_us"] = None if quota is None else str(quota)
    elif controller == "cpu":
        if shares is not None:
            files["cpu.weight"] = str(1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142)
        if quota is not None or period is not None:
            files["cpu.max"] = f"{'max' if quota is None or quota < 0 else quota} {period or 100000}"
    return {name: value for name, value in files.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Group:
    """A group that is there: `folders` by the name that it has below /sys/fs/cgroup, "" for all of it."""

    folders: Mapping[str, Path]

    def add(self, process: int) -> None:
        """Raises StoreError where the kernel refuses."""
        for folder in self.folders.values():
            try:
                (folder / "cgroup.procs").write_text(str(process))
            except ProcessLookupError:
                return
            except OSError as error:
                raise StoreError(
                    f"{folder}: a process cannot be put into this control group: {error.strerror}"
                ) from error


@contextmanager
def group(limits: Limits, guardian: Guardian) -> Iterator[Group | None]:
    """A group for one command, gone afterwards, also where this process is killed: the guardian sees to it. Raises
    UsageError where the kernel refuses a value."""
    if not limits.places:
        yield None
        return
    name = f"workbench-{os.getpid()}-{os.urandom(4).hex()}"
    made: list[Path] = []
    try:
        yield Group(dict(one for place in limits.places for one in _make(place, name, made, guardian)))
    finally:
        for folder in reversed(made):
            _remove(folder)
            guardian.forget_folder(folder)


def _make(place: Place, name: str, made: list[Path], guardian: Guardian) -> Iterator[tuple[str, Path]]:
    folder, version = place.parent / name, place.hierarchy.version
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for one in reversed(missing):
        guardian.watch_folder(one)
        try:
            one.mkdir()
        except OSError as error:
            raise StoreError(f"{one}: the control group cannot be made: {error.strerror}") from error
        made.append(one)
        if version == 1 and "cpuset" in place.controllers:  # empty at first, and then nothing can be put into it
            for file in ("cpuset.cpus", "cpuset.mems"):
                (one / file).write_text((one.parent / file).read_text())
        if version == 2 and one != folder:
            for controller in place.controllers:
                _hands_out(one, controller)
    for file, value in place.files.items():
        path = folder / file.removeprefix("?")
        if file.startswith("?") and not path.exists():
            continue  # a kernel that does not account for swap
        try:
            path.write_text(value)
        except OSError as error:
            raise UsageError(f"{path.name}: the kernel refuses {value}: {error.strerror}") from error
    for controller in place.controllers if place.hierarchy.version == 1 else ("",):
        yield controller, folder


def _remove(folder: Path) -> None:
    """Its processes have been waited for, and the kernel may take a moment more. A parent that others use stays."""
    until = time.monotonic() + _SECONDS
    while True:
        try:
            return folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > until or any(one.is_dir() for one in folder.iterdir()):
                return
            time.sleep(0.005)
