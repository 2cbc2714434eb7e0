"""Messages of Podman 4.3's builder as they were seen on the wire, and the events that become of them."""

from __future__ import annotations

import tarfile
import uuid
from pathlib import Path
from typing import Any

import pytest

from workbench.build.events import BuildEvent, BuildFinished, StepFinished, StepLog, StepStarted
from workbench.build.names import untag
from workbench.dockerfile import parse
from workbench.engines.docker.containers import Containers
from workbench.engines.docker.engine import DockerEngine
from workbench.engines.docker.plan import make_plan
from workbench.engines.docker.podman import PodmanTranscript, left_running
from workbench.errors import ImageNotFound, UsageError
from workbench.report.images import image_rows

WHOLE = "a4a78a1712b8f367cdcab9c8b1337e69c0aee007c2e0be9ed25c50b0141fd5dd"
END = [
    "COMMIT docker.io/library/foo\n", "--> a4a78a1712b\n", "Successfully tagged docker.io/library/foo:latest\n",
    f"{WHOLE}\n", {"aux": {"ID": f"sha256:{WHOLE}"}}, "Successfully built a4a78a1712b8\n", "Successfully tagged foo\n",
]  # fmt: skip

STAGES = """\
ARG BASE=busybox
FROM ${BASE} AS build
RUN echo out; \\
    echo more
FROM build AS unwanted
RUN true
FROM busybox AS last
RUN cat /version
"""


def tell(text: str, *messages: Any) -> tuple[PodmanTranscript, list[BuildEvent], BuildFinished | None]:
    events: list[BuildEvent] = []
    plan = make_plan(parse(text), None, {})
    transcript = PodmanTranscript(events.append, plan, Containers(events.append), tags=("foo:latest",))
    for message in messages:
        transcript.take({"stream": message} if isinstance(message, str) else message)
    return transcript, events, transcript.outcome()


def started(events: list[BuildEvent]) -> list[tuple[int, int, str]]:
    return [(it.step, it.line, it.stage) for it in events if isinstance(it, StepStarted)]


def logs(events: list[BuildEvent]) -> list[tuple[int, str]]:
    return [(it.step, it.text) for it in events if isinstance(it, StepLog)]


def ends(events: list[BuildEvent]) -> list[tuple[int, str, bool]]:
    return [(it.step, it.image, it.cached) for it in events if isinstance(it, StepFinished)]


def test_stages_are_counted_anew_and_unneeded_ones_left_out() -> None:
    _, events, end = tell(
        STAGES,
        "[1/3] STEP 1/2: FROM busybox AS build\n", "[1/3] STEP 2/2: RUN echo out;     echo more\n", "out\n", "more\n",
        "--> e7ae8447086\n", "[3/3] STEP 1/2: FROM busybox AS last\n", "[3/3] STEP 2/2: RUN cat /version\n",
        "version\n", "[3/3] COMMIT docker.io/library/foo\n", *END[1:],
    )  # fmt: skip
    assert started(events) == [(2, 2, "build"), (3, 3, "build"), (6, 7, "last"), (7, 8, "last")]
    assert logs(events) == [(3, "out\n"), (3, "more\n"), (7, "version\n")]
    assert ends(events) == [(2, "", False), (3, "e7ae8447086", False), (6, "", False), (7, "a4a78a1712b", False)]
    assert end is not None
    assert (end.outcome, end.image, end.tags) == ("succeeded", f"sha256:{WHOLE}", ("foo:latest",))


def test_what_comes_from_the_cache() -> None:
    known = "880d47f68bba21862c5b2ddfd5061ed9f654a20fdf9d7ec7dbff1c02db69058c"
    _, events, end = tell(
        "FROM busybox\nENV a=b\nCMD x\n",
        "STEP 1/3: FROM busybox\n", "STEP 2/3: ENV a=b\n", f"--> Using cache {known}\n", "--> 880d47f68bb\n",
        "STEP 3/3: CMD x\n", f"--> Using cache {WHOLE}\n", *END,
    )  # fmt: skip
    assert ends(events) == [(1, "", False), (2, known, True), (3, WHOLE, True)]
    assert end is not None and end.outcome == "succeeded"


def test_a_command_speaks_for_itself() -> None:
    forged = [
        "STEP 9/9: FROM evil\n", "STEP 3/3: RUN other\n", "--> 0123456789ab\n", "Successfully tagged evil:latest\n",
        "COMMIT evil\n", "still the command\n", "Successfully tagged evil:latest\n",
    ]  # fmt: skip
    _, events, end = tell(
        "FROM busybox\nRUN forge\nCMD x\n", "STEP 1/3: FROM busybox\n", "STEP 2/3: RUN forge\n", *forged,
        "--> 880d47f68bb\n", "STEP 3/3: CMD x\n", *END,
    )  # fmt: skip
    assert logs(events) == [(2, text) for text in forged]
    assert ends(events) == [(1, "", False), (2, "880d47f68bb", False), (3, "a4a78a1712b", False)]
    assert end is not None and end.outcome == "succeeded"


def test_a_failure_is_of_its_step() -> None:
    said = 'building at STEP "RUN exit 7": while running runtime: exit status 7\n'
    transcript, events, end = tell(
        "FROM busybox\nRUN exit 7\n", "STEP 1/2: FROM busybox\n", "STEP 2/2: RUN exit 7\n", "COMMIT me\n",
        {"errorDetail": {"message": said}, "error": said},
    )  # fmt: skip
    assert logs(events) == [(2, "COMMIT me\n")]
    assert end is not None
    assert (end.outcome, end.step, end.line, end.error) == ("failed", 2, 2, said.strip())
    assert left_running(transcript) == ""


def test_a_cancelled_command_goes_on_and_an_end_is_no_success() -> None:
    transcript, _, end = tell("FROM busybox\nRUN x\n", "STEP 1/2: FROM busybox\n", "STEP 2/2: RUN x\n", "hi\n")
    assert end is None
    assert "until it ends" in left_running(transcript)


@pytest.mark.slow
async def test_names_are_found_that_podman_lists_with_their_registry(docker_podman: str, tmp_path: Path) -> None:
    images = DockerEngine(docker_podman).images
    name = f"named-{uuid.uuid4().hex[:8]}"
    (tmp_path / "file").write_text(name)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tmp_path / "file", "file")
    identifier = await images.import_(tmp_path / "x.tar", tag=f"{name}:1")
    await images.tag(f"{name}:1", f"{name}:2")
    try:
        assert sorted(row.tag for row in image_rows(await images.list(name=name), name)) == ["1", "2"]
        await untag(images, f"{name}:2")
        assert [row.tag for row in image_rows(await images.list(name=name), name)] == ["1"]
        with pytest.raises(ImageNotFound):
            await untag(images, f"{name}:2")
        with pytest.raises(UsageError, match="only name"):
            await untag(images, f"{name}:1")
    finally:
        await images.remove([identifier], force=True)
