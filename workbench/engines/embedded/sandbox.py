"""One command in a sandbox: an overlay of the image's layers, private namespaces, nothing of the host to be seen.

All mounts live in bwrap's own mount namespace, so that nothing is left when it ends, however it ends. As root the
sandbox has a user namespace in which every user is itself: owners are real on the disk, but devices cannot be made
or opened, and the machine's own settings cannot be changed. Without root it has one user, see `seccomp`.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import resource
import select
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from workbench.build.events import Stream
from workbench.engines.embedded.bwrap import Bwrap, Mode, namespaces
from workbench.engines.embedded.cgroups import Group
from workbench.engines.embedded.guardian import Guardian
from workbench.engines.embedded.seccomp import docker_filter, owner_filter
from workbench.engines.embedded.starter import Start, known_machine, program
from workbench.engines.embedded.subids import extents
from workbench.engines.worker import Cancel
from workbench.errors import InputError, StoreError

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
)  # fmt: skip
"""Docker's default set (moby 20.10, oci/caps/defaults.go)."""

_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_MASKED = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
"""moby 28, oci/defaults.go; each is empty inside."""
_GROUPS = "/sys/fs/cgroup"
_OF_THE_NETWORK = ("/sys/class/net", "/sys/devices/virtual/net")
_CHUNK = 1 << 16
SHM_SIZE = 64 << 20


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of the host at a place in the sandbox. Without a source it is a file of `data` (which is on no
    disk) with `mode`, or a tmpfs of `size` bytes."""

    source: Path | None
    target: str
    read_only: bool = False
    size: int | None = None
    data: bytes | None = field(default=None, repr=False)
    mode: int = 0o644

    @property
    def is_folder(self) -> bool:
        return self.data is None and (self.source is None or self.source.is_dir())


@dataclass(frozen=True, slots=True)
class Container:
    """What runs, on what. `lowers` is lowest first; `argv[0]` is what the program sees, `program` what is run."""

    lowers: Sequence[Path]
    upper: Path
    work: Path
    program: str
    argv: Sequence[str]
    env: Mapping[str, str]
    workdir: str = "/"
    uid: int = 0
    gid: int = 0
    groups: Sequence[int] = ()
    hostname: str = ""
    network: Literal["host", "none"] = "host"
    insecure: bool = False
    """Every capability, and nothing of /proc and /sys hidden; still in namespaces of its own, so without the machine's
    devices."""
    binds: Sequence[Bind] = ()
    shm_size: int = SHM_SIZE
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """`resource.RLIMIT_...` -> (soft, hard)."""


Log = Callable[[str, Stream], None]


def run(
    container: Container, bwrap: Bwrap, mode: Mode, guardian: Guardian, cancel: Cancel, log: Log,
    group: Group | None = None,
) -> int:  # fmt: skip
    """Runs it to its end and returns its exit code (128 + signal where a signal ended it).

    `log` gets the output as it comes. Raises Cancelled within moments of cancelling, when all of it is gone; raises
    StoreError where the sandbox could not be made.
    """
    cancel.check()
    with contextlib.ExitStack() as held:
        start = _Start(container, bwrap, mode, guardian, group, held)
        held.callback(start.end)
        process = start.go()
        held.callback(cancel.on_ask(start.kill))
        start.let_run()
        pump(process, log)
        code = process.wait()
    cancel.check()
    return 128 - code if code < 0 else code


class _Start:
    """The descriptors and arguments of one start of bwrap."""

    def __init__(
        self, container: Container, bwrap: Bwrap, mode: Mode, guardian: Guardian, group: Group | None,
        held: contextlib.ExitStack,
    ) -> None:  # fmt: skip
        self._container = container
        self._bwrap = bwrap
        self._mode = mode
        self._guardian = guardian
        self._group = group
        self._held = held
        self._theirs: list[int] = []
        self._alive: list[int] = []
        self._lock = threading.Lock()
        self._child = 0
        self.process: subprocess.Popen[bytes] | None = None
        held.callback(self._close_theirs)
        self._info, self._their_info = self._pipe(ours="read")
        self._theirs.append(os.dup(self._info))  # so that bwrap can write there when we are gone, and goes on
        self._block, self._their_block = self._pipe(ours="write")
        self._watch = self._pipe(ours="write")[1]

    def go(self) -> subprocess.Popen[bytes]:
        """Starts bwrap, and returns when its namespaces are there and both of its processes can be killed, by us and by
        the guardian. They wait for `let_run`: where we are gone before, bwrap fails without a map of users, or the
        first program inside finds the end of its pipe. Raises StoreError, InputError."""
        options, run = self._options(), self._command()
        packed = b"".join(os.fsencode(option) + b"\0" for option in options)
        command = [str(self._bwrap.path), "--args", str(self._memory(packed)), *run]
        limits = dict(self._container.limits)

        def limit() -> None:
            for what, value in limits.items():
                resource.setrlimit(what, value)

        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env={},
                pass_fds=self._theirs, start_new_session=True, umask=0o022, preexec_fn=limit if limits else None,
            )  # fmt: skip
        except subprocess.SubprocessError as error:
            raise InputError("--ulimit: this machine does not allow it") from error
        self._close_theirs()
        self._see(self.process.pid)
        self._child = self._read_child()
        if self._child:
            self._see(self._child)
            self._guardian.watch(self._child, self.process.pid)
            if self._group is not None:
                self._group.add(self._child)
        return self.process

    def _see(self, process: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._alive.insert(0, os.pidfd_open(process))

    def kill(self) -> None:
        """Ends the sandbox with all that runs in it; from any thread, at any time, more than once."""
        with self._lock:
            for descriptor in self._alive:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)

    def end(self) -> None:
        """Nothing of it is left afterwards."""
        self.kill()
        with self._lock:
            for descriptor in self._alive:
                os.close(descriptor)
            self._alive = []
        if self.process is not None:
            self.process.wait()
            if self._child:
                self._guardian.forget(self._child, self.process.pid)
            for pipe in (self.process.stdout, self.process.stderr):
                if pipe is not None:
                    pipe.close()

    def _close_theirs(self) -> None:
        """Our copies of what bwrap has been handed."""
        for descriptor in self._theirs:
            os.close(descriptor)
        self._theirs = []

    def _read_child(self) -> int:
        """The process number of the sandbox's first process; 0 where bwrap ended before, which it explains itself."""
        told = b""
        while b"}" not in told:
            ready, _, _ = select.select([self._info, *self._alive], [], [])
            if self._info not in ready:
                return 0
            data = os.read(self._info, 4096)
            if not data:
                return 0
            told += data
        return int(json.loads(told)["child-pid"])

    def let_run(self) -> None:
        """As root, tells the kernel that users inside are the same users outside. Then the command runs."""
        if not self._child:
            return
        try:
            if self._mode == "root":
                for kind in ("uid", "gid"):
                    same = "".join(f"{first} {first} {count}\n" for first, count in extents(kind))
                    Path(f"/proc/{self._child}/{kind}_map").write_text(same)
            os.write(self._block, b"1")
        except (BrokenPipeError, FileNotFoundError, ProcessLookupError):
            return  # it was killed, or ended by itself and says why
        except OSError as error:
            raise StoreError(f"the sandbox could not be made: {error}") from error

    def _pipe(self, *, ours: Literal["read", "write"]) -> tuple[int, int]:
        reader, writer = os.pipe()
        our, their = (reader, writer) if ours == "read" else (writer, reader)
        self._held.callback(os.close, our)
        self._theirs.append(their)
        return our, their

    def _memory(self, content: bytes) -> int:
        descriptor = os.memfd_create("workbench", 0)
        self._theirs.append(descriptor)
        with os.fdopen(os.dup(descriptor), "wb") as out:
            out.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def _options(self) -> list[str]:
        """Handed over in memory: the environment of the build is nothing for the list of processes, and what it says
        of libraries is not for bwrap."""
        container = self._container
        out = [*namespaces(self._mode, container.uid, container.gid), "--as-pid-1"]
        held = "--userns-block-fd" if self._mode == "root" else "--block-fd"
        out += ["--info-fd", str(self._their_info), held, str(self._their_block)]
        if container.network == "none":
            out.append("--unshare-net")
        if container.hostname:
            out += ["--hostname", container.hostname]
        out += ["--cap-drop", "ALL"]
        for name in ("ALL",) if container.insecure else [f"CAP_{name}" for name in CAPABILITIES]:
            out += ["--cap-add", name]
        for lower in container.lowers:
            out += ["--overlay-src", str(lower)]
        out += ["--overlay", str(container.upper), str(container.work), "/"]
        out += ["--dev", "/dev", "--size", str(container.shm_size), "--perms", "1777", "--tmpfs", "/dev/shm"]
        out += ["--mqueue", "/dev/mqueue", "--proc", "/proc", "--ro-bind", "/sys", "/sys"]
        out += () if container.insecure else _covers(self._mode)
        out += self._groups()
        for path in _OF_THE_NETWORK if container.network == "none" else ():
            out += ["--tmpfs", path, "--remount-ro", path] if os.path.isdir(path) else []
        for bind in container.binds:
            if bind.data is not None:
                out += ["--perms", f"{bind.mode:04o}", "--ro-bind-data", str(self._memory(bind.data)), bind.target]
            elif bind.source is None:
                out += ["--size", str(bind.size)] if bind.size else []
                out += ["--perms", "1777", "--tmpfs", bind.target]
            else:
                out += ["--ro-bind" if bind.read_only else "--bind", str(bind.source), bind.target]
        for name, value in container.env.items():
            out += ["--setenv", name, value]
        out += ["--chdir", container.workdir]
        for rules in (
            None if container.insecure else docker_filter(),
            owner_filter() if self._mode == "user" else None,
        ):
            if rules is not None:
                out += ["--add-seccomp-fd", str(self._memory(rules))]
        return out

    def _groups(self) -> list[str]:
        """The command's own control group, read-only, in the place of the machine's."""
        if not os.path.isdir(_GROUPS):
            return []
        out = ["--tmpfs", _GROUPS]
        for name, folder in (self._group.folders if self._group is not None else {}).items():
            out += ["--ro-bind", str(folder), f"{_GROUPS}/{name}".rstrip("/")]
        return [*out, "--remount-ro", _GROUPS]

    def _command(self) -> list[str]:
        container = self._container
        user = None
        wanted = (container.uid, container.gid, tuple(container.groups))
        if self._mode == "root" and (wanted != (0, 0, ()) or set(os.getgroups()) - {0}):
            user = wanted
        if not known_machine():
            if user is not None or container.workdir != "/":
                raise InputError("RUN as another user or in another folder than / works on x86-64 and arm64 only")
            return ["--argv0", container.argv[0], "--", container.program, *container.argv[1:]]
        descriptor = self._memory(b"")
        start = Start(self._watch, [one for one in self._theirs if one != self._watch], user)
        os.write(descriptor, program(start))
        return ["--argv0", container.workdir, "--", f"/proc/self/fd/{descriptor}", container.program, *container.argv]


@lru_cache(maxsize=2)
def _covers(mode: Mode) -> tuple[str, ...]:
    """What Docker makes read-only or hides below /proc and /sys, as far as this kernel has it."""
    out: list[str] = []
    for path in _READ_ONLY if mode == "root" else ():
        if os.path.exists(path):
            out += ["--ro-bind", path, path]
    for path in (*_MASKED, *_mounted_below_sys()):
        if os.path.isdir(path):
            out += ["--tmpfs", path, "--remount-ro", path]
        elif os.path.exists(path):
            out += ["--dev-bind", "/dev/null", path]
    return tuple(out)


def _mounted_below_sys() -> list[str]:
    """The machine's debugfs and the like, which a sysfs of the sandbox's own would not have."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            path = line.split(" ")[4]
            covered = tuple(f"{above}/" for above in (*found, *_MASKED, _GROUPS))
            if path.startswith("/sys/") and not f"{path}/".startswith(covered):
                found.append(path)
    return found


def pump(process: subprocess.Popen[bytes], log: Callable[[str, Stream], None]) -> None:
    """Hands on all output until both pipes are closed. Bytes that are not UTF-8 become U+FFFD."""
    make = codecs.getincrementaldecoder("utf-8")
    streams: list[tuple[int, Stream]] = []
    for pipe, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
        assert pipe is not None
        streams.append((pipe.fileno(), "stdout" if name == "stdout" else "stderr"))
    decoders = {descriptor: make(errors="replace") for descriptor, _ in streams}
    names = dict(streams)
    with selectors.DefaultSelector() as selector:
        for descriptor in names:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, _CHUNK)
                text = decoders[key.fd].decode(data, final=not data)
                if text:
                    log(text, names[key.fd])
                if not data:
                    selector.unregister(key.fd)
