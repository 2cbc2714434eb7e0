"""Without root but with a range of sub-UIDs: this process becomes root of a user namespace that has all of them.

From then on owners are real on the disk (as numbers of the range), a RUN has users, and the engine does what it does
as root. Sources: user_namespaces(7), newuidmap(1), subuid(5).
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

_NEWUSER = 0x10000000
_PR_SET_DUMPABLE = 4
_COUNT_MIN = 1000
"""A range with fewer is not worth it: an image's nobody is 65534, but its system users are below this."""


def has_range() -> bool:
    """Whether this process is root of such a namespace, and not of the machine."""
    return os.geteuid() == 0 and extents("uid") != [(0, 4294967295)]


def extents(kind: str) -> list[tuple[int, int]]:
    """The numbers (first, count) that `uid` or `gid` may have in this process' user namespace."""
    try:
        lines = Path(f"/proc/self/{kind}_map").read_text().split("\n")
    except OSError:
        return [(0, 4294967295)]
    return [(int(first), int(count)) for first, _, count in (line.split() for line in lines if line)]


def enter_range() -> bool:
    """Whether it was done: not as root, not where threads run (a process with threads cannot), not without a range of
    /etc/subuid and /etc/subgid and `newuidmap`. Nothing is changed where it was not."""
    if os.geteuid() == 0:
        return False
    import shutil

    tools = [shutil.which(name) for name in ("newuidmap", "newgidmap")]
    if None in tools or len(os.listdir("/proc/self/task")) > 1:
        return False
    try:
        account = pwd.getpwuid(os.getuid())
    except KeyError:  # a number that is no account, as `docker run --user 1234` gives: newuidmap does nothing for it
        return False
    ranges = [find_range(Path(file), account.pw_name, account.pw_uid) for file in ("/etc/subuid", "/etc/subgid")]
    if None in ranges:
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(told, b"1" if libc.unshare(_NEWUSER) == 0 else b"0")
            signal.pause()
        finally:
            os._exit(0)
    try:
        os.close(told)
        if os.read(ready, 1) != b"1":
            return False
        for tool, own, span in zip(tools, (os.getuid(), os.getgid()), ranges, strict=True):
            assert tool is not None
            assert span is not None
            command = [tool, str(child), "0", str(own), "1", "1", str(span[0]), str(span[1])]
            if subprocess.run(command, capture_output=True, check=False).returncode != 0:
                return False
        return _join(libc, child, account.pw_dir)
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _join(libc: object, child: int, home: str) -> bool:
    namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(namespace, _NEWUSER) != 0:  # type: ignore[attr-defined]
            return False
    finally:
        os.close(namespace)
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # type: ignore[attr-defined]
    os.environ.setdefault("HOME", home)  # the account of number 0 is another's
    return True


def find_range(file: Path, name: str, uid: int) -> tuple[int, int] | None:
    """The first range (start, count) that subuid(5) gives to the user by name or number, None where there is none."""
    with suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            who, _, span = line.strip().partition(":")
            start, _, count = span.partition(":")
            if who in (name, str(uid)) and int(count) >= _COUNT_MIN:
                return int(start), int(count)
    return None
