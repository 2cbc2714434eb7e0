"""A registry with a password, or with tokens: bases from it, images and caches to it. On
loopback, so that the engine is 20.10, or one in whose network the registry runs."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.engines.bench import Bench, finished
from tests.engines.buildkit.front import Front
from workbench.build.events import BuildEvent, BuildWarning, StepFinished
from workbench.engines.buildkit.credentials import Credentials
from workbench.errors import Unsupported

pytestmark = pytest.mark.slow


@contextmanager
def serving(folder: Path, within: Sequence[str] = ()) -> Iterator[str]:
    """Debian's docker-registry, open to everybody: `host:port`."""
    program = shutil.which("docker-registry")
    if program is None:
        missing("no docker-registry on this machine: install Debian's docker-registry")
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\n"
        "http:\n  addr: 127.0.0.1:0\n"
    )
    process = subprocess.Popen(
        [*within, program, "serve", str(folder / "config.yml")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        found = next(filter(None, (re.search(r"listening on (127\.0\.0\.1:\d+)", line) for line in process.stdout)))
        threading.Thread(target=process.stdout.read, daemon=True).start()  # or it waits for a reader
        yield found[1]
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(params=["password", "token", "token by GET"])
def front(request: pytest.FixtureRequest, open_registry: str, tmp_path: Path) -> Iterator[Front]:
    front = Front(open_registry, tokens=request.param != "password", post=request.param == "token")
    yield front
    front.close()


@pytest.fixture
def known(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Front:
    """A registry whose password the docker CLI's configuration has."""
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(front.config())
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return front


def succeeded(events: list[BuildEvent]) -> None:
    end = finished(events)
    assert end.outcome == "succeeded", end.error


@pytest.mark.parametrize("buildkit", ["20"], indirect=True)
async def test_pushed_and_built_upon(buildkit: Bench, known: Front) -> None:
    tag = f"{known.host}/{buildkit.prefix}:1"
    buildkit.made.append(tag)
    succeeded(await buildkit.build("FROM busybox\nRUN echo pushed > /file\n", tags=(tag,), output=("type=registry",)))
    await buildkit.engine.images.remove([tag], force=True)
    known.asked.clear()
    events = await buildkit.build(f"FROM {tag}\nRUN grep pushed /file\n", no_cache=True, pull=True)
    succeeded(events)
    if known.tokens:
        assert known.asked, "the token was fetched"
        assert {kind for _, kind, _ in known.asked} <= {"password", "ali"}
        assert ("POST" if known.post else "GET") in {method for method, _, _ in known.asked}
    else:
        assert not known.asked
    assert all("sesame" not in repr(event) for event in events)


@pytest.mark.parametrize("buildkit", ["20"], indirect=True)
async def test_without_the_password(
    buildkit: Bench, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    end = finished(await buildkit.build(f"FROM {front.host}/{buildkit.prefix}:1\nRUN true\n"))
    assert (end.outcome, end.step) == ("failed", 1)
    assert re.search("401|[Aa]uthoriz|authentication", end.error or ""), end.error


@pytest.mark.parametrize("buildkit", ["20"], indirect=True)
async def test_a_cache_within_an_image(buildkit: Bench) -> None:
    tag = buildkit.tag("inline")
    text = f"FROM busybox\nRUN echo {buildkit.prefix} > /made\n"
    succeeded(await buildkit.build(text, tags=(tag,), cache_to=("type=inline",)))
    place = buildkit.context.parent / "image.tar"
    await buildkit.engine.images.save([tag], place)
    assert b"moby.buildkit.cache.v0" in place.read_bytes()
    succeeded(await buildkit.build(text, cache_from=(tag,)))


@pytest.fixture
def inner_registry(docker_containerd: str, tmp_path: Path) -> Iterator[str]:
    """A registry in the network of that engine."""
    pid = int((Path(docker_containerd.removeprefix("unix://")).parent / "dockerd.pid").read_text())
    with serving(tmp_path, ["nsenter", "-t", str(pid), "-n"]) as host:
        yield host


async def test_a_cache_in_a_registry(containerd: Bench, inner_registry: str) -> None:
    await _cached(containerd, f"type=registry,ref={inner_registry}/cache:1,mode=max", f"{inner_registry}/cache:1")


async def test_a_cache_within_a_pushed_image(containerd: Bench, inner_registry: str) -> None:
    tag = f"{inner_registry}/inline:1"
    containerd.made.append(tag)
    await _cached(containerd, "type=inline", tag, tags=(tag,), output=("type=registry",))


async def test_a_cache_in_a_folder(containerd: Bench, tmp_path: Path) -> None:
    await _cached(containerd, f"type=local,dest={tmp_path}/cache,mode=max", f"type=local,src={tmp_path}/cache")
    index = json.loads((tmp_path / "cache/index.json").read_bytes())
    assert [it["annotations"]["org.opencontainers.image.ref.name"] for it in index["manifests"]] == ["latest"]
    events = await containerd.build("FROM busybox\n", cache_from=(f"type=local,src={tmp_path}/none",))
    succeeded(events)
    assert any("no cache is there yet" in event.message for event in events if isinstance(event, BuildWarning))


async def _cached(bench: Bench, target: str, source: str, **options: Any) -> None:
    """What was built and written is not built again, though the engine has forgotten it."""
    request = bench.request(
        f"FROM busybox\nCOPY file /\nRUN echo {bench.prefix} > /made\n", {"file": bench.prefix}, cache_to=(target,),
        **options,
    )  # fmt: skip
    succeeded([event async for event in bench.engine.build(request)])
    await bench.engine.prune_cache(all=True)  # type: ignore[attr-defined]
    again = dataclasses.replace(request, tags=(), output=(), cache_to=(), cache_from=(source,))
    events = [event async for event in bench.engine.build(again)]
    succeeded(events)
    assert [event.cached for event in events if isinstance(event, StepFinished)][1:] == [True, True]


@pytest.mark.parametrize("target", ["type=registry,ref=r/x", "type=local,dest=x"])
async def test_a_cache_that_dockers_own_store_does_not_write(newest: Bench, target: str) -> None:
    with pytest.raises(Unsupported, match="--cache-to") as caught:
        await newest.build("FROM busybox\n", cache_to=(target,))
    assert "containerd image store" in caught.value.hint


async def test_a_helper_of_the_docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-known"
    helper.write_text('#!/bin/sh\nread host\necho "{\\"Username\\": \\"u\\", \\"Secret\\": \\"for $host\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"r:5000": "known"}}))
    assert await Credentials(tmp_path).get("r:5000") == ("u", "for r:5000")
