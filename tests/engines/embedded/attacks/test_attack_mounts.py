"""Attacks through what is mounted: volumes, caches, binds, and an image whose own folders are links."""

from __future__ import annotations

import asyncio
import io
import tarfile

import pytest
from attack_tools import SECRET, Outside, refused, run
from builds import Builder, Result, make_tar

pytestmark = pytest.mark.usefixtures("sandbox", "way")


async def test_a_volume_becomes_a_link_to_outside(build: Builder, outside: Outside) -> None:
    """CVE-2024-23652: what is cleared away after a step is not looked for through links that the step has made."""
    for volume, command in (
        ("/v/folder", f"rm -rf /v; ln -s {outside.path} /v"),
        ("/w", f"rm -rf /w; ln -s {outside.path}/folder /w"),
        ("/a/b/folder", f"rm -rf /a/b; ln -s {outside.climb()} /a/b"),
    ):
        await build(f"FROM busybox\nVOLUME {volume}\nRUN {command}; true\n", no_cache=True)
        outside.check()


async def test_a_volume_of_an_earlier_step_is_a_link(build: Builder, outside: Outside) -> None:
    built = await build(
        f"FROM busybox\nRUN mkdir /x; ln -s {outside.path}/folder /x/v\nVOLUME /x/v /y\n"
        "RUN rm -rf /x/v/* ; touch /y/f\n"
    )
    assert SECRET not in built.log


async def test_a_volume_is_all_there_is_to_remove(build: Builder, outside: Outside) -> None:
    """A volume below a folder that the step swaps for a link to another folder of the image."""
    log = await run(
        build, "RUN mkdir -p /keep/v; touch /keep/v/file", "VOLUME /old/v",
        "RUN rm -rf /old; ln -s /keep /old; true", "RUN ls /keep/v",
    )  # fmt: skip
    assert log.endswith("file\n") and log.count("file") == 1  # as root it is a mount, and "busy"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("target", ["outside", "inside", "up"])
async def test_an_image_whose_system_folder_is_a_link(build: Builder, outside: Outside, name: str, target: str) -> None:
    """CVE-2019-19921, CVE-2023-27561, CVE-2025-31133: /proc is a link, so that masks are mounted elsewhere."""
    link = {"outside": f"/oldroot{outside.path}/folder", "inside": "tmp", "up": outside.climb() + "/folder"}[target]
    layer = make_tar((name, {"type": tarfile.SYMTYPE, "link": link}))
    built = await build(
        f"FROM scratch AS root\nADD layer.tar /\nFROM root\nCOPY --from=busybox /bin /bin\n"
        f"RUN ls -la /{name}/ /oldroot 2>/dev/null; cat /proc/kcore /proc/keys 2>/dev/null | head -c 9; true\n",
        {"layer.tar": layer},
    )
    refused(built, f"/{name}", "folder")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["etc/resolv.conf", "etc/hosts"])
async def test_the_files_that_docker_mounts_are_links(build: Builder, outside: Outside, path: str) -> None:
    """CVE-2021-30465, CVE-2015-3629: a mount on a link of the image lands where the link says, outside."""
    for link in (str(outside.secret), f"/oldroot{outside.secret}", outside.climb() + "/secret"):
        await run(build, f"RUN rm -f /{path}; ln -s {link} /{path}; true", f"RUN echo x > /{path}; true")
        outside.check()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cache", "tmpfs", "bind,source=x"])
async def test_a_mount_on_a_link(build: Builder, outside: Outside, kind: str) -> None:
    """CVE-2021-30465, CVE-2024-23652: mount points of a RUN behind links that lead out."""
    build.put({"x/y": ""})
    for link in (str(outside.path), f"/oldroot{outside.path}", outside.climb()):
        await build(
            f"FROM busybox\nRUN ln -s {link} /m\nRUN --mount=type={kind},target=/m/folder rm -rf /m/folder/*; true\n"
            f"RUN --mount=type={kind},target=/m/new/deep touch /m/new/deep/f; true\n"
            f"RUN --mount=type={kind},target=/m rm -rf /m/*; true\n",
            no_cache=True,
        )
        outside.check()


@pytest.mark.parametrize("target", ["/proc", "/proc/sys", "/proc/self", "/sys", "/sys/fs/cgroup", "/", "/link"])
async def test_a_mount_on_the_systems_folders(build: Builder, target: str) -> None:
    """CVE-2019-16884, CVE-2023-28642: a mount over /proc or /sys undoes what is masked there."""
    built = await build(f"FROM busybox\nRUN ln -s proc /link\nRUN --mount=type=tmpfs,target={target} ls /\n")
    refused(built, "mount")


@pytest.mark.slow
async def test_a_cache_that_is_a_link(build: Builder, outside: Outside) -> None:
    """CVE-2024-23651: links that a step leaves in a cache are not followed when the next step has it mounted."""
    links = (
        f"ln -s {outside.path} /c/link; ln -s {outside.climb()} /c/up; ln -s {outside.secret} /c/secret; "
        f"ln -s /oldroot{outside.path} /c/old; ln -s ../oldroot{outside.path} /c/old2"
    )
    mount = "--mount=type=cache,id=x,target=/c"
    built = await build(
        f"FROM busybox\nRUN {mount} {links}\nRUN {mount} cat /c/link/secret /c/up/secret /c/secret 2>/dev/null; true\n"
    )
    assert SECRET not in built.log
    for link in ("link", "up", "old", "old2"):
        for kind, place in (
            ("cache,id=y", "folder"),
            ("tmpfs", "folder"),
            ("cache,id=z", "new/deep"),
            ("tmpfs", "new2"),
        ):
            nested = f"--mount=type={kind},target=/c/{link}/{place}"
            refused(await build(f"FROM busybox\nRUN {mount} {nested} touch /c/{link}/{place}/f\n"), "over a link")
            outside.check()


async def test_a_mount_in_a_cache_by_way_of_a_link_of_the_image(build: Builder) -> None:
    mounts = "--mount=type=cache,target=/c --mount=type=tmpfs,target=/way/x"
    refused(await build(f"FROM busybox\nRUN ln -s /c /way\nRUN {mounts} true\n"), "by way of a link")
    assert (
        await run(build, "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/c/t touch /c/t/a; ls /c/t")
        == "a\n"
    )


@pytest.mark.slow
async def test_a_cache_changes_while_another_step_mounts_it(build: Builder, outside: Outside) -> None:
    """CVE-2024-23651: one build swaps a folder of a shared cache for a link while others mount it and below it."""
    mount = "--mount=type=cache,id=race,target=/c"
    swap = f"for n in $(seq 300); do rm -rf /c/d; ln -s {outside.path} /c/d; rm -f /c/d; mkdir /c/d; done"
    swapping = f"FROM busybox\nRUN {mount} {swap}\n"  # not on disk, where the other builds have theirs
    racing = asyncio.create_task(build("FROM busybox\n", no_cache=True, dockerfile_text=swapping))
    for _ in range(5):
        text = f"FROM busybox\nRUN {mount} --mount=type=tmpfs,target=/c/d/folder cat /c/d/secret 2>/dev/null; true\n"
        other = await build("FROM busybox\n", no_cache=True, dockerfile_text=text)
        assert SECRET not in other.log
    assert (await racing).end.outcome == "succeeded"


async def test_the_name_of_a_cache_is_not_a_path(build: Builder, outside: Outside) -> None:
    for name in ("../../outside", str(outside.path), "..", "."):
        await run(build, f"RUN --mount=type=cache,id={name},target=/c touch /c/f; cat /c/secret 2>/dev/null; true")
        outside.check()


async def test_a_bind_cannot_be_written_back(build: Builder) -> None:
    """Also where the mount is asked to be writable: what is written is lost, in the context and in the image."""
    build.put({"x/y": "before\n"})
    await run(
        build,
        "RUN --mount=type=bind,source=x,target=/b,rw echo after > /b/y; rm -f /b/y; true",
        "RUN --mount=type=bind,from=busybox,source=/etc,target=/b,rw echo x > /b/passwd; true",
    )
    assert (build.context / "x/y").read_text() == "before\n"
    assert "root" in await run(build, "RUN cat /etc/passwd")


async def test_the_source_of_a_bind_is_a_link_to_outside(build: Builder, outside: Outside) -> None:
    (build.context / "link").symlink_to(outside.path)
    (build.context / "up").symlink_to(outside.climb())
    (build.context / "file").symlink_to(outside.secret)
    for source in ("link", "up", "file", "link/secret", "up/secret", "../outside/secret", "."):
        built: Result = await build(
            f"FROM busybox\nRUN --mount=type=bind,source={source},target=/b "
            "cat /b /b/secret /b/link/secret /b/up/secret /b/file 2>/dev/null; true\n"
        )
        assert SECRET not in built.log


async def test_set_user_id_programs_are_not_for_others(build: Builder) -> None:
    """CVE-2021-41091: a set-user-ID program that a RUN makes lies in the store as a file; nobody else gets to it."""
    built = await build(
        "FROM busybox\nRUN --mount=type=cache,target=/c cp /bin/busybox /su; chmod 4755 /su; cp -p /su /c\n"
    )
    with tarfile.open(fileobj=io.BytesIO(build.store.blob_path(built.diff_ids()[-1]).read_bytes())) as tar:
        assert tar.getmember("su").mode == 0o4755
    found = [path for path in build.store.root.rglob("su") if path.stat().st_mode & 0o4000]
    assert len(found) == 2
    for path in found:
        assert any(
            parent.stat().st_mode & 0o077 == 0 for parent in path.parents if parent.is_relative_to(build.store.root)
        )
