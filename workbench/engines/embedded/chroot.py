"""RUN where no namespace can be made, as root: a chroot into a whole copy of the image, and what was changed of it.

It is what is left in a container without CAP_SYS_ADMIN, and it isolates less: processes, network and host name are
those around it, there is no /proc and no /sys. What leads out of a chroot is taken away: CAP_SYS_CHROOT and CAP_MKNOD,
ptrace, and what the sandbox refuses too. Mounts are copies; what was written to a cache is copied back.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from workbench.engines.embedded.cgroups import Group
from workbench.engines.embedded.changed import facts_of, take_changes
from workbench.engines.embedded.container import Bind, Container
from workbench.engines.embedded.disk import remove_tree
from workbench.engines.embedded.pump import pump
from workbench.engines.embedded.sandbox import Log
from workbench.engines.embedded.seccomp import docker_filter
from workbench.engines.worker import Cancel
from workbench.errors import InputError

WARNING = (
    "RUN is a chroot here, because no sandbox can be made: files are kept apart, but processes, network, host name and "
    "System V IPC are not, and there is no /proc"
)
_KEPT = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 29, 31})
"""Docker's default capabilities by their numbers in linux/capability.h, without CAP_SYS_CHROOT and CAP_MKNOD."""
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_SYS_CHROOT = 18


def can_chroot() -> bool:
    """Whether this process has CAP_SYS_CHROOT."""
    with suppress(OSError, ValueError, IndexError):
        text = Path("/proc/self/status").read_text()
        return bool(int(text.split("CapEff:")[1].split()[0], 16) >> _SYS_CHROOT & 1)
    return False


def run(container: Container, tree: Path, cancel: Cancel, log: Log, group: Group | None = None) -> int:
    """Runs it to its end in `tree`, which has the whole image, and puts what it changed into `container.upper` as an
    overlay would; the command is in `group` from its first instruction. Raises InputError for what a chroot cannot do,
    Cancelled."""
    if container.network == "none":
        raise InputError("--network none needs a sandbox, and none can be made here")
    before = facts_of(tree)
    made = _lay(container, tree)
    try:
        code = _command(container, tree, cancel, log, group)
        cancel.check()
        _bring_back(container.binds, tree)
    finally:
        _end(tree)
    take_changes(tree, before, container.upper, skip=made)
    return code


def _lay(container: Container, tree: Path) -> frozenset[str]:
    """Devices, mounts' copies, and the folders that the upper one has already; the paths that are no change."""
    made: set[str] = set()
    for folder in sorted(container.upper.rglob("*")):
        place = tree / folder.relative_to(container.upper)
        if not place.exists():
            place.mkdir()
            shutil.copystat(folder, place)
    made.update(_devices(tree))
    for bind in container.binds:
        name = bind.target.lstrip("/")
        place = tree / name
        made.add(name)
        missing = [
            above for above in place.parents if above != tree and above.is_relative_to(tree) and not above.exists()
        ]
        made.update(str(above.relative_to(tree)) for above in missing)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            remove_tree(place)
        place.unlink(missing_ok=True)
        if bind.source is None:
            place.mkdir(mode=0o1777)
        else:
            _copy(bind.source, place)
    return frozenset(made)


def _devices(tree: Path) -> list[str]:
    folder = tree / "dev"
    made = ["dev/shm"] if folder.exists() else ["dev"]
    folder.mkdir(exist_ok=True)
    (folder / "shm").mkdir(mode=0o1777, exist_ok=True)
    for name, numbers in _DEVICES.items():
        if not (folder / name).exists():
            made.append(f"dev/{name}")
            with suppress(PermissionError):
                os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(*numbers))
                (folder / name).chmod(0o666)
    return made


def _copy(source: Path, place: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, place, symlinks=True)
        for path in [source, *source.rglob("*")]:
            facts = path.lstat()
            os.chown(place / path.relative_to(source), facts.st_uid, facts.st_gid, follow_symlinks=False)
    else:
        shutil.copy2(source, place)


def _bring_back(binds: Sequence[Bind], tree: Path) -> None:
    for bind in binds:
        place = tree / bind.target.lstrip("/")
        if bind.source is None or bind.read_only or not bind.source.is_dir() or not _is_plain(tree, place):
            continue
        for path in bind.source.iterdir():
            remove_tree(path)
        for path in place.iterdir():
            path.rename(bind.source / path.name)


def _is_plain(tree: Path, place: Path) -> bool:
    """Whether no part of the way is a link, which the command may have put there."""
    way = [one for one in (place, *place.parents) if one != tree and one.is_relative_to(tree)]
    return place.is_dir() and not any(one.is_symlink() for one in way)


def _command(container: Container, tree: Path, cancel: Cancel, log: Log, group: Group | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    rules = docker_filter(tracing=False) or b""
    dropped = [number for number in range(64) if number not in _KEPT]

    def enter() -> None:
        if group is not None:
            group.add(0)  # the process that writes
        os.chroot(tree)
        os.chdir(container.workdir)
        for what, value in container.limits.items():
            resource.setrlimit(what, value)
        for number in dropped:
            libc.prctl(24, number, 0, 0, 0)  # PR_CAPBSET_DROP
        os.setgroups(list(container.groups))
        os.setresgid(container.gid, container.gid, container.gid)
        os.setresuid(container.uid, container.uid, container.uid)
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        if rules:
            _filter(libc, rules)

    try:
        process = subprocess.Popen(
            container.argv, executable=container.program, env=dict(container.env), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, umask=0o022, preexec_fn=enter,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(f"{container.program} cannot be run in a chroot: {error}") from error
    forget = cancel.on_ask(lambda: _end(tree))

    def end_with_it() -> None:
        process.wait()
        _end(tree)  # who is left has the other ends of our pipes

    threading.Thread(target=end_with_it, daemon=True).start()
    try:
        assert process.stdout is not None and process.stderr is not None
        pump(process.stdout.fileno(), process.stderr.fileno(), log)
        code = process.wait()
    finally:
        forget()
        _end(tree)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return 128 - code if code < 0 else code


def _filter(libc: ctypes.CDLL, rules: bytes) -> None:
    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    program = Program(len(rules) // 8, rules)
    if libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "seccomp")


def _end(tree: Path, *, kill: Callable[[int, int], None] = os.kill) -> None:
    """Ends everything whose root is the tree: a command may leave processes behind, and there is no namespace to go
    with it."""
    root = str(tree)
    for _ in range(1000):
        alive = 0
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            with suppress(OSError):
                where = str(Path(f"/proc/{name}/root").readlink())
                if where == root or where.startswith(f"{root}/"):
                    alive += 1
                    kill(int(name), signal.SIGKILL)
        if not alive:
            return
        time.sleep(0.002)
