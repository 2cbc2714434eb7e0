"""Commands of a RUN that reach for the machine: its files, processes, settings, sockets, devices."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attack_tools import SECRET, Outside, refused, run
from builds import Builder, Result
from machine_code import X86, probe

from workbench.engines.embedded.bwrap import Ability

pytestmark = pytest.mark.usefixtures("sandbox", "way")

DOCKER_CAPABILITIES = 0xA80425FB
"""CapBnd of a container of Docker 20.10 with its default set."""

KEPT_OUT = {
    # name: a command that writes ESCAPED where it gets somewhere
    "core-pattern": "echo '|/tmp/x' > /proc/sys/kernel/core_pattern && echo ESCAPED",
    "modprobe-path": "echo /x > /proc/sys/kernel/modprobe && echo ESCAPED",
    "binfmt-misc": "ls /proc/sys/fs/binfmt_misc/register && echo ESCAPED",
    "sysctl-of-the-network": "echo 1 > /proc/sys/net/ipv4/ip_forward && echo ESCAPED",
    "sysrq": "echo h > /proc/sysrq-trigger && echo ESCAPED",
    "uevent-helper": "echo /x > /sys/kernel/uevent_helper && echo ESCAPED",  # the classic escape from privileged
    "uevent": "echo add > /sys/class/mem/null/uevent && echo ESCAPED",
    "release-agent":  # CVE-2022-0492
    "for f in $(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs); do echo 1 > $f && echo ESCAPED; done",
    "cgroups-of-the-machine": "find /sys/fs/cgroup -name docker -o -name system.slice | grep . && echo ESCAPED",
    "debugfs": "ls /sys/kernel/debug/* && echo ESCAPED; ls /sys/kernel/tracing/* && echo ESCAPED",
    "bpffs": "ls /sys/fs/bpf/* && echo ESCAPED",
    "securityfs": "ls /sys/kernel/security/* && echo ESCAPED",
    "firmware": "ls /sys/firmware/* && echo ESCAPED",
    "powercap": "ls /sys/devices/virtual/powercap/* && echo ESCAPED",  # CVE-2020-8694, PLATYPUS
    "kcore": "test -s /proc/kcore && head -c1 /proc/kcore | grep -q . && echo ESCAPED",
    "keys": "grep . /proc/keys && echo ESCAPED",
    "timer-list": "grep . /proc/timer_list && echo ESCAPED",
    "latency-stats": "grep . /proc/latency_stats && echo ESCAPED",
    "sched-debug": "grep . /proc/sched_debug && echo ESCAPED",
    "interrupts": "grep . /proc/interrupts && echo ESCAPED",  # keystrokes can be timed there
    "scsi": "ls /proc/scsi/* && echo ESCAPED",
    "dmesg": "dmesg | grep . && echo ESCAPED",
    "memory-of-the-machine": "head -c1 /dev/mem && echo ESCAPED; head -c1 /dev/port && echo ESCAPED",
    "kernel-messages": "head -c1 /dev/kmsg && echo ESCAPED",
    "console": "ls /dev/console && echo ESCAPED",  # CVE-2025-52565
    "fuse-and-tun": "ls /dev/fuse /dev/net/tun /dev/kvm /dev/vhost-net && echo ESCAPED",
    "disks": "ls /dev | grep -E '^(sd|vd|nvme|dm-|loop)' && echo ESCAPED",
    "a-disk-by-mknod": "mknod /tmp/d b 254 0 && head -c1 /tmp/d && echo ESCAPED; rm -f /tmp/d",
    "the-devices-null-is-not-replaced": "rm /dev/null && echo ESCAPED",  # the link race of CVE-2025-31133
    "mask-is-not-lifted": "umount /proc/kcore && echo ESCAPED; umount /sys/firmware && echo ESCAPED",
    "masks-are-not-links": "for f in /proc/kcore /proc/keys; do test -L $f && echo ESCAPED; done",
    "mount-proc-again": "mkdir -p /tmp/p && mount -t proc proc /tmp/p && echo ESCAPED; rm -rf /tmp/p",
    "mount-tmpfs": "mount -t tmpfs none /mnt && echo ESCAPED",
    "bind-over": "mount --bind /etc /mnt && echo ESCAPED",
    "unshare": "unshare -Ur true && echo ESCAPED",
    "enter-the-first-process": "nsenter -t 1 -m true && echo ESCAPED",
    "chroot-climbs": "cd /../../..; ls | grep -E 'oldroot|newroot' && echo ESCAPED",
    "hostname": "hostname pwned && echo ESCAPED",
    "insmod": "insmod /etc/passwd && echo ESCAPED",
    "clock": "date -s 2001-01-01; date +%Y | grep 2001 && echo ESCAPED",
    "nice": "renice -n -20 -p $$ && echo ESCAPED",
    "oom-score": "echo -1000 > /proc/self/oom_score_adj && echo ESCAPED",
    "descriptors": "for f in /proc/self/fd/[4-9] /proc/self/fd/[0-9]?*; do readlink $f && echo ESCAPED; done",
    "descriptors-of-the-first": "ls /proc/1/fd | grep -vE '^[012]$' | grep . && [ $$ != 1 ] && echo ESCAPED",
    "stdin": "head -c1 | grep -q . && echo ESCAPED",
    "a-terminal": "test -t 0 && echo ESCAPED; test -e /dev/tty && (echo x > /dev/tty) && echo ESCAPED",
    "environment": "env | grep -E 'SSH_|XDG_|WORKBENCH|VIRTUAL' && echo ESCAPED",
}


async def test_what_is_kept_out(build: Builder) -> None:
    lines = [f"RUN ({command}) 2>/dev/null | sed 's/^/{name}: /'; true" for name, command in KEPT_OUT.items()]
    log = await run(build, *lines)
    assert {line.split(":")[0] for line in log.splitlines() if "ESCAPED" in line} == set()


def status(build: Result, name: str) -> str:
    return next(line.split()[1] for line in build.log.splitlines() if line.startswith(f"{name}:"))


@pytest.mark.parametrize("user", ["root", "66"])
async def test_capabilities_are_dockers(build: Builder, sandbox: Ability, user: str) -> None:
    """Never more than Docker's default set; as root exactly that. A user that is not root has none in effect."""
    built = await build(f"FROM busybox\nUSER {user}\nRUN cat /proc/self/status\n")
    bounding, effective = int(status(built, "CapBnd"), 16), int(status(built, "CapEff"), 16)
    assert bounding == DOCKER_CAPABILITIES
    assert effective == (DOCKER_CAPABILITIES if user == "root" or sandbox.mode == "user" else 0)
    assert int(status(built, "CapAmb"), 16) == int(status(built, "CapInh"), 16) & int(status(built, "CapAmb"), 16)
    assert status(built, "Seccomp") == "2"


async def test_files_of_the_host(build: Builder, outside: Outside) -> None:
    """By their names, by climbing, by links of the image, by the roots and folders of processes."""
    ways = [
        str(outside.secret), outside.climb() + "/secret", "/link/secret", "/link-up/secret", "/proc/1/root/link/secret",
        f"/proc/1/cwd/{outside.climb()}/secret", f"/proc/self/root{outside.secret}",
        f"/oldroot{outside.secret}", f"/newroot/../oldroot{outside.secret}",
    ]  # fmt: skip
    log = await run(
        build, f"RUN ln -s {outside.path} /link; ln -s {outside.climb()} /link-up",
        *(f"RUN cat {way} 2>/dev/null; true" for way in ways),
        f"RUN for fd in /proc/1/fd/* /proc/self/fd/*; do cat $fd{outside.secret} $fd/{outside.climb()}/secret"
        " 2>/dev/null </dev/null; done; true",
    )  # fmt: skip
    assert log == ""


def kept_in(built: Result, outside: Outside) -> None:
    """Nothing of the host was seen: it was refused to enter such a folder, or the folder is one of the image's."""
    assert SECRET not in built.log
    assert str(outside.path) not in built.log
    assert "outside" not in built.log


@pytest.mark.parametrize("number", range(3, 13))
async def test_a_working_folder_in_a_descriptor(build: Builder, outside: Outside, number: int) -> None:
    """CVE-2024-21626: a descriptor of the host's file system that was open when the working folder was entered."""
    built = await build(
        f"FROM busybox\nWORKDIR /proc/self/fd/{number}\n"
        f"RUN cat {outside.climb()}/secret 2>/dev/null; ls -d {outside.climb()} 2>/dev/null; true\n"
    )
    kept_in(built, outside)


async def test_a_link_to_a_working_folder_in_a_descriptor(build: Builder, outside: Outside) -> None:
    """CVE-2024-21626, by a link of the image."""
    for number in (4, 7, 8):
        built = await build(
            f"FROM busybox\nRUN ln -s /proc/self/fd/{number} /w{number}\nWORKDIR /w{number}/\n"
            f"RUN cat {outside.climb()}/secret 2>/dev/null; true\n"
        )
        kept_in(built, outside)


@pytest.mark.parametrize("program", ["/proc/self/exe", "/link"])
async def test_the_program_of_the_sandbox_is_not_run_again(build: Builder, program: str) -> None:
    """CVE-2019-5736: a RUN whose program is the one that starts it, to be overwritten through /proc."""
    built = await build(
        f'FROM busybox\nRUN ln -s /proc/self/exe /link\nRUN ["{program}", "--version"]\n', no_cache=True
    )
    refused(built, "no such file")


async def test_the_programs_that_start_it_cannot_be_written(build: Builder, sandbox: Ability) -> None:
    """CVE-2019-5736: every /proc/N/exe is the image's own, or what keeps the sandbox open, which lies in memory."""
    assert sandbox.bwrap is not None
    before = sandbox.bwrap.path.read_bytes()
    log = await run(build, "RUN for e in /proc/[0-9]*/exe; do readlink $e; (echo x > $e); done 2>/dev/null; true")
    kept_open = "/memfd:workbench (deleted)"
    assert {line for line in log.splitlines() if line} <= {"/bin/busybox", "/bin/sh", "/bin/readlink", kept_open}
    assert sandbox.bwrap.path.read_bytes() == before


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the host."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)", SECRET])
    yield process
    process.kill()
    process.wait()


async def test_processes_of_the_host(build: Builder, stranger: subprocess.Popen[bytes]) -> None:
    """They cannot be seen, signalled or traced, by their number or all at once."""
    own = os.getpid()
    log = await run(
        build,
        "RUN cat /proc/*/cmdline | tr '\\0' ' '; ls /proc | grep -c '^[0-9]'",
        f"RUN kill -9 {stranger.pid} {own} {os.getppid()} 2>/dev/null && echo ESCAPED; true",
        f"RUN ls /proc/{stranger.pid}/ 2>/dev/null && echo ESCAPED; true",
        "RUN kill -TERM -1 2>/dev/null; true",
    )
    assert "ESCAPED" not in log
    assert stranger.poll() is None
    if X86:
        for trace in (probe(101, [16, stranger.pid, 0, 0]), probe(434, [stranger.pid, 0])):  # PTRACE_ATTACH; pidfd_open
            build.put({"trace": trace})
            assert await run(build, "COPY --chmod=755 trace /t", "RUN /t; test $? != 0 && echo no") == "no\n"
    assert signal.SIGTERM not in signal.sigpending()


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[tuple[str, Path, int]]:
    """What listens on this machine: an abstract socket, a socket with a path, a port of loopback."""
    name, path = f"workbench-attack-{os.getpid()}", tmp_path / "socket"
    sockets = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX), socket.socket()]
    for listener, address in zip(sockets, ("\0" + name, str(path), ("127.0.0.1", 0)), strict=True):
        listener.bind(address)
        listener.listen()
    yield name, path, sockets[2].getsockname()[1]
    for listener in sockets:
        listener.close()


async def test_sockets_where_the_network_is_private(build: Builder, listeners: tuple[str, Path, int]) -> None:
    """CVE-2020-15257: abstract sockets are the network's, and with it out of reach; so are loopback and paths."""
    name, path, port = listeners
    log = await run(
        build,
        f"RUN grep {name} /proc/net/unix && echo ESCAPED; true",
        f"RUN nc -w 1 127.0.0.1 {port} </dev/null 2>/dev/null && echo ESCAPED; true",
        f"RUN nc -w 1 local:{path} </dev/null 2>/dev/null && echo ESCAPED; test -e {path} && echo ESCAPED; true",
        "RUN ls /sys/class/net | grep -v '^lo$' && echo ESCAPED; true",
        network="none",
    )
    assert log == ""


async def test_the_engines_socket_is_not_there(build: Builder) -> None:
    """A Docker socket inside would be the machine."""
    assert await run(build, "RUN ls /var/run/docker.sock /run/docker.sock /run/containerd 2>/dev/null; true") == ""


async def test_what_is_left_running_ends(build: Builder, tmp_path: Path) -> None:
    """A command that leaves processes behind, deaf to signals and in sessions of their own."""
    before = set(os.listdir("/proc"))
    await run(
        build,
        "RUN (trap '' HUP TERM INT; setsid sh -c 'sleep 61.5' </dev/null >/dev/null 2>&1 &) ; sleep 0.1; echo done",
    )
    for number in set(os.listdir("/proc")) - before:
        if number.isdigit():
            try:
                assert b"61.5" not in Path(f"/proc/{number}/cmdline").read_bytes()
            except OSError:
                continue
