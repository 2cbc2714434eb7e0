"""The same Dockerfile by Docker's classic builder and by the embedded engine: one image, but for times and hashes."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from builds import Builder, make_tar

from tests.conftest import missing

EVERYTHING = """\
ARG BASE=nosuch
FROM ${BASE} AS first
MAINTAINER me <a@b>
ARG x=1 y
ENV A=b C="d e" P=${PATH}:/more
LABEL l=1 "m n"=o
EXPOSE 80 90-91/udp
VOLUME /vol /v2
USER 66
WORKDIR /wd/sub
RUN true
RUN echo hi $x; touch /tmp/z
COPY f /x/y/
COPY --chown=5:6 d /dd/e
COPY --chown=daemon:mail f /df/e/
COPY f d/a /multi/
ADD arch.tar /arch
COPY dl /dl
COPY d/l /ll
COPY d/* f /star/
COPY f /bin/sh2
WORKDIR sub2
WORKDIR /tmp
USER root
RUN touch /vol/q; chmod 700 /vol; rm -rf /dd/e/sub; ln /x/y/f /x/y/g; chmod 4755 /x/y/g; mkfifo /p; chown 7:8 /p
RUN rm -r /usr; mkdir /usr; ln -s ../bin /usr/bin; rm /bin/sh2
CMD echo hi
ENTRYPOINT ["a","b"]
CMD ["c"]
HEALTHCHECK --interval=5s CMD true
STOPSIGNAL 9
SHELL ["/bin/sh","-ec"]
RUN true && echo x
FROM first
COPY --from=first /dd /from/dd
COPY --from=0 --chown=9 /arch/d/a /from/
ONBUILD RUN foo
"""


@pytest.fixture(scope="module")
def snap(conformance: Path) -> tuple[ModuleType, ModuleType]:
    """The image flattener and the comparison of the conformance data."""
    sys.path.insert(0, str(conformance))
    try:
        return importlib.import_module("imgsnap"), importlib.import_module("compare")
    finally:
        sys.path.remove(str(conformance))


@pytest.fixture
def classic(docker_host: str, conformance: Path) -> Iterator[Any]:
    """`docker build` without BuildKit, and names of this test's own."""
    environment = {**os.environ, "DOCKER_BUILDKIT": "0", "DOCKER_HOST": docker_host}
    prefix = f"embedded-{uuid.uuid4().hex[:8]}"
    made: list[str] = []

    def docker(*arguments: str) -> None:
        try:
            subprocess.run(["docker", *arguments], env=environment, check=True, capture_output=True)
        except FileNotFoundError:
            missing("no docker command on this machine")

    def build(context: Path, out: Path) -> None:
        made.append(f"{prefix}-built")
        docker("build", "-t", made[-1], "--build-arg", f"BASE={prefix}-base", "--build-arg", "y=2", str(context))
        docker("save", "-o", str(out), made[-1])

    docker("load", "-q", "-i", str(conformance / "bases" / "busybox.tar"))
    docker("tag", "busybox:latest", f"{prefix}-base")
    made.append(f"{prefix}-base")
    yield build
    for name in reversed(made):
        subprocess.run(["docker", "rmi", name], env=environment, check=False, capture_output=True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="owners that RUN sets need root")
@pytest.mark.usefixtures("sandbox")
async def test_every_instruction_as_docker_does_it(build: Builder, classic: Any, snap: Any, tmp_path: Path) -> None:
    build.put({"d/a": "a\n", "d/sub/b": "b\n", "f": "f\n", "Dockerfile": EVERYTHING})
    context = build.context
    (context / "d/a").chmod(0o4755)
    (context / "d").chmod(0o700)
    (context / "d/l").symlink_to("a")
    (context / "dl").symlink_to("d")
    os.link(context / "d/a", context / "d/hard")
    (context / "arch.tar").write_bytes(make_tar(("d/a", {"data": b"x", "mode": 0o4711, "uid": 4}), ("d/b", {})))
    for path in (*context.rglob("*"), context):
        os.utime(path, (978307200, 978307200), follow_symlinks=False)
    theirs, ours = tmp_path / "docker.tar", tmp_path / "ours.tar"
    classic(context, theirs)
    built = await build(EVERYTHING, tags=("ours",), build_args={"BASE": "busybox", "y": "2"})
    assert built.end.outcome == "succeeded", built.end
    await build.engine.images.save(["ours"], ours)
    imgsnap, compare = snap
    wanted, got = imgsnap.snap(str(theirs)), imgsnap.snap(str(ours))
    assert compare.compare(wanted, got) == []
    assert got["layers"] == wanted["layers"]
    assert got["author"] == wanted["author"]
    assert [_line(entry) for entry in got["history"]] == [_line(entry) for entry in wanted["history"]]


def _line(entry: dict[str, Any]) -> tuple[str, bool]:
    """A line of history without the hashes of COPY and ADD, which are the builder's own."""
    return re.sub(r"(file|dir|multi):[0-9a-f]{64}", r"\1:", entry["created_by"] or ""), bool(entry["empty_layer"])
