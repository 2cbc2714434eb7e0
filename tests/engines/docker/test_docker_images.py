"""Images of a real engine. What would touch images that are not this test's own is only planned."""

from __future__ import annotations

import asyncio
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.bench import Bench, finished
from workbench.engines.address import resolve
from workbench.engines.docker.client import Client
from workbench.engines.docker.images import DockerImages, read_filters
from workbench.errors import ImageError, ImageInUse, ImageNotFound, InputError, StoreError, UsageError

pytestmark = pytest.mark.slow  # the contract on a real engine is in the quick tests


@pytest.fixture
def images(docker: Bench) -> DockerImages:
    assert isinstance(docker.engine.images, DockerImages)
    return docker.engine.images


@pytest.fixture
def client(docker: Bench) -> Iterator[Client]:
    client = Client(docker.engine.address)  # type: ignore[attr-defined]
    yield client
    client.close()


async def make(docker: Bench, name: str, text: str) -> tuple[str, str]:
    """Tag and ID of a new image."""
    tag = docker.tag(name)
    end = finished(await docker.build(text, tags=(tag,), no_cache=True))
    assert end.outcome == "succeeded", end.error
    return tag, end.image


async def test_filters(docker: Bench, images: DockerImages) -> None:
    first, _ = await make(docker, "first", "FROM scratch\nLABEL which=first\n")
    second, _ = await make(docker, "second", f"FROM scratch\nLABEL which=second owner={docker.prefix}\n")

    async def found(*filters: str, name: str = f"{docker.prefix}-*") -> set[str]:
        return {tag for image in await images.list(filters=filters, name=name) for tag in image.tags}

    assert await found() == {first, second}
    assert await found(name=first) == {first}
    assert await found(f"label=owner={docker.prefix}") == {second}
    assert await found("label=which") == {first, second}
    assert await found(f"reference={second}", name="") == {second}
    assert await found("dangling=false") == {first, second}
    assert await found("dangling=true") == set()
    with pytest.raises(ImageNotFound):
        await found(f"since={docker.prefix}-nosuch")
    labels = (await images.list(name=second))[0].labels
    assert labels == {"which": "second", "owner": docker.prefix}


@pytest.mark.parametrize("text", ["nosuch=1", "dangling", "dangling=perhaps"])
def test_filters_that_do_not_exist(text: str) -> None:
    with pytest.raises(UsageError):
        read_filters([text])


async def test_intermediate_images_are_marked(docker: Bench, images: DockerImages) -> None:
    _, top = await make(docker, "steps", f"FROM scratch\nLABEL a={docker.prefix}\nLABEL b=2\n")
    assert top in {image.id for image in await images.list()}
    everything = {image.id: image for image in await images.list(all=True)}
    parent = everything[everything[top].parent]
    assert parent.intermediate
    assert not parent.dangling
    assert parent.id not in {image.id for image in await images.list()}


async def test_history_knows_the_layers(docker: Bench, images: DockerImages) -> None:
    tag, top = await make(
        docker, "history", "FROM busybox\nENV a=b\nRUN head -c 5000 /dev/zero > /x\nRUN true\nCMD sh\n"
    )
    layers = (await images.inspect(tag))["RootFS"]["Layers"]
    history = await images.history(tag)
    assert history[0].id == top
    assert history[0].tags == (tag,)
    assert [entry.diff_id for entry in history if entry.diff_id] == list(reversed(layers))
    by = {entry.created_by.rpartition("  ")[2][-16:]: entry for entry in history}
    assert next(entry for key, entry in by.items() if key.endswith("/x")).size == 5000
    assert [entry.empty_layer for entry in history][-2:] == [True, False]


async def test_removal_is_what_was_planned(docker: Bench, images: DockerImages) -> None:
    base, base_id = await make(docker, "base", "FROM busybox\nRUN head -c 100000 /dev/zero > /a\nENV x=1\n")
    other = docker.tag("other")
    await images.tag(base, other)
    child, child_id = await make(docker, "child", f"FROM {base}\nRUN head -c 200000 /dev/zero > /b\n")

    plan = await images.plan_removal([base])
    assert (plan.untagged, plan.deleted, plan.bytes_freed, plan.blocked) == ((base,), (), 0, "")
    by_id = await images.plan_removal([base_id])
    assert "dependent child images" in by_id.blocked
    assert by_id.children == (child,)
    with pytest.raises(ImageInUse) as caught:
        await images.remove([base_id], force=True)
    assert child in caught.value.hint

    everything = await images.plan_removal([child, base, other])
    assert everything.untagged == (child, base, other)
    assert {child_id, base_id} < set(everything.deleted)
    assert everything.bytes_freed == 300_000

    plan = await images.plan_removal([child])
    assert (plan.deleted, plan.bytes_freed) == ((child_id,), 200_000)
    assert await images.remove([child]) == plan
    plan = await images.plan_removal([base, other])
    assert plan.bytes_freed == 100_000
    assert await images.remove([base, other]) == plan
    with pytest.raises(ImageNotFound):
        await images.inspect(base_id)


async def test_layers_that_others_have_are_not_freed(docker: Bench, images: DockerImages, tmp_path: Path) -> None:
    """Without parents to tell: an image that was loaded shares a layer with one that was built."""
    tag, _ = await make(docker, "shared", "FROM busybox\nRUN head -c 70000 /dev/zero > /a\n")
    top, _ = await make(docker, "top", f"FROM {tag}\nRUN head -c 30000 /dev/zero > /b\n")
    await images.save([top], tmp_path / "top.tar")
    await images.remove([top])
    await images.load(tmp_path / "top.tar")
    assert (await images.plan_removal([top])).bytes_freed == 30_000
    await images.remove([tag])  # the loaded image keeps its layer
    assert (await images.plan_removal([top])).bytes_freed == 100_000


async def test_a_container_stands_in_the_way(docker: Bench, images: DockerImages, client: Client) -> None:
    tag, identifier = await make(docker, "used", f"FROM busybox\nLABEL a={docker.prefix}\n")
    container = client.create_container(identifier, command=["sleep", "60"], name=f"{docker.prefix}-holder")
    try:
        plan = await images.plan_removal([tag])
        assert plan.containers == (f"{docker.prefix}-holder (created)",)
        assert plan.blocked
        with pytest.raises(ImageInUse, match=f"{docker.prefix}-holder") as caught:
            await images.remove([tag])
        assert "container" in caught.value.hint
        client.start(container)
        running = await images.plan_removal([identifier], force=True)
        assert running.containers == (f"{docker.prefix}-holder (running)",)
        with pytest.raises(ImageInUse, match="running"):
            await images.remove([identifier], force=True)
    finally:
        client.remove_container(container, force=True)
    assert not (await images.plan_removal([tag])).blocked


async def test_several_repositories_need_force(docker: Bench, images: DockerImages) -> None:
    _, identifier = await make(docker, "several", f"FROM scratch\nLABEL a={docker.prefix}\n")
    await images.tag(identifier, docker.tag("again"))
    assert "several repositories" in (await images.plan_removal([identifier])).blocked
    with pytest.raises(ImageInUse):
        await images.remove([identifier])
    assert (await images.remove([identifier], force=True)).deleted[0] == identifier


async def test_prune_is_previewed(docker: Bench, images: DockerImages) -> None:
    tag, old = await make(docker, "pruned", f"FROM busybox\nRUN head -c 40000 /dev/urandom > /{docker.prefix}\n")
    _, new = await make(docker, "pruned", f"FROM busybox\nRUN echo {docker.prefix}\n")
    plan = await images.prune(dry_run=True)
    assert old in plan.deleted
    assert new not in plan.deleted
    assert plan.bytes_freed >= 40_000
    assert new in (await images.prune(all=True, dry_run=True)).deleted
    await images.remove([old])
    assert (await images.inspect(tag))["Id"] == new


async def test_import(docker: Bench, images: DockerImages, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x" * 1234)
    with tarfile.open(tmp_path / "root.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "file", "file")
    tag = docker.tag("imported")
    identifier = await images.import_(tmp_path / "root.tar.gz", tag=tag, changes=["ENV a=b", "CMD x"], message="hello")
    found = await images.inspect(tag)
    assert (found["Id"], found["Comment"], found["Config"]["Env"]) == (identifier, "hello", ["a=b"])
    with pytest.raises(UsageError):
        await images.import_(tmp_path / "root.tar.gz", changes=["NOSUCH x"])


async def test_bad_archives(docker: Bench, images: DockerImages, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk" * 1000)
    for archive in (junk, tmp_path / "nosuch", tmp_path):
        for work in (images.load, images.import_):
            with pytest.raises(InputError, match=archive.name) as caught:
                await work(archive)
            assert caught.value.hint


async def test_save_is_whole_or_absent(docker: Bench, images: DockerImages, tmp_path: Path) -> None:
    with pytest.raises(ImageNotFound):
        await images.save([f"{docker.prefix}-nosuch"], tmp_path / "out.tar")
    with pytest.raises(StoreError):
        await images.save(["busybox"], tmp_path / "nosuch" / "out.tar")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError):
        await images.save(["busybox"], tmp_path / "folder")
    with pytest.raises(UsageError):
        await images.save([], tmp_path / "out.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["context", "folder"]


async def test_names_that_are_none(docker: Bench, images: DockerImages) -> None:
    nosuch = f"{docker.prefix}-nosuch"
    calls: list[Any] = [
        images.inspect(nosuch), images.history(nosuch), images.tag(nosuch, "a"), images.plan_removal([nosuch]),
        images.remove([nosuch]), images.push(nosuch), images.inspect(""), images.inspect("sha256:" + "00" * 32),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ImageNotFound):
            await call
    with pytest.raises(UsageError):
        await images.tag("busybox", "Not A Name")
    with pytest.raises(ImageError):
        await images.pull("localhost:1/nosuch")


async def test_changes_are_told_and_end_when_closed(docker: Bench, images: DockerImages) -> None:
    changes = images.changes()
    await asyncio.wait_for(anext(changes), 5)
    waiting = asyncio.ensure_future(anext(changes))
    tag = docker.tag("changed")
    await images.tag("busybox", tag)
    began = time.monotonic()
    await asyncio.wait_for(waiting, 5)
    assert time.monotonic() - began < 1
    await changes.aclose()


async def test_disk_usage_asked_for_by_many(docker_host: str) -> None:
    """Docker 20.10 counts for one at a time, and refuses the others."""
    several = [DockerImages(lambda: resolve(docker_host, None)) for _ in range(4)]
    try:
        found = await asyncio.gather(*(images.usage() for images in several), several[0].sizes())
        assert len(found) == 5
    finally:
        for images in several:
            images.close()


async def test_disk_usage(docker_host: str) -> None:
    """The numbers are other people's too: what must be true of any."""
    images = DockerImages(lambda: resolve(docker_host, None))
    try:
        found = await images.usage()
        assert [kind.kind for kind in found.kinds] == ["Images", "Containers", "Local Volumes", "Build Cache"]
        for kind in found.kinds:
            assert 0 <= kind.active <= kind.total and 0 <= kind.reclaimable <= kind.size
        assert len(found.images) == found.kinds[0].total
        assert (await images.prune_cache(dry_run=True)).bytes_freed >= 0
    finally:
        images.close()
