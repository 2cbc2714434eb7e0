"""Each step that is not reused says which file, argument, option, base or instruction changed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from builds import Builder, Result

from workbench.build.change import Change, sentence
from workbench.build.events import StepFinished
from workbench.engines.embedded.bwrap import Ability

TEXT = """\
FROM scratch
ARG VERSION=1.0
ENV NAME=value
COPY src /app
COPY notes.txt /
LABEL last=yes
"""
FILES = {"src/app.py": "print()", "src/lib/b.py": "b", "notes.txt": "notes"}


def reasons(result: Result) -> dict[int, str]:
    """The sentence of each step that has one."""
    found = {event.step: sentence(event.why) for event in result.events if isinstance(event, StepFinished)}
    return {step: text for step, text in found.items() if text}


async def test_a_first_build_knows_no_earlier_one(scratch_build: Builder) -> None:
    first = await scratch_build(TEXT, FILES)
    assert reasons(first)[2] == "no earlier build of it is known"
    assert reasons(first)[6] == "step 2 before it was not reused"
    assert 1 not in reasons(first)
    assert reasons(await scratch_build(TEXT)) == {}


@pytest.mark.parametrize(
    ("text", "files", "step", "wanted"),
    [
        (TEXT, {"src/app.py": "print(1)"}, 4, "src/app.py changed"),
        (TEXT, {"src/new.py": ""}, 4, "src/new.py is new"),
        (TEXT, {"notes.txt": "other"}, 5, "notes.txt changed"),
        (TEXT.replace("COPY src /app", "COPY src /srv"), {}, 4, "the instruction changed"),
        (TEXT.replace("=1.0", "=1.1"), {}, 2, "the instruction changed"),
        (TEXT.replace("value", "other"), {}, 3, "the instruction changed"),
        (TEXT + "LABEL more=yes\n", {}, 7, "no earlier build of it is known"),
    ],
)
async def test_what_changed(scratch_build: Builder, text: str, files: dict[str, str], step: int, wanted: str) -> None:
    await scratch_build(TEXT, FILES)
    found = reasons(await scratch_build(text, files))
    assert min(found) == step
    assert found[step] == wanted
    for later in range(step + 1, len(text.splitlines()) + 1):
        assert found[later] == f"step {step} before it was not reused"


async def test_the_build_before_last_explains_too(scratch_build: Builder) -> None:
    await scratch_build(TEXT, FILES)
    await scratch_build(TEXT.replace("/app", "/srv"))
    found = reasons(await scratch_build(TEXT, {"src/lib/b.py": "bb"}))
    assert found[4] == "src/lib/b.py changed"


async def test_modes_and_many_files(scratch_build: Builder) -> None:
    await scratch_build(TEXT, FILES)
    (scratch_build.context / "src/app.py").chmod(0o755)
    assert reasons(await scratch_build(TEXT))[4] == "src/app.py: mode 644 -> 755"
    many = {f"src/m{n:03}": "" for n in range(300)}
    result = await scratch_build(TEXT, many)
    event = next(it for it in result.events if isinstance(it, StepFinished) and it.step == 4)
    assert len(event.why) < 20
    assert sentence(event.why) == "300 files changed: src/m000, src/m001, src/m002, ..."


async def test_no_cache_and_what_was_removed(scratch_build: Builder) -> None:
    await scratch_build(TEXT, FILES)
    assert set(reasons(await scratch_build(TEXT, no_cache=True)).values()) == {"--no-cache"}
    await scratch_build.engine.images.prune(all=True)
    assert reasons(await scratch_build(TEXT))[4] == "its result of an earlier build was removed"


async def test_another_stage(scratch_build: Builder) -> None:
    text = "FROM scratch AS one\nCOPY src /app\nFROM one AS two\nLABEL a=b\nFROM scratch\nCOPY --from=two /app /app\n"
    await scratch_build(text, FILES)
    found = reasons(await scratch_build(text, {"src/app.py": "other"}))
    assert found == {2: "src/app.py changed", 4: "stage one is built anew", 6: "two:/app/app.py changed"}


async def test_a_base_that_moved(scratch_build: Builder) -> None:
    text = "FROM mine\nCOPY notes.txt /\n"
    await scratch_build("FROM scratch\nLABEL n=1\n", FILES, tags=("mine:latest",))
    await scratch_build(text, dockerfile="Other.Dockerfile", dockerfile_text=text)
    await scratch_build("FROM scratch\nLABEL n=2\n", tags=("mine:latest",))
    found = reasons(await scratch_build(text, dockerfile="Other.Dockerfile", dockerfile_text=text))
    assert found[2].startswith("the base image mine changed: ")
    again = text.replace("FROM mine", "FROM scratch")
    found = reasons(await scratch_build(text, dockerfile="Other.Dockerfile", dockerfile_text=again))
    assert found[2] == "the base image changed: mine -> scratch"


async def test_arguments_and_options_of_a_run(build: Builder, sandbox: Ability) -> None:
    text = "FROM busybox\nARG VERSION\nARG NPM_TOKEN\nRUN echo $VERSION\n"
    await build(text, build_args={"VERSION": "1.0", "NPM_TOKEN": "hunter2"})
    assert reasons(await build(text, build_args={"VERSION": "1.1", "NPM_TOKEN": "hunter2"})) == {
        4: "ARG VERSION: 1.0 -> 1.1"
    }
    told = await build(text, build_args={"VERSION": "1.1", "NPM_TOKEN": "hunter3"})
    assert "hunter" not in reasons(told)[4]
    assert reasons(told)[4].startswith("ARG NPM_TOKEN: sha256:")
    found = await build(text, build_args={"VERSION": "1.1", "NPM_TOKEN": "hunter3"}, network="none")
    assert reasons(found)[4] == "--network: not set -> none"
    kept = [gzip.decompress(path.read_bytes()) for path in (build.store.private / "steps").glob("*.manifest")]
    assert any(b"VERSION" in manifest for manifest in kept)
    assert not any(b"hunter" in manifest for manifest in kept)


async def test_what_a_mount_binds(build: Builder, sandbox: Ability) -> None:
    text = "FROM busybox\nRUN --mount=type=bind,source=src,target=/src cat /src/app.py\n"
    await build(text, FILES)
    assert reasons(await build(text, {"src/app.py": "other"})) == {2: "src/app.py changed"}


async def test_a_context_speaks_of_its_own_builds(scratch_build: Builder, tmp_path: Path) -> None:
    await scratch_build(TEXT, FILES)
    other = Builder(tmp_path / "store", tmp_path / "other")
    other.context.mkdir()
    other.engine = scratch_build.engine
    found = await other("FROM scratch\nLABEL of=another\n")
    assert [it.why for it in found.events if isinstance(it, StepFinished)] == [(), (Change("first"),)]
