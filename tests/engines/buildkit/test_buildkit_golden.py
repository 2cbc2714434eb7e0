"""The cases of buildah's conformance suite, built by the BuildKit of Docker 28 through the workbench, against what
Docker's classic builder made of them. Where the two builders differ, the table says how and why; nothing else may."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.engines.bench import Bench
from workbench.build.events import BuildFinished
from workbench.build.request import BuildRequest

REFUSED = "BuildKit refuses it"


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs in a case: `where` are paths of the image, or REFUSED where there is none."""

    kind: str
    where: tuple[str, ...]
    why: str


_IGNORED = "exceptions of .dockerignore below a folder that a rule excludes"
_GOES_IN = (
    "`**/x` excludes a folder, and `!**/y` takes in what lies below it: the classic builder's client does not go into "
    "the folder, as no exception begins with its path (moby, pkg/archive); BuildKit's does (fsutil, filter.go)"
)
_LINKS = "a symbolic link that stands where a folder is to be written"
_BELOW_F = ("file-a.txt", "file-n.txt", "file-o.txt", "subdir-g", "subdir-g/subdir-b")
DIFFERENCES: Mapping[int, Difference] = {
    34: Difference(
        "what RUN writes into a VOLUME",
        ("var/www/file3",),
        "the classic builder runs RUN with a volume there, whose content is lost; to BuildKit VOLUME is configuration",
    ),
    105: Difference(
        _IGNORED,
        ("subdir/subdir-e", "subdir/subdir-e/subdir-f", *(f"subdir/subdir-e/subdir-f/{it}" for it in _BELOW_F)),
        _GOES_IN,
    ),
    106: Difference(_IGNORED, ("subdir/subdir-f", *(f"subdir/subdir-f/{it}" for it in _BELOW_F)), _GOES_IN),
    107: Difference(
        _IGNORED, tuple(f"subdir/subdir-e/subdir-f{it}" for it in ("", "/subdir-g", "/subdir-g/subdir-b")), _GOES_IN
    ),
    108: Difference(
        _IGNORED, tuple(f"subdir/subdir-f{it}" for it in ("", "/subdir-g", "/subdir-g/subdir-b")), _GOES_IN
    ),
    128: Difference(
        "an archive whose files lie behind its own symbolic link to an absolute path",
        (REFUSED,),
        "the classic builder follows the link within the image; BuildKit's unpacking takes it for a way out",
    ),
    159: Difference(_LINKS, (REFUSED,), "the classic builder replaces the link by the folder; BuildKit never does"),
    161: Difference(
        "a folder that stands where a symbolic link is to be written",
        (REFUSED,),
        "the classic builder does so; BuildKit never does",
    ),
}


@pytest.fixture
def tools(conformance: Path) -> Iterator[tuple[ModuleType, ModuleType]]:
    """`compare` and `imgsnap` of the conformance data."""
    sys.path.insert(0, str(conformance))
    try:
        yield importlib.import_module("compare"), importlib.import_module("imgsnap")
    finally:
        sys.path.remove(str(conformance))


def unpack(case: dict[str, Any], conformance: Path, context: Path) -> None:
    context.mkdir(parents=True)
    archive = conformance / "buildah" / "contexts" / case["contextTar"]
    options = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p", "-C", str(context), "-xf", str(archive)]
    subprocess.run(["tar", *options], check=True)
    (context / case["dockerfileName"]).write_text(case["dockerfile"])
    for path in (context / case["dockerfileName"], context):
        os.utime(path, (1485449953, 1485449953))


async def bases(bench: Bench, conformance: Path) -> None:
    for archive, name in (("busybox.tar", "busybox"), ("alpine-standin.tar", "alpine")):
        if not await bench.engine.images.list(name=f"mirror.gcr.io/{name}:latest"):
            await bench.engine.images.load(conformance / "bases" / archive)
            await bench.engine.images.tag(f"{name}:latest", f"mirror.gcr.io/{name}:latest")


async def differences(case: dict[str, Any], bench: Bench, conformance: Path, folder: Path, tools: Any) -> list[str]:
    """The paths of the image, or the names of its settings, that are not as in the classic builder's."""
    compare, imgsnap = tools
    unpack(case, conformance, folder / "context")
    tag = f"workbench-golden-{uuid.uuid4().hex[:8]}:latest"
    request = BuildRequest(
        context=folder / "context", dockerfile=case["dockerfileName"], tags=(tag,), build_args=case["buildArgs"] or {}
    )
    end = [event async for event in bench.engine.build(request)][-1]
    assert isinstance(end, BuildFinished)
    if end.outcome != "succeeded":
        return [] if case["shouldFailAt"] else [REFUSED]
    try:
        assert not case["shouldFailAt"], f"case {case['index']} was built, and must fail"
        expected = conformance / "buildah" / "expected" / f"{case['index']:03d}.json.gz"
        if not case["compareWithDocker"] or not expected.exists():
            return []
        await bench.engine.images.save([tag], folder / "image.tar")
        wanted = json.loads(gzip.decompress(expected.read_bytes()))
        found = compare.compare(wanted, imgsnap.snap(str(folder / "image.tar")), case.get("fsSkip") or [])
        return [str(it.get("path") or it.get("config")) for it in found]
    finally:
        await bench.engine.images.remove([tag], force=True)


@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.timeout(290)
@pytest.mark.skipif(os.geteuid() != 0, reason="contexts have files of several owners: only root unpacks them")
async def test_images_are_those_of_the_classic_builder(
    newest: Bench, conformance: Path, tmp_path: Path, tools: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await bases(newest, conformance)
    cases = json.loads((conformance / "buildah" / "cases.json").read_text())["cases"]
    found: dict[int, tuple[str, ...]] = {}
    for case in cases:
        folder = tmp_path / str(case["index"])
        if where := await differences(case, newest, conformance, folder, tools):
            found[case["index"]] = tuple(sorted(where))
    with capsys.disabled():
        print(f"\nBuildKit and the classic builder: {len(cases) - len(found)} of {len(cases)} images are the same")
        for index, paths in found.items():
            known = DIFFERENCES.get(index)
            print(f"  {index:03d} {known.kind if known else 'NOT KNOWN'}: {', '.join(paths)}")
            if known:
                print(f"      {known.why}")
    assert found == {index: known.where for index, known in DIFFERENCES.items()}
