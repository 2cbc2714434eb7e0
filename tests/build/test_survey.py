"""Without any engine: the steps of a Dockerfile as they are now, against the records of an earlier build."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from workbench.build.change import sentence
from workbench.build.events import BuildEvent, BuildFinished, BuildStarted, StepFinished, StepStarted
from workbench.build.explain import ExplainedBuild, forecast_from_records
from workbench.build.forecast import Forecast
from workbench.build.request import BuildRequest
from workbench.build.step_records import KEPT, StepRecords
from workbench.build.steps import Builder
from workbench.build.survey import Survey
from workbench.config import state_dir
from workbench.engines.replay import ReplayImages

TEXT = """\
ARG TAG=1
FROM base:$TAG AS one
ARG VERSION=1.0
COPY src /app
LABEL a=1
RUN make
FROM scratch AS unused
COPY nothing /
FROM base:$TAG
ENV A=b
COPY --from=one /app /app
RUN --mount=type=bind,source=src,target=/src ls /src
"""
BASES = {"base:1": "aaaaaaaaaaaa", "base:2": "bbbbbbbbbbbb"}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("a")
    (tmp_path / ".dockerignore").write_text("**/*.log\n")
    (tmp_path / "Dockerfile").write_text(TEXT)
    return tmp_path


def survey(context: Path, text: str = TEXT, builder: Builder = "buildkit", **options: Any) -> Survey:
    request = BuildRequest(context=context, dockerfile_text=text, **options)
    return Survey.look(request, "test", builder, lambda: False)


def build(context: Path, text: str = TEXT, **options: Any) -> None:
    """Every step is done and recorded."""
    found = survey(context, text, **options)
    found.records.add([(step, "") for step in found.steps(BASES) if step.stage >= 0])


def foreseen(context: Path, text: str = TEXT, **options: Any) -> Forecast:
    return survey(context, text, **options).forecast(BASES)


def verdicts(forecast: Forecast) -> str:
    """`=` reuse, `!` rerun, `?` unknown."""
    return "".join({"reuse": "=", "rerun": "!", "unknown": "?"}[step.verdict] for step in forecast.steps)


def test_numbers_and_lines_are_those_of_the_builder(context: Path) -> None:
    steps = survey(context).steps(BASES)
    assert [(it.number, it.line) for it in steps][:7] == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 9)]
    classic = survey(context, builder="classic", labels={"b": "2", "a": "1"}).steps(BASES)
    assert [it.line for it in classic] == [*range(1, 13), 0, 0]
    assert [it.manifest.instruction for it in classic[-2:]] == ["LABEL a=1", "LABEL b=2"]
    assert len(survey(context, target="one").steps(BASES)) == 6


def test_a_first_build_and_the_same_again(context: Path) -> None:
    first = foreseen(context)
    assert verdicts(first) == "==!!!!=!??"
    assert first.first is not None
    assert sentence(first.first.why) == "no earlier build of it is known"
    build(context)
    assert set(verdicts(foreseen(context))) == {"="}
    assert foreseen(context).first is None


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("RUN make", "RUN make all", 6, "the instruction changed"),
        ("VERSION=1.0", "VERSION=1.1", 6, "ARG VERSION: 1.0 -> 1.1"),
        ("A=b", "A=c", 12, "ENV A: b -> c"),
        ("TAG=1", "TAG=2", 4, "the base image changed: base:1 -> base:2"),
        ("COPY src /app", "COPY --chown=5 src /app", 4, "the instruction changed"),
    ],
)
def test_an_edit_in_buildkit(context: Path, old: str, new: str, line: int, why: str) -> None:
    build(context)
    found = foreseen(context, TEXT.replace(old, new))
    files = [it for it in found.steps if it.verdict == "rerun" and it.line in (4, 6, 11, 12)]
    assert (files[0].line, sentence(files[0].why)) == (line, why)


def test_metadata_stands_in_the_way_of_nothing_but_in_the_classic_builder(context: Path) -> None:
    text = "FROM base:1\nLABEL a=1\nRUN make\n"
    build(context, text)
    assert verdicts(foreseen(context, text.replace("a=1", "a=2"))) == "=!="
    build(context, text, builder="classic")
    found = foreseen(context, text.replace("a=1", "a=2"), builder="classic")
    assert verdicts(found) == "=!!"
    assert sentence(found.steps[2].why) == "step 2 before it was not reused"


def test_files(context: Path) -> None:
    text = "FROM base:1\nCOPY src /a\nCOPY s*/*.py /b/\nCOPY --exclude=*.py src /c\nADD http://h.invalid/x /\n"
    build(context, text)
    assert verdicts(foreseen(context, text)) == "====?"
    (context / "src" / "noise.log").write_text("not sent")
    assert verdicts(foreseen(context, text)) == "====?"
    (context / "src" / "b.py").write_text("b")
    found = foreseen(context, text)
    assert [sentence(step.why) for step in found.steps[:2]] == ["", "src/b.py is new"]
    assert verdicts(foreseen(context, text.replace("COPY src /a", "COPY ./src/ /a"))) == "=!!!!"
    (context / "src" / "b.py").unlink()
    assert verdicts(foreseen(context, text.replace("COPY src /a", "COPY ./src/ /a"))) == "====?"


def test_a_link_beside_everything_is_apart(context: Path) -> None:
    text = "FROM base:1\nRUN one\nCOPY --link src /a\nRUN two\n"
    build(context, text)
    assert verdicts(foreseen(context, text.replace("one", "1"))) == "=!=!"


def test_no_cache_for_all_and_for_a_stage(context: Path) -> None:
    build(context)
    assert set(verdicts(foreseen(context, no_cache=True))) == {"=", "!"}
    found = foreseen(context, no_cache_filter=("one",))
    assert [it.line for it in found.steps if it.verdict == "rerun"] == [3, 4, 5, 6]
    assert [it.line for it in found.steps if it.verdict == "unknown"] == [11, 12]


def test_records_are_bounded_private_and_survive_damage(context: Path) -> None:
    for number in range(KEPT + 3):
        text = f"FROM base:1\nARG API_TOKEN\nRUN {number}\n"
        build(context, text, build_args={"API_TOKEN": "hunter2"})
    records = StepRecords(BuildRequest(context=context), "test")
    assert len(records.load()) == KEPT
    (folder,) = (state_dir() / "steps").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    kept = [records.manifest(step.identity) for step in records.load()[0]]
    assert any(manifest is not None and "API_TOKEN" in manifest.arguments for manifest in kept)
    assert not any("hunter2" in str(manifest) for manifest in kept)
    assert len(list(folder.glob("*.gz"))) <= 3 * KEPT
    for path in folder.iterdir():
        path.write_bytes(b"damaged")
    assert records.load() == []
    assert records.manifest("nothing") is None
    build(context)
    assert len(records.load()) == 1


class Told:
    """A build that is told."""

    def __init__(self, *events: BuildEvent) -> None:
        self._events = iter(events)

    def __aiter__(self) -> AsyncIterator[BuildEvent]:
        return self

    async def __anext__(self) -> BuildEvent:
        for event in self._events:
            return event
        raise StopAsyncIteration

    def cancel(self) -> None: ...

    async def aclose(self) -> None: ...


def explained_build(context: Path, cached: str, *, tells: bool = True) -> ExplainedBuild:
    """A build of one stage, whose steps are cached where `cached` has a `=`."""
    lines = (context / "Dockerfile").read_text().splitlines()
    events: list[BuildEvent] = [BuildStarted(build="1", engine="test")]
    for number, mark in enumerate(cached, 1):
        image = "a" * 12 if number == 1 else str(number) * 12
        events.append(StepStarted(step=number, total=len(cached), text=lines[number - 1], line=number, end_line=number))
        events.append(StepFinished(step=number, cached=mark == "=", image=image))
    told = Told(*events, BuildFinished(outcome="succeeded"))
    request = BuildRequest(context=context)
    return ExplainedBuild(told, request, "test", "classic", ReplayImages(), tells=tells)  # type: ignore[arg-type]


async def explained(context: Path, cached: str) -> list[str]:
    """The reasons of each step."""
    build = explained_build(context, cached)
    found = [event async for event in build]
    await build.aclose()
    return [sentence(event.why) for event in found if isinstance(event, StepFinished)]


async def test_a_build_says_why_and_leaves_a_record(context: Path) -> None:
    (context / "Dockerfile").write_text("FROM base\nCOPY src /app\nRUN make\n")
    first = await explained(context, "...")
    assert first == ["", "no earlier build of it is known", "step 2 before it was not reused"]
    assert await explained(context, ".==") == ["", "", ""]
    (context / "src" / "a.py").write_text("b")
    assert await explained(context, "...") == ["", "src/a.py changed", "step 2 before it was not reused"]
    request = BuildRequest(context=context)
    (context / "src" / "a.py").write_text("c")
    forecast = await forecast_from_records(ReplayImages(), request, "test", "buildkit")  # type: ignore[arg-type]
    assert forecast is not None
    fetched = BuildRequest(context=None, remote="https://h.invalid/x.git")
    assert await forecast_from_records(ReplayImages(), fetched, "test", "classic") is None  # type: ignore[arg-type]


async def test_a_build_that_tells_no_reasons_leaves_a_record_after_its_end(context: Path) -> None:
    (context / "Dockerfile").write_text("FROM base\nCOPY src /app\nRUN make\n")
    build = explained_build(context, "...", tells=False)
    found = [event async for event in build]
    assert isinstance(found[-1], BuildFinished)
    assert not any(event.why for event in found if isinstance(event, StepFinished))
    records = StepRecords(BuildRequest(context=context), "test")
    assert records.load() == []
    await build.aclose()
    assert [len(steps) for steps in records.load()] == [3]
    (context / "src" / "a.py").write_text("b")
    assert await explained(context, "...") == ["", "src/a.py changed", "step 2 before it was not reused"]


async def test_a_cancelled_build_waits_for_no_reasons(context: Path) -> None:
    for number in range(300):
        (context / "src" / f"f{number}").write_bytes(b"x" * 4096)
    request = BuildRequest(context=context)
    told = Told(BuildStarted(build="1", engine="test"), BuildFinished(outcome="cancelled"))
    build = ExplainedBuild(told, request, "test", "classic", ReplayImages())  # type: ignore[arg-type]
    assert isinstance(await build.__anext__(), BuildStarted)
    build.cancel()
    last = await asyncio.wait_for(build.__anext__(), 5)
    assert isinstance(last, BuildFinished)
    await build.aclose()
