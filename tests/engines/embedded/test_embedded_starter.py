"""The first programs of a sandbox: the machine code of both machines, that of arm64 through qemu where there is one."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import Builder

from workbench.engines.embedded.machine import STACK, Call, ExitAsWaited, Memory, known_machine, program
from workbench.engines.embedded.seccomp import docker_filter, owner_filter
from workbench.engines.embedded.starter import Command, Entry, entrant, keeper, starter

MACHINES = ("x86_64", "aarch64")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of another process and other users need root")


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    if request.param != platform.machine() and shutil.which(f"qemu-{request.param}-static") is None:
        pytest.skip(f"no qemu-{request.param}-static: install Debian's qemu-user-static")
    return str(request.param)


@pytest.fixture
def watch() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for one in ends:
        try:
            os.close(one)
        except OSError:
            continue  # a test has closed it


def start(machine: str, elf: bytes, folder: Path, *descriptors: int, **how: object) -> subprocess.Popen[str]:
    file = folder / "program"
    file.unlink(missing_ok=True)
    file.write_bytes(elf)
    file.chmod(0o755)
    command = [file] if machine == platform.machine() else [f"qemu-{machine}-static", file]
    return subprocess.Popen(
        command, pass_fds=descriptors, stdout=subprocess.PIPE, text=True, start_new_session=True, env={},
        **how,  # type: ignore[call-overload]
    )  # fmt: skip


def shell(script: str, *more: str, workdir: str = "/", **how: object) -> Command:
    return Command("/bin/sh", ["sh", "-c", script, *more], {"A": "1 2"}, workdir, **how)  # type: ignore[arg-type]


@root_only
def test_the_starter_becomes_the_user_and_the_command(machine: str, watch: tuple[int, int], tmp_path: Path) -> None:
    def said(command: Command) -> tuple[str, int]:
        process = start(machine, starter(command, watch[0], (), machine), tmp_path, watch[0])
        return process.communicate()[0], process.returncode

    script = f"id -u; id -g; id -G; [ -e /proc/self/fd/{watch[0]} ] && echo open; echo $1 $A"
    assert said(shell(script, "x", "a b", user=(66, 67, (5, 70000)))) == ("66\n67\n67 5 70000\na b 1 2\n", 0)
    assert said(shell("id -u; pwd", workdir="/usr/")) == ("0\n/usr\n", 0)
    assert said(shell("echo hi", workdir="/nosuch")) == ("", 126)
    assert said(Command("/nosuch", ["x"], {}, "/")) == ("", 127)
    assert said(Command("/etc/passwd", ["x"], {}, "/")) == ("", 126)
    os.close(watch[1])
    assert said(shell("echo hi")) == ("", 126), "the caller is gone"


@pytest.mark.parametrize(
    ("steps", "code"),
    [((Call("exit", (7,)),), 7), ((Call("kill", (0, 9)),), 137), ((Call("exit", (256 + 255,)),), 255)],
)
def test_a_program_exits_as_what_it_waited_for(
    machine: str, steps: tuple[Call, ...], code: int, tmp_path: Path
) -> None:
    failed = (Call("exit", (99,)),)
    parent = (Call("wait4", (-1, STACK, 0, 0), failed, "positive"), ExitAsWaited())
    child = (Call("setsid", (), failed, "not negative"), *steps)
    elf = program(Memory(), [Call("clone", (signal.SIGCHLD, 0, 0, 0, 0), parent), *child], machine)
    process = start(machine, elf, tmp_path)
    process.communicate()
    assert process.returncode == code


@root_only
@pytest.mark.skipif(not known_machine(), reason="no such programs for this machine")
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("id -u; echo $$; exit 7", 7), ("kill -9 $$", 137), ("sleep 1000 & exit 3", 3),
        ("kill -9 -1; exit 5", 5), ("kill -9 0", 137), ("kill -9 1; exit 6", 6),  # what waits outside is out of reach
    ],
)  # fmt: skip
def test_the_entrant_enters_and_ends_the_sandbox(script: str, code: int, tmp_path: Path) -> None:
    """Not of arm64: qemu has threads of its own, and such a process cannot enter."""
    held = subprocess.Popen(  # its child is the first process of the namespaces
        ["unshare", "-Urpfmuin", "-C", "--propagation", "private", "sh", "-c", "echo >&2; exec sleep 1000"],
        stderr=subprocess.PIPE,
    )
    assert held.stderr is not None and held.stderr.readline()
    first = int(Path(f"/proc/{held.pid}/task/{held.pid}/children").read_text())
    handle = os.pidfd_open(first)
    ready, told = os.pipe()
    (tmp_path / "volume").mkdir()
    entry = Entry(ready, handle, True, [str(tmp_path / "volume")], frozenset({6, 7}), [docker_filter() or b""])
    command = shell(f"rmdir {tmp_path}/volume 2>/dev/null || echo busy; {script}")
    process = start(platform.machine(), entrant(entry, command, ()), tmp_path, ready, handle)
    os.write(told, b".")
    for one in (ready, told):
        os.close(one)
    out, _ = process.communicate()
    assert process.returncode == code
    assert out.startswith("busy\n") and ("exit 7" not in script or out.split()[1:] == ["0", "2"])
    assert held.wait(timeout=10) != 0, "what is left there is ended"
    held.stderr.close()
    os.close(handle)


def test_where_there_is_no_sandbox_the_entrant_is_killed(machine: str, tmp_path: Path) -> None:
    ready, told = os.pipe()
    os.close(told)
    process = start(machine, entrant(Entry(ready, 99, False), shell("echo hi"), (), machine), tmp_path, ready)
    os.close(ready)
    assert process.communicate()[0] == "" and process.returncode == -signal.SIGKILL


def test_the_keeper_says_that_it_is_there_and_stays(machine: str, watch: tuple[int, int], tmp_path: Path) -> None:
    ready, told = os.pipe()
    process = start(machine, keeper(watch[0], told, (), machine), tmp_path, watch[0], told)
    os.close(told)
    assert os.read(ready, 9) == b"." and process.poll() is None
    process.kill()
    process.communicate()
    os.close(ready)


@pytest.mark.parametrize("machine", MACHINES)
def test_programs_are_made_for_machines(machine: str) -> None:
    elf = starter(Command("/bin/x", ["x"], {}, "/", (1, 2, (3, 4))), 7, (8,), machine)
    assert elf[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", elf, 18) == ({"x86_64": 62, "aarch64": 183}[machine],)
    assert struct.pack("<II", 3, 4) in elf and b"/bin/x\0" in elf
    rules = owner_filter(machine)
    assert rules is not None
    assert len(rules) % 8 == 0
    jumps = [struct.unpack_from("=HBBI", rules, at) for at in range(0, len(rules), 8)]
    assert all(place + 1 + max(yes, no) < len(jumps) for place, (code, yes, no, _) in enumerate(jumps) if code & 7 == 5)
    assert owner_filter("vax") is None


# -- in builds -------------------------------------------------------------------------------------------------------


@root_only
@pytest.mark.usefixtures("sandbox")
@pytest.mark.skipif(not known_machine(), reason="no such programs for this machine")
async def test_programs_give_rights_as_in_docker(build: Builder) -> None:
    """A program of root's with set-user-ID that becomes root altogether; and one with a capability alone."""
    become = program(Memory(), [Call("setresuid", (0, 0, 0), (Call("exit", (1,)),)), Call("exit", (0,))])
    build.put({"become": become})
    built = await build(
        "FROM busybox\nCOPY --chmod=4755 become /suid\nCOPY --chmod=0755 become /plain\nUSER 5:6\n"
        "RUN /suid && echo root; /plain || echo no; grep -E 'NoNewPrivs|CapBnd|CapEff' /proc/self/status\nRUN /suid\n"
    )
    assert built.end.outcome == "succeeded", built.end
    assert built.log.split() == [
        "root", "no", "CapEff:", "0" * 16, "CapBnd:", "00000000a80425fb", "NoNewPrivs:", "0",
    ]  # fmt: skip


@root_only
@pytest.mark.usefixtures("sandbox")
async def test_a_command_with_a_volume_leaves_nothing_running(build: Builder) -> None:
    built = await build("FROM busybox\nVOLUME /v\nRUN sleep 1000 & echo $$\nRUN exit 9\n")
    assert (built.end.outcome, built.log) == ("failed", "2\n")
    assert "non-zero code: 9" in (built.end.error or "")
