"""Builds that end badly: a full disk, a store that cannot be written, an engine that goes away, a signal.

Nothing half-written is left, no process, no mount, no container, and the next build works.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nasty import GOOD, NAME, WORKBENCH, Done, Lab, assert_whole
from tests.e2e.workbench_session import mounts_naming, processes_naming, until
from tests.engines.docker.proxy import Proxy

LONG = f"3{os.getpid():07}"
"""Seconds that the endless step sleeps: a number that no other process has on its command line."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "workbench-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def endless(lab: Lab, engine: list[str]) -> subprocess.Popen[str]:
    """A build that has come to a step without end."""
    lab.fresh({"Dockerfile": f'{GOOD}RUN ["/bin/busybox", "sleep", "{LONG}"]\n'})
    build = subprocess.Popen(
        [WORKBENCH, "build", *engine, "-t", NAME, "--progress", "plain", "context"],
        cwd=lab.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until(lambda: bool(processes_naming(f"sleep {LONG}")) or build.poll() is not None, "the step did not start", 30)
    assert build.poll() is None, build.communicate()
    return build


def ended(build: subprocess.Popen[str]) -> Done:
    out, err = build.communicate(timeout=20)
    return Done(build.returncode, out, err)


@pytest.mark.slow
@pytest.mark.parametrize("lab", ["embedded"], indirect=True)
def test_a_full_disk(lab: Lab, small_disk: Path) -> None:
    """Wherever the disk is full (the layer of an ADD, of a RUN, the index), it is said, and space that is freed is
    enough."""
    root = small_disk / "store"
    lab.engine = ["--engine", "embedded", "--root", str(root)]
    lab.build("-t", NAME).says(0)
    before = lab.run("images", "-q").out
    big = "RUN dd if=/dev/zero of=/big bs=1024 count=20000"
    for text, place in [(f"{GOOD}COPY big /big\n", ":4: "), (f"{GOOD}{big}\n", "")]:
        lab.fresh({"Dockerfile": text, "big": os.urandom(9 << 20)})
        lab.build("-t", f"{NAME}-big").says(1, place, "No space left on device")
        assert lab.run("images", "-q").out == before
        assert_whole(root)
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        space = os.statvfs(small_disk)
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize)
    lab.fresh({"Dockerfile": f"{GOOD}LABEL more=1\n"})
    lab.build("-t", f"{NAME}-big").says(1, "No space left on device", "free some space")
    lab.run("images", "-q").says(0, before.strip())
    lab.run("rmi", NAME).says(0)  # removing works on a full disk
    assert_whole(root)
    filler.unlink()
    lab.build("-t", NAME).says(0)
    assert_whole(root)
    lab.engine = ["--engine", "embedded", "--root", str(lab.root)]


@pytest.mark.slow
@pytest.mark.parametrize("lab", ["embedded"], indirect=True)
def test_a_store_that_cannot_be_written(lab: Lab, small_disk: Path) -> None:
    root = small_disk / "store"
    lab.engine = ["--engine", "embedded", "--root", str(root)]
    lab.build("-t", NAME).says(0)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    lab.build("--no-cache").says(1, str(root), "Read-only file system", "--root")
    lab.engine = ["--engine", "embedded", "--root", "/proc/workbench"]
    lab.build().says(1, "/proc/workbench")
    lab.engine = ["--engine", "embedded", "--root", str(lab.context)]
    lab.build().says(1, "not an image store", "--root")
    lab.engine = ["--engine", "embedded", "--root", str(lab.root)]


@pytest.mark.parametrize("lab", ["embedded"], indirect=True)
def test_an_engine_that_is_not_there(lab: Lab) -> None:
    engine, lab.engine = lab.engine, ["--engine", "docker"]
    lab.build("-H", "unix:///nonexistent").says(3, "unix:///nonexistent", "--engine embedded")
    lab.build("-H", "tcp://127.0.0.1:1").says(3, "tcp://127.0.0.1:1", "--engine embedded")
    lab.run("images", "-H", "unix:///nonexistent").says(3, "unix:///nonexistent")
    lab.build("-H", "nonsense://x").says(2, "nonsense://x")
    lab.engine = engine


@pytest.mark.slow
@pytest.mark.parametrize("lab", ["docker"], indirect=True)
def test_an_engine_that_goes_away(lab: Lab, docker_host: str) -> None:
    with tempfile.TemporaryDirectory(prefix="wb-") as short:
        proxy = Proxy(Path(short) / "engine", docker_host.removeprefix("unix://"))
        build = endless(lab, ["--engine", "docker", "-H", proxy.host])
        proxy.cut()
        ended(build).says(3, "context/Dockerfile:4: ", "went away")
    until(lambda: not processes_naming(f"sleep {LONG}"), "the engine still runs the step")


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda it: it.name
)
def test_signals(lab: Lab, number: signal.Signals) -> None:
    build = endless(lab, lab.engine)
    mounts = mounts_naming(str(lab.folder))
    build.send_signal(number)
    done = ended(build)
    if number == signal.SIGKILL:
        assert done.code == -signal.SIGKILL
    else:
        assert done.code == 128 + number and "Traceback" not in done.err, done
    until(lambda: not processes_naming(f"sleep {LONG}"), "the step is still running")
    assert mounts == [] and mounts_naming(str(lab.folder)) == []
    if lab.embedded:
        if number == signal.SIGKILL:
            lab.run("images").says(0)  # opening the store sweeps it
        assert_whole(lab.root)
    else:
        until(lambda: LONG not in containers(), "a container is left")


def containers() -> str:
    command = ["docker", "ps", "-a", "--no-trunc", "--format", "{{.Command}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
