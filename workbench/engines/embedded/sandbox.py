"""One command in a sandbox: an overlay of the image's layers, private namespaces, nothing of the host to be seen.

All mounts live in bwrap's own mount namespace, so that nothing is left when it ends, however it ends. As root the
sandbox has a user namespace in which every user is itself: owners are real on the disk, but devices cannot be made
or opened, and the machine's own settings cannot be changed. Without root it has one user, see `seccomp`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import resource
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from workbench.build.events import Stream
from workbench.engines.embedded.bwrap import Bwrap, Mode, namespaces
from workbench.engines.embedded.cgroups import Group
from workbench.engines.embedded.container import Container
from workbench.engines.embedded.covers import GROUPS, covers
from workbench.engines.embedded.guardian import Guardian
from workbench.engines.embedded.machine import known_machine
from workbench.engines.embedded.pump import pump
from workbench.engines.embedded.seccomp import docker_filter, owner_filter
from workbench.engines.embedded.starter import Command, Entry, entrant, keeper, starter
from workbench.engines.embedded.subids import extents
from workbench.engines.worker import Cancel
from workbench.errors import InputError, StoreError

CAPABILITIES = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8,
    "NET_BIND_SERVICE": 10, "NET_RAW": 13, "SYS_CHROOT": 18, "MKNOD": 27, "AUDIT_WRITE": 29, "SETFCAP": 31,
}  # fmt: skip
"""Docker's default set (moby 20.10, oci/caps/defaults.go), with the kernel's numbers."""

_OF_THE_NETWORK = ("/sys/class/net", "/sys/devices/virtual/net")


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
        start.go()
        held.callback(cancel.on_ask(start.kill))
        start.let_run()
        pump(start.stdout, start.stderr, log)
        code = start.wait()
        if code is None:
            cancel.check()
            raise StoreError("the sandbox could not be entered", hint="`workbench engines` says what RUN stands on.")
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
        self._outer: subprocess.Popen[bytes] | None = None
        self._entrant: subprocess.Popen[bytes] | None = None
        self._enters = mode == "root" and (container.gives_rights or bool(container.volumes)) and _can_enter()
        held.callback(self._close_theirs)
        self.stdout, self._their_stdout = self._output()
        self.stderr, self._their_stderr = self._output()
        self._info, self._their_info = self._pipe(ours="read")
        self._theirs.append(os.dup(self._info))  # so that bwrap can write there when we are gone, and goes on
        self._block, self._their_block = self._pipe(ours="write")
        self._watch = self._pipe(ours="write")[1]
        if self._enters:
            self._ready, self._their_ready = self._pipe(ours="read")

    def go(self) -> None:
        """Starts bwrap, and returns when its namespaces are there and both of its processes can be killed, by us and by
        the guardian. They wait for `let_run`: where we are gone before, bwrap fails without a map of users, or the
        first program inside finds the end of its pipe. Raises StoreError, InputError."""
        options, run = self._options(), self._command()
        packed = os.fsencode("\0".join([*options, ""]))
        command = [str(self._bwrap.path), "--args", str(self._memory(packed)), *run]
        self._outer = self._spawn(command, self._theirs)
        self._close_theirs()
        self._see(self._outer.pid)
        self._child = self._read_child()
        if self._child:
            self._see(self._child)
            self._guardian.watch(self._child, self._outer.pid)
            if self._group is not None:
                self._group.add(self._child)
            if self._enters:
                self._enter(self._alive[0])
        os.close(self._their_stdout)
        os.close(self._their_stderr)
        self._their_stdout = self._their_stderr = -1

    def _spawn(
        self, command: Sequence[str], theirs: Sequence[int], executable: str | None = None
    ) -> subprocess.Popen[bytes]:
        limits = dict(self._container.limits)

        def limit() -> None:
            for what, value in limits.items():
                resource.setrlimit(what, value)

        try:
            return subprocess.Popen(
                command, executable=executable, stdin=subprocess.DEVNULL, stdout=self._their_stdout,
                stderr=self._their_stderr, cwd="/", env={}, pass_fds=theirs, start_new_session=True, umask=0o022,
                preexec_fn=limit if limits else None,
            )  # fmt: skip
        except subprocess.SubprocessError as error:
            raise InputError("--ulimit: this machine does not allow it") from error

    def _enter(self, keeper: int) -> None:
        """Starts what waits for the sandbox's keeper and then becomes the command, in its control group already."""
        container = self._container
        descriptor = os.memfd_create("workbench", 0)
        rules = None if container.insecure else docker_filter()
        entry = Entry(
            self._ready, keeper, container.network == "none", container.volumes,
            None if container.insecure else frozenset(CAPABILITIES.values()), (rules,) if rules is not None else (),
        )  # fmt: skip
        with os.fdopen(descriptor, "wb") as out:
            out.write(entrant(entry, self._become(), (descriptor,)))
            out.flush()
            theirs = (descriptor, self._ready, keeper)
            self._entrant = self._spawn(["entrant"], theirs, f"/proc/self/fd/{descriptor}")
        if self._group is not None:
            self._group.add(self._entrant.pid)

    def wait(self) -> int | None:
        """The command's exit code, None where it did not come to be, when nothing in the sandbox runs any more."""
        assert self._outer is not None
        if self._entrant is None:
            return self._outer.wait()
        code = self._entrant.wait()
        if code >= 0:
            self._outer.wait()
            return code
        with self._lock, contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._alive[0], signal.SIGKILL)
        told = self._outer.wait()  # where it made no sandbox it has said why
        return told if 0 < told < 128 else None

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
        for pipe in (self._their_stdout, self._their_stderr):
            if pipe >= 0:
                os.close(pipe)
        if self._entrant is not None:
            self._entrant.wait()
        if self._outer is not None:
            self._outer.wait()
            if self._child:
                self._guardian.forget(self._child, self._outer.pid)

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

    def _output(self) -> tuple[int, int]:
        our, their = os.pipe()
        self._held.callback(os.close, our)
        return our, their

    def _pipe(self, *, ours: Literal["read", "write"]) -> tuple[int, int]:
        reader, writer = os.pipe()
        our, their = (reader, writer) if ours == "read" else (writer, reader)
        self._held.callback(os.close, our)
        self._theirs.append(their)
        return our, their

    def _memory(self, content: bytes) -> int:
        descriptor = os.memfd_create("workbench", os.MFD_ALLOW_SEALING)
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
        out += ["--mqueue", "/dev/mqueue", "--proc", "/proc"]
        out += () if container.insecure else covers("/proc", self._mode)
        for bind in container.binds:
            if bind.data is not None:
                out += ["--perms", f"{bind.mode:04o}", "--ro-bind-data", str(self._memory(bind.data)), bind.target]
            elif bind.source is None:
                out += ["--size", str(bind.size)] if bind.size else []
                out += ["--perms", "1777", "--tmpfs", bind.target]
            else:
                out += ["--ro-bind" if bind.read_only else "--bind", str(bind.source), bind.target]
        # Last, because bwrap reads the whole list of mounts for each of its own, and this brings many.
        out += ["--ro-bind", "/sys", "/sys"]
        out += () if container.insecure else covers("/sys", self._mode)
        out += self._groups()
        for path in _OF_THE_NETWORK if container.network == "none" else ():
            out += ["--tmpfs", path, "--remount-ro", path] if os.path.isdir(path) else []
        if not known_machine():
            for name, value in container.env.items():
                out += ["--setenv", name, value]
        for rules in (
            None if container.insecure else docker_filter(),
            owner_filter() if self._mode == "user" else None,
        ):
            if rules is not None:
                out += ["--add-seccomp-fd", str(self._memory(rules))]
        return out

    def _groups(self) -> list[str]:
        """The command's own control group, read-only, in the place of the machine's."""
        if not os.path.isdir(GROUPS):
            return []
        out = ["--tmpfs", GROUPS]
        for name, folder in (self._group.folders if self._group is not None else {}).items():
            out += ["--ro-bind", str(folder), f"{GROUPS}/{name}".rstrip("/")]
        return [*out, "--remount-ro", GROUPS]

    def _command(self) -> list[str]:
        container = self._container
        if not known_machine():
            if self._user() is not None or container.workdir != "/":
                raise InputError("RUN as another user or in another folder than / works on x86-64 and arm64 only")
            return ["--argv0", container.argv[0], "--", container.program, *container.argv[1:]]
        descriptor = self._memory(b"")
        if self._enters:
            closes = [one for one in self._theirs if one not in (self._watch, self._their_ready)]
            first = keeper(self._watch, self._their_ready, closes)
        else:
            first = starter(self._become(), self._watch, [one for one in self._theirs if one != self._watch])
        os.write(descriptor, first)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
        return ["--argv0", "init", "--", f"/proc/self/fd/{descriptor}"]

    def _become(self) -> Command:
        it = self._container
        return Command(it.program, it.argv, it.env, it.workdir, self._user())

    def _user(self) -> tuple[int, int, tuple[int, ...]] | None:
        """None where bwrap makes it who it is to be."""
        wanted = (self._container.uid, self._container.gid, tuple(self._container.groups))
        if self._mode == "root" and (self._enters or wanted != (0, 0, ()) or set(os.getgroups()) - {0}):
            return wanted
        return None


@lru_cache(maxsize=1)
def _can_enter() -> bool:
    """Whether this kernel lets a process into all namespaces of another at once: Linux 5.8 (setns(2))."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return known_machine() and found is not None and (int(found[1]), int(found[2])) >= (5, 8)
