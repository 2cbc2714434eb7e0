"""Options that are seen to take effect on BuildKits of three generations; what one lacks is refused by name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.bench import Bench, finished
from workbench.build.events import BuildEvent, StepFinished, StepLog
from workbench.errors import Unsupported

pytestmark = pytest.mark.slow


def succeeded(events: list[BuildEvent]) -> None:
    end = finished(events)
    assert end.outcome == "succeeded", end.error


def log(events: list[BuildEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, StepLog))


async def is_old(bench: Bench) -> bool:
    """Whether it is the BuildKit of 20.10."""
    return (await bench.engine.check()).details[0] == "BuildKit before 0.11"


# What RUN prints, and the words that must be in it.
IN_A_RUN: dict[str, tuple[dict[str, Any], str, str]] = {
    "--build-arg": ({"build_args": {"A": "given"}}, "echo $A", "given\n"),
    "--add-host": ({"add_hosts": ("some:10.9.8.7",)}, "grep some /etc/hosts", "10.9.8.7\tsome\n"),
    "--network none": ({"network": "none"}, "ls /sys/class/net", "lo\n"),
    "--network host": ({"network": "host"}, "grep -c . /etc/resolv.conf; echo ran", "ran\n"),
    "--secret src": ({"secrets": ("id=s,src=SECRET",)}, "cat /run/secrets/s", "from a file"),
    "--secret env": ({"secrets": ("id=s,env=WORKBENCH_TEST_SECRET",)}, "cat /run/secrets/s", "from outside"),
}
NEWER: dict[str, tuple[dict[str, Any], str, str]] = {
    "--shm-size": ({"shm_size": 1 << 25}, "df -k /dev/shm | tail -n 1", " 32768 "),
    "--ulimit": ({"ulimits": ("nofile=123:456",)}, "ulimit -n", "123\n"),
}


@pytest.mark.parametrize("option", IN_A_RUN)
async def test_in_a_run(buildkit: Bench, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, command, wanted = IN_A_RUN[option]
    monkeypatch.setenv("WORKBENCH_TEST_SECRET", "from outside")
    (tmp_path / "key").write_text("from a file")
    given = {**given, "secrets": tuple(it.replace("SECRET", f"{tmp_path}/key") if "src=" in it else it
                                       for it in given.get("secrets", ()))}  # fmt: skip
    mount = "--mount=type=secret,id=s " if given["secrets"] else ""
    events = await buildkit.build(f"FROM busybox\nARG A\nRUN {mount}{command}\n", no_cache=True, **given)
    succeeded(events)
    assert wanted in log(events)


@pytest.mark.parametrize("option", NEWER)
async def test_in_a_run_of_newer_engines(buildkit: Bench, option: str) -> None:
    given, command, wanted = NEWER[option]
    text = f"FROM busybox\nRUN {command}\n"
    if await is_old(buildkit):
        with pytest.raises(Unsupported, match=option) as caught:
            await buildkit.build(text, **given)
        assert "Docker 24" in caught.value.hint
        return
    events = await buildkit.build(text, no_cache=True, **given)
    succeeded(events)
    assert wanted in log(events)


@pytest.mark.parametrize("buildkit", ["26", "28"], indirect=True)
async def test_the_control_group_of_a_run(buildkit: Bench) -> None:
    parent = f"/{buildkit.prefix}"
    seen: list[list[Path]] = []

    def look(event: BuildEvent) -> None:
        if isinstance(event, StepLog):
            seen.append(list(Path("/sys/fs/cgroup").glob(f"**{parent}/*")))

    text = "FROM busybox\nRUN echo ready; sleep 1\n"
    succeeded(await buildkit.build(text, seeing=look, no_cache=True, cgroup_parent=parent))
    assert any(seen), "the container of the step is below the parent"


async def test_no_cache_and_its_filter(buildkit: Bench) -> None:
    text = f"FROM busybox AS one\nRUN echo {buildkit.prefix}\nFROM one AS two\nRUN echo again\n"

    async def cached(**options: Any) -> list[bool]:
        events = await buildkit.build(text, **options)
        succeeded(events)
        ends = sorted((event.step, event.cached) for event in events if isinstance(event, StepFinished))
        return [hit for step, hit in ends if step in (2, 4)]

    assert await cached() == [False, False]
    assert await cached() == [True, True]
    assert await cached(no_cache_filter=("two",)) == [True, False]
    assert await cached(no_cache=True) == [False, False]


async def test_labels_target_and_platform(buildkit: Bench) -> None:
    tag = buildkit.tag("image")
    text = "FROM scratch AS one\nCOPY file /\nFROM busybox\nRUN false\n"
    events = await buildkit.build(
        text, {"file": ""}, tags=(tag,), target="one", labels={"a": "b c", "é": "ü"}, platform="linux/arm64"
    )
    succeeded(events)
    found = await buildkit.engine.images.inspect(tag)
    assert (found["Architecture"], found["Config"]["Labels"]) == ("arm64", {"a": "b c", "é": "ü"})
    assert finished(events).image == found["Id"]


async def test_pull_looks_for_a_newer_base(buildkit: Bench) -> None:
    """There is no registry that has it: without the option the local image serves."""
    base = f"localhost:1/{buildkit.prefix}:1"
    buildkit.made.append(base)
    await buildkit.engine.images.tag("busybox:latest", base)
    succeeded(await buildkit.build(f"FROM {base}\nRUN true\n"))
    assert finished(await buildkit.build(f"FROM {base}\nRUN true\n", pull=True)).outcome == "failed"


async def test_a_folder_as_a_second_context(buildkit: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("from the other\n")
    (tmp_path / "other/.dockerignore").write_text("left-out\n")
    (tmp_path / "other/left-out").write_text("")
    text = "FROM busybox\nCOPY --from=more / /more\nRUN cat /more/file; ls /more\n"
    given = {"build_contexts": {"more": str(tmp_path / "other")}, "no_cache": True}
    if await is_old(buildkit):
        with pytest.raises(Unsupported, match="--build-context"):
            await buildkit.build(text, **given)
        return
    events = await buildkit.build(text, **given)
    succeeded(events)
    assert log(events) == "from the other\nfile\n"


async def test_an_image_as_a_second_context(newest: Bench) -> None:
    base = newest.tag("base")
    succeeded(await newest.build("FROM busybox\nRUN echo mine > /mine\n", tags=(base,)))
    text = "FROM alpine\nRUN cat /mine\n"
    events = await newest.build(text, build_contexts={"alpine": f"docker-image://{base}"}, no_cache=True)
    succeeded(events)
    assert log(events) == "mine\n"


async def test_the_engines_machine_has_an_address(buildkit: Bench) -> None:
    text = f"FROM busybox\nRUN grep there /etc/hosts # {uuid.uuid4()}\n"
    if await is_old(buildkit):
        with pytest.raises(Unsupported, match="--add-host host-gateway"):
            await buildkit.build(text, add_hosts=("there:host-gateway",))
        return
    events = await buildkit.build(text, add_hosts=("there:host-gateway", "and:192.0.2.7"))
    succeeded(events)
    assert re.search(r"^\d+\.\d+\.\d+\.\d+\s+there$", log(events), re.MULTILINE), log(events)


async def test_an_oci_layout_where_images_are_not_in_containerd(newest: Bench, tmp_path: Path) -> None:
    archive, layout = tmp_path / "x.oci", tmp_path / "layout"
    succeeded(await newest.build("FROM busybox\nENV a=b\n", output=(f"type=oci,dest={archive}",)))
    with tarfile.open(archive) as tar:
        tar.extractall(layout, filter="data")
    with pytest.raises(Unsupported, match="oci-layout"):
        await newest.build("FROM it\nENV a=b\n", build_contexts={"it": f"oci-layout://{layout}"})


async def test_an_oci_layout_as_a_second_context(containerd: Bench, tmp_path: Path) -> None:
    archive, layout = tmp_path / "x.oci", tmp_path / "layout"
    succeeded(await containerd.build("FROM busybox\nRUN echo laid > /out\n", output=(f"type=oci,dest={archive}",)))
    with tarfile.open(archive) as tar:
        tar.extractall(layout, filter="data")
    await containerd.engine.prune_cache(all=True)  # type: ignore[attr-defined]
    text = "FROM other\nRUN cat /out\n"
    events = await containerd.build(text, build_contexts={"other": f"oci-layout://{layout}"}, no_cache=True)
    succeeded(events)
    assert log(events) == "laid\n"


async def test_a_repository_as_a_second_context(newest: Bench, tmp_path: Path) -> None:
    """The engine fetches it itself: what it says of an address where nothing is, is the engine's word."""
    events = await newest.build(
        "FROM scratch\nCOPY --from=far / /\n", build_contexts={"far": "https://localhost:1/x.git#main"}
    )
    assert finished(events).outcome == "failed" and "localhost:1" in (finished(events).error or "")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An ssh agent with one key, whose comment is `of-the-agent`."""
    socket = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of-the-agent", "-f", tmp_path / "key"], check=True
    )
    while not os.path.exists(socket):
        assert process.poll() is None
    subprocess.run(["ssh-add", "-q", tmp_path / "key"], check=True, env={**os.environ, "SSH_AUTH_SOCK": socket})
    monkeypatch.setenv("SSH_AUTH_SOCK", socket)
    yield socket
    process.terminate()
    process.wait()


def _ssh_add(context: Path) -> str:
    """This machine's ssh-add with its libraries in the context; the line that brings it into an image."""
    linked = subprocess.run(["ldd", "/usr/bin/ssh-add"], capture_output=True, text=True, check=True).stdout
    for name in ["/usr/bin/ssh-add", *re.findall(r"(/\S+) \(", linked)]:
        place = context / "tools" / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, place)
    return "COPY tools /\n"


@pytest.mark.parametrize("given", ["default", "default=SOCKET", "default=KEY", "other=KEY"])
async def test_an_ssh_agent(buildkit: Bench, agent: str, given: str, tmp_path: Path) -> None:
    name, _, place = given.partition("=")
    where = {"SOCKET": f"={agent}", "KEY": f"={tmp_path}/key"}.get(place, "")
    identity = "" if name == "default" else f",id={name}"
    text = f"FROM busybox\n{_ssh_add(buildkit.context)}"
    text += f"RUN --mount=type=ssh{identity},required=true ssh-add -l && ssh-add -L | wc -l\n"
    events = await buildkit.build(text, ssh=(f"{name}{where}",), no_cache=True)
    succeeded(events)
    assert re.fullmatch(r"256 SHA256:\S+ of-the-agent \(ED25519\)\n1\n", log(events))


async def test_an_agent_that_was_not_given(buildkit: Bench) -> None:
    end = finished(await buildkit.build("FROM busybox\nRUN --mount=type=ssh,required=true true\n", no_cache=True))
    assert (end.outcome, end.line) == ("failed", 2)


@pytest.mark.parametrize("buildkit", ["20", "28"], indirect=True)
async def test_the_id_file(buildkit: Bench, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    generation = request.node.callspec.params["buildkit"]
    host = request.getfixturevalue(f"docker_{generation}")
    tag = buildkit.tag("iid")
    buildkit.request("FROM busybox\nRUN true\n")
    subprocess.run(
        [sys.executable, "-m", "workbench", "build", "-H", host, "--engine", "buildkit", "-q", "-t", tag,
         "--iidfile", tmp_path / "iid", "."], cwd=buildkit.context, check=True, timeout=60,
    )  # fmt: skip
    assert (tmp_path / "iid").read_text() == (await buildkit.engine.images.inspect(tag))["Id"]


@pytest.mark.parametrize(
    "given", [{"attests": ("type=sbom",)}, {"allow": ("security.insecure",), "platform": "linux/amd64,linux/arm64"}]
)
async def test_what_dockers_own_store_cannot_keep_is_refused(newest: Bench, given: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        await newest.build("FROM busybox\n", **given)


async def test_an_entitlement_that_the_engine_does_not_grant(newest: Bench) -> None:
    text = "# syntax=docker/dockerfile:1\nFROM busybox\n"
    text = text.partition("\n")[2] + "RUN --security=insecure true\n"
    end = finished(await newest.build(text, allow=("security.insecure",)))
    assert end.outcome == "failed" and "security.insecure" in (end.error or "")
