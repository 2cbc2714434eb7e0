"""RUN in a container without CAP_SYS_ADMIN, where namespaces and mounts are refused: a chroot, and it says so."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builds import Builder

from workbench.build.request import BuildRequest
from workbench.engines.embedded.cgroups import plan_limits
from workbench.engines.embedded.chroot import WARNING, can_chroot
from workbench.engines.embedded.layer_index import LayerIndex
from workbench.engines.embedded.seccomp import docker_filter
from workbench.engines.embedded.view import Found, ImageView
from workbench.errors import Unsupported

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not can_chroot(), reason="only root can chroot"),
]

SYS_ADMIN = 21


def confine() -> None:
    """As Docker starts a container: without CAP_SYS_ADMIN; unshare, clone with namespaces and mount are refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(24, SYS_ADMIN, 0, 0, 0) == 0
    rules = docker_filter()
    assert rules is not None

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    program = Program(len(rules) // 8, rules)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0


def workbench(build: Builder, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *map(str, words), "--engine", "embedded", "--root", str(build.store.root)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, preexec_fn=confine, check=False, timeout=60,
    )  # fmt: skip


def facts(found: Found) -> tuple[object, ...]:
    entry = found.entry
    return (entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.link, found.inode[1])


def test_the_engine_says_that_it_is_a_chroot(build: Builder) -> None:
    done = workbench(build, "engines")
    assert "chroot" in done.stdout + done.stderr
    assert "processes" in done.stdout + done.stderr


def test_what_a_chroot_builds_is_what_a_sandbox_builds(build: Builder) -> None:
    """Layers entry by entry: new, changed, removed and replaced files and folders, owners, links, volumes, users."""
    text = (
        "FROM busybox\nRUN mkdir -p /d/sub /e && echo 1 > /d/f && echo 2 > /d/sub/g && touch /e/x && "
        "echo h > /d/a && ln /d/a /d/hard\n"
        "VOLUME /v\nRUN echo more >> /d/f; rm /d/sub/g; rm -r /e; mkdir /e; touch /e/new /v/lost; chown 5:6 /e/new\n"
        "RUN chmod 700 /d; ln -s /nowhere /l; mkfifo /p; rm /bin/ash; touch /etc/hosts\nUSER 66:67\nWORKDIR /w\n"
        "RUN id -u; pwd; touch /tmp/mine; echo hi > /dev/null\nRUN true\n"
    )
    build.put({"Dockerfile": text})
    made: list[dict[str, tuple[object, ...]]] = []
    for how in ("chroot", "sandbox"):
        if how == "chroot":
            done = workbench(build, "build", "--no-cache", "-t", how, build.context)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "workbench", "build", "--no-cache", "-t", how, "--engine", "embedded",
                 "--root", build.store.root, build.context],
                capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            if done.returncode:
                pytest.skip(f"no sandbox to compare with: {done.stderr}")
        assert done.returncode == 0, done.stderr
        assert (WARNING in done.stderr + done.stdout) == (how == "chroot")
        layers = [LayerIndex.read(build.store.blob_path(one.digest)) for one in build.store.image(how).layers]
        made.append(
            {
                path: facts(found)
                for path, found in ImageView(tuple(layers)).walk("")
            }
        )  # fmt: skip
        made[-1]["number of layers"] = (len(layers),)
    assert made[0] == made[1]


def test_what_a_chroot_keeps_out(build: Builder, tmp_path: Path) -> None:
    """Files of the machine, a second chroot out of the first, devices, tracing, processes left behind."""
    (tmp_path / "secret").write_text("outside")
    climb = "../" * 20 + str(tmp_path / "secret").lstrip("/")
    build.put({"Dockerfile": (
        f"FROM busybox\nRUN cat {tmp_path}/secret {climb} 2>/dev/null; mkdir /c; chroot /c /x 2>&1; "
        "mknod /n b 8 0 2>&1; mount -t proc p /mnt 2>&1; unshare -U true 2>&1; ls -A /proc; (sleep 61.75 &) ; true\n"
    )})  # fmt: skip
    done = workbench(build, "build", "--no-cache", build.context)
    assert done.returncode == 0, done.stderr
    assert "outside" not in done.stdout
    assert done.stdout.count("not permitted") >= 3
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                assert b"61.75" not in Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue


def test_mounts_and_what_cannot_be_done(build: Builder) -> None:
    build.put({"x/y": "hello\n", "Dockerfile": (
        "FROM busybox\nRUN --mount=type=cache,target=/c echo a >> /c/f\n"
        "RUN --mount=type=cache,target=/c --mount=type=bind,source=x,target=/b cat /c/f /b/y\nRUN ls -d /c /b; true\n"
    )})  # fmt: skip
    done = workbench(build, "build", "--no-cache", build.context)
    assert done.returncode == 0, done.stderr
    assert "\na\nhello\n" in done.stdout
    assert "\n/c\n" not in done.stdout
    done = workbench(build, "build", "--no-cache", "--network", "none", build.context)
    assert done.returncode == 1
    assert "--network none" in done.stderr


def test_limits_hold_in_a_chroot(build: Builder) -> None:
    try:
        plan_limits(BuildRequest(context=None, memory=16 << 20))
    except Unsupported as error:
        pytest.skip(f"{error}: {error.hint}")
    line = "RUN x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived ${#x}"
    build.put({"Dockerfile": f"FROM busybox\n{line}\n"})
    limits = ["--memory", "16m", "--memory-swap", "16m"]
    done = workbench(build, "build", "--no-cache", *limits, build.context)
    assert done.returncode == 1
    assert "survived" not in done.stdout.replace(line, "")
    assert workbench(build, "build", "--no-cache", build.context).returncode == 0
