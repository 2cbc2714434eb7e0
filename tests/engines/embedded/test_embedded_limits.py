"""Limits of a RUN: control groups that the command is really in, and that are gone afterwards, however it ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builds import Builder

from workbench.build.request import BuildRequest
from workbench.engines.embedded.cgroups import Hierarchy, Limits, Place, hierarchies, plan_limits
from workbench.errors import Unsupported, UsageError, WorkbenchError

pytestmark = pytest.mark.usefixtures("sandbox")


def left(process: int = 0) -> list[str]:
    """Groups of this process, or another, that are still there."""
    name = f"workbench-{process or os.getpid()}-"
    found: list[str] = []
    for hierarchy in hierarchies():
        for folder, below, _ in os.walk(hierarchy.mount):
            found += [f"{folder}/{one}" for one in below if one.startswith(name)]
    return found


def groups(**options: object) -> None:
    """Skips where there are no control groups for these options."""
    try:
        plan_limits(BuildRequest(context=None, **options))  # type: ignore[arg-type]
    except Unsupported as error:
        pytest.skip(f"{error}: {error.hint}")


async def seen(build: Builder, *files: str, **options: object) -> list[str]:
    """What the command reads of its own group; the first name that is there of `a|b`."""
    groups(**options)
    reads = "".join(f"for f in {names.replace('|', ' ')}; do [ ! -f $f ] || cat $f; done; " for names in files)
    built = await build(f"FROM busybox\nRUN cd /sys/fs/cgroup; {reads}true\n", no_cache=True, **options)
    assert built.end.outcome == "succeeded", built.end
    assert left() == []
    return built.log.splitlines()


async def test_memory_is_seen_inside(build: Builder) -> None:
    memory = 64 << 20
    found = await seen(build, "memory/memory.limit_in_bytes|memory.max", "pids/pids.max|pids.max", memory=memory)
    assert found[0] == str(memory)
    assert found[1:] in (["2048"], [])


async def test_memory_takes_effect(build: Builder) -> None:
    groups(memory=16 << 20)
    line = "RUN x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived ${#x}"
    built = await build(f"FROM busybox\n{line}\n", memory=16 << 20, memory_swap=16 << 20)
    assert built.end.outcome == "failed"
    assert "survived" not in built.log
    assert left() == []


async def test_processors_are_seen_inside(build: Builder) -> None:
    found = await seen(
        build, "cpu/cpu.shares|cpu.weight", "cpu/cpu.cfs_quota_us|cpu.max", "cpu/cpu.cfs_period_us",
        cpu_shares=512, cpu_quota=20000, cpu_period=50000,
    )  # fmt: skip
    assert found in (["512", "20000", "50000"], ["20", "20000 50000"])


@pytest.mark.slow
async def test_a_quota_takes_effect(build: Builder) -> None:
    """A tenth of a processor: the kernel counts the times that the group had to wait."""
    files = ("cpu/cpu.stat|cpu.stat",)
    groups(cpu_quota=10000)
    built = await build(
        "FROM busybox\nRUN i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; cat /sys/fs/cgroup/"
        f"{files[0].split('|')[0]} /sys/fs/cgroup/cpu.stat 2>/dev/null; true\n", cpu_quota=10000,
    )  # fmt: skip
    throttled = next(int(line.split()[1]) for line in built.log.splitlines() if line.startswith("nr_throttled"))
    assert throttled > 0


async def test_sets_of_processors(build: Builder) -> None:
    cpu = min(os.sched_getaffinity(0))
    found = await seen(build, "cpuset/cpuset.cpus|cpuset.cpus", cpuset_cpus=str(cpu), cpuset_mems="0")
    assert found == [str(cpu)]
    built = await build("FROM busybox\nRUN grep Cpus_allowed_list /proc/self/status\n", cpuset_cpus=str(cpu))
    assert built.log.split()[1] == str(cpu)


async def test_a_parent_of_ones_own(build: Builder) -> None:
    """It is made with what it needs, the command is below it, and it goes again."""
    parent = f"/workbench-parent-{os.getpid()}"
    groups(cgroup_parent=parent, memory=32 << 20)
    building = asyncio.create_task(
        build("FROM busybox\nRUN sleep 0.3\n", cgroup_parent=parent, memory=32 << 20, no_cache=True)
    )
    places: list[Path] = []
    while not building.done():
        places += [place for one in hierarchies() for place in (one.mount / parent[1:]).glob("workbench-*")]
        await asyncio.sleep(0.01)
    assert (await building).end.outcome == "succeeded"
    assert places
    assert not [one for one in hierarchies() if (one.mount / parent[1:]).exists()]


@pytest.mark.slow
async def test_a_fork_bomb_ends(build: Builder) -> None:
    groups(memory=256 << 20)
    line = "RUN i=0; while [ $i -lt 2500 ]; do sleep 9 >/dev/null 2>&1 & i=$((i+1)); done 2>&1 | tail -1; echo end"
    if not any("pids" in one.controllers for one in hierarchies()):
        pytest.skip("no pids controller")
    built = await build(f"FROM busybox\n{line}\n", memory=256 << 20)
    stopped = any(word in built.log for word in ("fork", "Killed"))  # by the bound of processes, or of memory before it
    assert stopped or built.end.outcome == "failed"
    assert left() == []


async def test_a_group_of_version_2(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one, on machines too whose controllers are all in version 1: what every group has is set and read."""
    place = next((one for one in hierarchies() if one.version == 2), None)
    if place is None or not os.access(place.own, os.W_OK):
        pytest.skip("no cgroup v2 that this user may make groups in")
    limits = Limits((Place(place, place.own, (), {"cgroup.max.descendants": "0"}),))
    monkeypatch.setattr("workbench.engines.embedded.plan.plan_limits", lambda request: limits)
    built = await build(
        "FROM busybox\nRUN cd /sys/fs/cgroup; cat cgroup.max.descendants; grep -c . cgroup.procs; ! mkdir x\n"
        "RUN sleep 60 & grep -c . /sys/fs/cgroup/cgroup.procs; true\n"
    )
    assert built.end.outcome == "succeeded", built.end
    assert [line for line in built.log.splitlines() if line.isdigit()] == ["0", "2", "3"]
    assert left() == []


async def test_the_machines_groups_are_not_told(build: Builder) -> None:
    built = await build("FROM busybox\nRUN cat /proc/self/cgroup; ls /sys/fs/cgroup\n")
    assert all(line.endswith((":/", "/..")) or "/../" in line for line in built.log.splitlines() if ":" in line)


async def test_ulimits_and_shm_need_no_group(build: Builder) -> None:
    built = await build(
        "FROM busybox\nRUN ulimit -n; ulimit -f; ulimit -t; df -k /dev/shm | tail -1 | awk '{print $2}'\n",
        ulimits=("nofile=64:64", "fsize=1048576", "cpu=50"), shm_size=2 << 20,
    )  # fmt: skip
    assert built.log.split() == ["64", "2048", "50", "2048"]


async def test_a_cancelled_build_leaves_no_group(build: Builder) -> None:
    groups(memory=64 << 20)
    build.put({"Dockerfile": "FROM busybox\nRUN echo go; sleep 60\n"})
    running = build.engine.build(BuildRequest(context=build.context, memory=64 << 20))
    async for event in running:
        if type(event).__name__ == "StepLog":
            assert left()
            running.cancel()
    assert left() == []


def test_a_killed_build_leaves_no_group(build: Builder) -> None:
    """kill -9: the guardian removes it."""
    groups(memory=64 << 20)
    build.put({"Dockerfile": "FROM busybox\nRUN echo go; sleep 60\n"})
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "build", "--engine", "embedded", "--root", build.store.root,
         "--memory", "64m", build.context], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert any(line.startswith("go") for line in process.stdout)
    assert left(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 10
    while left(process.pid):
        assert time.monotonic() < until
        time.sleep(0.02)


V2 = "30 29 0:26 / {mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "31 29 0:27 / {mount} rw shared:5 - cgroup cgroup rw,memory\n"


def fake_v2(tmp_path: Path, controllers: str, handed_out: str) -> list[Hierarchy]:
    own = tmp_path / "user.slice" / "own"
    own.mkdir(parents=True)
    for folder, switched_on in ((tmp_path, handed_out), (own, ""), (own.parent, handed_out)):
        (folder / "cgroup.controllers").write_text(controllers)
        (folder / "cgroup.subtree_control").write_text(switched_on)
    return hierarchies(V2.format(mount=tmp_path), "0::/user.slice/own\n")


def test_version_2_in_files(tmp_path: Path) -> None:
    found = fake_v2(tmp_path, "cpu cpuset memory pids", "cpu memory pids cpuset")
    assert [(one.version, one.own, sorted(one.controllers)) for one in found] == [
        (2, tmp_path / "user.slice" / "own", ["cpu", "cpuset", "memory", "pids"])
    ]
    request = BuildRequest(
        context=None, memory=64 << 20, memory_swap=96 << 20, cpu_shares=1024, cpu_quota=5000, cpuset_cpus="0-1"
    )
    (place,) = plan_limits(request, found).places
    assert dict(place.files) == {
        "memory.max": str(64 << 20), "?memory.swap.max": str(32 << 20), "cpu.weight": "39", "cpu.max": "5000 100000",
        "cpuset.cpus": "0-1", "pids.max": "2048",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"memory": 64 << 20}, "--memory"),
        ({"cpu_shares": 5}, "--cpu-shares"),
        ({"cpuset_mems": "0"}, "--cpuset-mems"),
        ({"cgroup_parent": "/x"}, "--cgroup-parent"),
    ],
)
def test_without_groups_it_is_refused_by_name(options: dict[str, object], flag: str) -> None:
    with pytest.raises(Unsupported, match=flag) as caught:
        plan_limits(BuildRequest(context=None, **options), [])  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert "control group" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may make groups")
def test_without_the_right_to_make_groups_it_is_refused(tmp_path: Path) -> None:
    found = [Hierarchy(1, Path("/proc"), Path("/proc"), frozenset({"memory"}))]
    with pytest.raises(Unsupported, match="--memory") as caught:
        plan_limits(BuildRequest(context=None, memory=64 << 20), found)
    assert "may not" in caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"memory": 1 << 20},
        {"memory_swap": 64 << 20},
        {"memory": 64 << 20, "memory_swap": 32 << 20},
        {"cgroup_parent": "/../x"},
        {"cgroup_parent": "user.slice"},
    ],
)
def test_values_that_docker_refuses(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        plan_limits(BuildRequest(context=None, **options))  # type: ignore[arg-type]


async def test_a_value_that_the_kernel_refuses(build: Builder) -> None:
    groups(cpuset_cpus="0")
    try:
        built = await build("FROM busybox\nRUN true\n", cpuset_cpus="4000-4001")
    except WorkbenchError as error:
        assert "cpuset" in str(error)
    else:
        assert "cpuset.cpus" in (built.end.error or "")
    assert left() == []
