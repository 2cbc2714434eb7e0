"""The options of `docker build` on every classic builder: each is seen to take effect, in the image that came of it, or
in the intermediate container and its cgroup while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.engines.bench import Bench, finished, put_base
from workbench.build.events import BuildEvent, ContainerEvent, ContextSent, StepFinished, StepLog
from workbench.engines.docker.client import Client
from workbench.engines.docker.engine import DockerEngine
from workbench.errors import Unsupported

pytestmark = pytest.mark.slow

LIMITS: list[tuple[str, Any, str, Any]] = [
    ("cgroup_parent", "/workbench-test", "CgroupParent", "/workbench-test"),
    ("cpu_period", 50_000, "CpuPeriod", 50_000),
    ("cpu_quota", 25_000, "CpuQuota", 25_000),
    ("cpu_shares", 512, "CpuShares", 512),
    ("cpuset_cpus", "0", "CpusetCpus", "0"),
    ("cpuset_mems", "0", "CpusetMems", "0"),
    ("memory", 64 << 20, "Memory", 64 << 20),
    ("memory_swap", 128 << 20, "MemorySwap", 128 << 20),
    ("network", "none", "NetworkMode", "none"),
    ("shm_size", 8 << 20, "ShmSize", 8 << 20),
    ("ulimits", ("nofile=512:1024",), "Ulimits", [{"Name": "nofile", "Hard": 1024, "Soft": 512}]),
    ("isolation", "default", "Isolation", "default"),
]
"""Option, its value, and the field of the running container's HostConfig that shows it."""

INSIDE: list[tuple[dict[str, Any], str, str]] = [
    ({"ulimits": ("nofile=512:1024",)}, "ulimit -Sn; ulimit -Hn", "512\n1024\n"),
    ({"shm_size": 8 << 20}, "df -k /dev/shm | tail -n 1 | awk '{print $2}'", "8192\n"),
    ({"network": "none"}, "ls /sys/class/net", "lo\n"),
    ({"memory": 64 << 20}, "cat /sys/fs/cgroup/memory/memory.limit_in_bytes", f"{64 << 20}\n"),
    ({"memory": 64 << 20, "memory_swap": 96 << 20}, "cat /sys/fs/cgroup/memory/memory.limit_in_bytes", f"{64 << 20}\n"),
    ({"cpu_shares": 512}, "cat /sys/fs/cgroup/cpu/cpu.shares", "512\n"),
    ({"cpu_period": 50_000}, "cat /sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n"),
    ({"cpu_quota": 25_000}, "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us", "25000\n"),
    ({"cpuset_cpus": "0"}, "grep Cpus_allowed_list /proc/self/status | cut -f 2", "0\n"),
    ({"cpuset_mems": "0"}, "cat /sys/fs/cgroup/cpuset/cpuset.mems", "0\n"),
    ({"cgroup_parent": "/workbench-test"}, "grep -q workbench-test /proc/self/cgroup && echo in", "in\n"),
    ({"add_hosts": ("there:192.0.2.7",)}, "grep there /etc/hosts | awk '{print $1, $2}'", "192.0.2.7 there\n"),
    ({"build_args": {"WORD": "heard"}}, "echo $WORD", "heard\n"),
]
"""Options, a command, and what it prints under them."""


@pytest_asyncio.fixture(params=["docker_20", "docker_26", "docker_28", "docker_podman"])
async def classic(request: pytest.FixtureRequest, tmp_path: Path, conformance: Path) -> AsyncIterator[Bench]:
    engine = DockerEngine(request.getfixturevalue(request.param))
    await put_base(engine, conformance)
    (tmp_path / "context").mkdir()
    bench = Bench(engine, tmp_path / "context", f"options-{request.param[7:]}", podman=request.param == "docker_podman")
    yield bench
    for tag in reversed(bench.made):
        if await engine.images.list(name=tag):
            await engine.images.remove([tag], force=True)
    await engine.close()


@pytest.fixture
def client(classic: Bench) -> Iterator[Client]:
    assert isinstance(classic.engine, DockerEngine)
    with contextlib.closing(Client(classic.engine.address)) as client:
        yield client


def log(events: list[BuildEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, StepLog))


@pytest.mark.parametrize(("options", "command", "printed"), INSIDE)
async def test_a_command_finds_itself_under_it(
    classic: Bench, options: dict[str, Any], command: str, printed: str
) -> None:
    build = classic.build(f"FROM busybox\nARG WORD\nRUN {command}\n", no_cache=True, **options)
    if classic.podman and options == {"network": "none"}:
        with pytest.raises(Unsupported, match="--network"):
            await build
        return
    events = await build
    assert finished(events).outcome == "succeeded", finished(events).error
    assert log(events) == printed


async def test_security_options_are_podmans(classic: Bench) -> None:
    """Docker's classic builder refuses them on Linux: refused by name, before anything is sent."""
    build = classic.build(
        "FROM busybox\nRUN grep Seccomp: /proc/self/status | cut -f 2\n", no_cache=True,
        security_opt=("seccomp=unconfined",),
    )  # fmt: skip
    if classic.podman:
        assert log(await build) == "0\n"
        return
    with pytest.raises(Unsupported, match="--security-opt"):
        await build


async def test_the_running_container_has_them_all(classic: Bench, client: Client) -> None:
    """Every limit at once, by `docker inspect` of the intermediate container while it runs."""
    if classic.podman:
        pytest.skip("Podman's builder shows no container")
    found: dict[str, Any] = {}

    def see(event: BuildEvent) -> None:
        if isinstance(event, StepLog) and not found:
            name = next(it.container for it in seen if isinstance(it, ContainerEvent))
            found.update(client.get_json(f"/containers/{name}/json")["HostConfig"])

    seen: list[BuildEvent] = []
    options = {name: value for name, value, _, _ in LIMITS}
    request = classic.request("FROM busybox\nRUN echo ready; sleep 1\n", no_cache=True, **options)
    async for event in classic.engine.build(request):
        seen.append(event)
        see(event)
    assert finished(seen).outcome == "succeeded", finished(seen).error
    assert {field: found[field] for _, _, field, _ in LIMITS} == {field: value for _, _, field, value in LIMITS}


async def test_the_image_has_what_was_asked(classic: Bench, client: Client) -> None:
    first, second = classic.tag("one"), classic.tag("two")
    events = await classic.build(
        "FROM busybox AS early\nENV early=yes\nFROM busybox\nENV late=yes\n", tags=(first, second),
        labels={"asked": "for"}, target="early", no_cache=True,
    )  # fmt: skip
    assert finished(events).outcome == "succeeded", finished(events).error
    facts = client.facts(first)
    assert facts["Id"] == client.facts(second)["Id"] == finished(events).image
    assert facts["Config"]["Labels"]["asked"] == "for"
    assert "early=yes" in facts["Config"]["Env"] and "late=yes" not in facts["Config"]["Env"]


@pytest.mark.parametrize(
    ("rm", "force_rm", "fails"),
    [(True, False, False), (False, False, False), (True, False, True), (True, True, True)],
)
async def test_containers_stay_or_go(classic: Bench, client: Client, rm: bool, force_rm: bool, fails: bool) -> None:
    """`--rm=false` keeps them all; that of a failed step stays unless `--force-rm`."""
    if classic.podman:
        pytest.skip("Podman's builder shows no container")
    text = f"FROM busybox\nRUN exit {int(fails)}\n"
    events = await classic.build(text, rm=rm, force_rm=force_rm, no_cache=True)
    assert finished(events).outcome == ("failed" if fails else "succeeded")
    life = [event for event in events if isinstance(event, ContainerEvent)]
    kept = {it["Id"][:12] for it in client.get_json("/containers/json", all=1)} & {it.container for it in life}
    try:
        assert bool(kept) == (not rm or (fails and not force_rm))
        assert ("removed" in [it.action for it in life]) == (not kept)
    finally:
        for name in kept:
            client.remove_container(name, force=True)


async def test_cache_and_pull(classic: Bench) -> None:
    tag = classic.tag("cache")
    text = f"FROM busybox\nENV at={classic.prefix}-cache\n"
    again = {"tags": (tag,), "cache_from": (tag,)}
    assert finished(await classic.build(text, tags=(tag,))).outcome == "succeeded"
    cached = await classic.build(text, **again)
    assert [it.cached for it in cached if isinstance(it, StepFinished)] == [False, True]
    fresh = await classic.build(text, no_cache=True, tags=(tag,))
    assert [it.cached for it in fresh if isinstance(it, StepFinished)] == [False, False]
    # No registry is in reach: an engine that asks for a newer base fails to, although it has the base.
    pulled = finished(await classic.build("FROM localhost:1/options-base\n", pull=True))
    assert (pulled.outcome, pulled.step) == ("failed", 1)


async def test_a_compressed_context_is_smaller(classic: Bench) -> None:
    files = {"big": "x" * 1_000_000}
    sent = []
    for compress in (False, True):
        events = await classic.build("FROM busybox\nCOPY big /big\n", files, compress=compress)
        assert finished(events).outcome == "succeeded", finished(events).error
        sent.append(next(event.bytes for event in events if isinstance(event, ContextSent)))
    assert sent[1] < sent[0] / 50


async def test_squash_is_refused_in_the_engines_words(classic: Bench, client: Client) -> None:
    """No engine here is experimental: it says so by itself. Podman squashes, the base too."""
    tag = classic.tag("squash")
    events = await classic.build("FROM busybox\nRUN echo a > /a\nRUN echo b > /b\n", tags=(tag,), squash=True)
    end = finished(events)
    if classic.podman:
        assert end.outcome == "succeeded"
        assert len(client.facts(tag)["RootFS"]["Layers"]) == 1
        return
    assert not client.get_json("/info")["ExperimentalBuild"]
    assert (end.outcome, end.lost) == ("failed", False)
    assert "squash" in (end.error or "")


async def test_signatures_are_not_said_to_be_verified(classic: Bench) -> None:
    """Nobody here asks a notary: who wants that is told so, and not given an image that was never verified."""
    events = await classic.build("FROM busybox\nENV a=b\n", disable_content_trust=True)
    assert finished(events).outcome == "succeeded"
    with pytest.raises(Unsupported, match="--disable-content-trust"):
        await classic.build("FROM busybox\nENV a=b\n", disable_content_trust=False)
