"""`--output`: results that come back as files, on three generations and with containerd's image store."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.engines.bench import Bench, finished
from workbench.build.events import BuildEvent, BuildWarning
from workbench.errors import Unsupported

pytestmark = pytest.mark.slow

TREE = """FROM busybox AS build
RUN mkdir -p /out/deep && echo hello > /out/deep/file && chmod 750 /out/deep/file && ln /out/deep/file /out/again \\
 && ln -s deep/file /out/link && ln -s /etc /out/deep/away && touch /out/empty && mkdir -m 711 /out/bare
FROM scratch
COPY --from=build /out /
"""


def succeeded(events: list[BuildEvent]) -> None:
    end = finished(events)
    assert end.outcome == "succeeded", end.error


async def test_a_folder(buildkit: Bench, tmp_path: Path) -> None:
    out = tmp_path / "made" / "out"
    (out / "old").mkdir(parents=True)
    (out / "deep").symlink_to(tmp_path)  # what stands in the way of a folder is replaced, and not written through
    succeeded(await buildkit.build(TREE, output=(str(out),)))
    found = sorted(os.path.relpath(os.path.join(top, name), out) for top, ds, fs in os.walk(out) for name in ds + fs)
    assert found == ["again", "bare", "deep", "deep/away", "deep/file", "empty", "link", "old"]
    assert (out / "deep/file").read_text() == "hello\n"
    assert (out / "deep/file").stat().st_mode & 0o777 == 0o750
    assert (out / "bare").stat().st_mode & 0o777 == 0o711
    assert (out / "again").samefile(out / "deep/file")
    assert os.readlink(out / "link") == "deep/file" and os.readlink(out / "deep/away") == "/etc"
    assert sorted(it.name for it in tmp_path.iterdir()) == ["context", "made"]


async def test_a_tar(buildkit: Bench, tmp_path: Path) -> None:
    succeeded(await buildkit.build(TREE, output=(f"type=tar,dest={tmp_path}/x.tar",)))
    with tarfile.open(tmp_path / "x.tar") as archive:
        file = archive.extractfile("deep/file")
        assert file is not None and file.read() == b"hello\n"
    assert sorted(it.name for it in tmp_path.iterdir()) == ["context", "x.tar"]


async def _oci(bench: Bench, place: Path) -> None:
    tag = bench.tag("oci")
    succeeded(await bench.build(TREE, tags=(tag,), output=(f"type=oci,dest={place}",)))
    with tarfile.open(place) as archive:
        index = json.load(archive.extractfile("index.json") or io.BytesIO())
        assert {"oci-layout", "index.json"} <= set(archive.getnames())
        digest = index["manifests"][0]["digest"].partition(":")[2]
        assert json.load(archive.extractfile(f"blobs/sha256/{digest}") or io.BytesIO())["schemaVersion"] == 2
    shown = subprocess.run(
        ["skopeo", "inspect", "--config", f"oci-archive:{place}"], capture_output=True, check=True, timeout=30
    )
    assert json.loads(shown.stdout)["os"] == "linux"


async def test_an_oci_archive(buildkit: Bench, tmp_path: Path) -> None:
    await _oci(buildkit, tmp_path / "x.oci")


async def test_an_oci_archive_by_containerd(containerd: Bench, tmp_path: Path) -> None:
    await _oci(containerd, tmp_path / "x.oci")


async def test_an_archive_for_docker_load(buildkit: Bench, tmp_path: Path) -> None:
    tag = buildkit.tag("archive")
    events = await buildkit.build(TREE, tags=(tag,), output=(f"type=docker,dest={tmp_path}/x.tar",))
    succeeded(events)
    await buildkit.engine.images.remove([tag])
    assert list(await buildkit.engine.images.load(tmp_path / "x.tar")) == [tag]


async def test_several_at_once(buildkit: Bench, tmp_path: Path) -> None:
    tag = buildkit.tag("both")
    outputs = (f"type=tar,dest={tmp_path}/x.tar", f"{tmp_path}/out", "type=docker")
    try:
        events = await buildkit.build(TREE, tags=(tag,), output=outputs)
    except Unsupported as error:
        assert error.what == "more than one --output"
        assert (await buildkit.engine.check()).details[0] == "BuildKit before 0.11"
        return
    succeeded(events)
    assert (tmp_path / "out/deep/file").read_text() == "hello\n"
    assert tarfile.is_tarfile(tmp_path / "x.tar")
    assert await buildkit.engine.images.list(name=tag)


async def test_a_tag_that_names_nothing_is_said(newest: Bench, tmp_path: Path) -> None:
    events = await newest.build(TREE, tags=(newest.prefix,), output=(f"{tmp_path}/out",))
    succeeded(events)
    assert ["names no image" in event.message for event in events if isinstance(event, BuildWarning)] == [True]


async def test_a_folder_that_cannot_be_written(newest: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    end = finished(await newest.build(TREE, output=(f"type=local,dest={tmp_path}/file/out",)))
    assert end.outcome == "failed" and "Not a directory" in (end.error or "")


async def test_a_tar_on_stdout(newest: Bench, docker_28: str, tmp_path: Path) -> None:
    newest.request(TREE)
    command = [sys.executable, "-m", "workbench", "build", "-H", docker_28, "--engine", "buildkit", "-o", "-", "."]
    done = subprocess.run(command, cwd=newest.context, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert "deep/file" in archive.getnames()
    assert b"Step 1/" in done.stderr


async def test_platforms(buildkit: Bench, tmp_path: Path) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n"
    with pytest.raises(Unsupported, match="several platforms"):
        await buildkit.build(text, {"file": ""}, platform="linux/amd64,linux/arm64")
    succeeded(await buildkit.build(text, platform="linux/amd64,linux/arm64", output=(f"{tmp_path}/out",)))
    assert (tmp_path / "out/linux_amd64/amd64").exists() and (tmp_path / "out/linux_arm64/arm64").exists()
    tag = buildkit.tag("arm")
    succeeded(await buildkit.build(text, platform="linux/arm64", tags=(tag,)))
    assert (await buildkit.engine.images.inspect(tag))["Architecture"] == "arm64"


async def test_an_image_of_several_platforms(containerd: Bench, tmp_path: Path) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n"
    place = tmp_path / "x.oci"
    events = await containerd.build(
        text, {"file": ""}, platform="linux/amd64,linux/arm64", output=(f"type=oci,dest={place}",),
        attests=("type=provenance,mode=min",),
    )  # fmt: skip
    succeeded(events)
    with tarfile.open(place) as archive:
        index = json.load(archive.extractfile("index.json") or io.BytesIO())
        below = index["manifests"][0]["digest"].partition(":")[2]
        found = json.load(archive.extractfile(f"blobs/sha256/{below}") or io.BytesIO())["manifests"]
    architectures = [it["platform"]["architecture"] for it in found]
    assert sorted(architectures) == [
        "amd64",
        "arm64",
        "unknown",
        "unknown",
    ]
