"""The screen of finished builds: what it shows, what two of them differ in, and the way back."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tui.stage import NARROW, WIDE, images, make_app, make_context, recording, running, screen_text, until
from workbench.build.details import Details
from workbench.build.history import History, LayerRecord, Record, StepRecord
from workbench.engines.replay import ReplayEngine
from workbench.errors import EngineUnavailable
from workbench.tui.screens.builds import BuildsScreen
from workbench.tui.screens.text import TextScreen


def fill(context: Path) -> None:
    """Three builds: the second failed, the third reused a step."""
    history = History()
    for number, outcome in enumerate(("succeeded", "failed", "succeeded")):
        record = Record(
            when=time.time() - 3600 * (3 - number), revision=number + 1, engine="replay", outcome=outcome,  # type: ignore[arg-type]
            image=images()[number].id if outcome == "succeeded" else "", tags=("genesis:latest",), seconds=1.5 * number,
            dockerfile="Dockerfile", digest=f"sha256:{number}", size=1000 * (number + 1),
            error="exit 1" if number == 1 else "",
            steps=(StepRecord("FROM scratch", 0.0, number == 2, 1), StepRecord(f"RUN make {number}", 1.0, False, 2)),
            layers=(LayerRecord(f"sha256:{number}{'d' * 63}", 10),),
        )  # fmt: skip
        history.add(context, record, Details(f"FROM scratch\nRUN make {number}\n", {2: f"log of {number}\n"}))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = make_context(tmp_path / "lab", "FROM scratch\nRUN make 9\n")
    fill(made)
    return made


async def opened(pilot: Any, app: Any) -> BuildsScreen:
    await pilot.press("alt+5")
    await until(pilot, lambda: isinstance(app.screen, BuildsScreen) and app.screen.list.row_count, "the builds")
    await pilot.pause()
    return app.screen  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_list_says_when_how_and_how_large(size: tuple[int, int], context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, size, built=False) as pilot:
        await opened(pilot, app)
        text = screen_text(app)
        assert "Builds  3" in text and "time ▁▅█   size ▁▅█" in text
        assert " 3 ✔    3.0s    1/2 cached      3kB" in text
        assert " 2 ✘    1.5s    0/2 cached" in text
        assert "roll back" in text.lower()


@pytest.mark.slow
async def test_a_build_that_ends_meanwhile_is_there(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        screen = await opened(pilot, app)
        await pilot.press("j", "space")
        app._live.loop.build_now()
        await until(pilot, lambda: "Builds  4" in screen_text(app), "the new build")
        assert screen.list.build is not None and screen.list.build.number == 2
        assert "◆    2 ✘" in screen_text(app)


@pytest.mark.slow
async def test_two_builds_side_by_side(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        screen = await opened(pilot, app)
        await pilot.press("space", "G", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, TextScreen), "the comparison")
        await until(pilot, lambda: "Build 1 → 3" in screen_text(app), "its title")
        text = screen_text(app)
        assert "-RUN make 0" in text and "+RUN make 2" in text
        await pilot.press("escape")
        assert app.screen is screen


@pytest.mark.slow
async def test_log_details_and_dockerfile_of_a_build(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        await opened(pilot, app)
        await pilot.press("j")
        for key, said in (("l", "log of 1"), ("o", "RUN make 1"), ("i", "exit 1")):
            await pilot.press(key)
            await until(pilot, lambda said=said: isinstance(app.screen, TextScreen) and said in screen_text(app), said)  # type: ignore[misc]
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, BuildsScreen), "back")


@pytest.mark.slow
async def test_an_earlier_dockerfile_goes_into_the_editor_unsaved(context: Path) -> None:
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        await opened(pilot, app)
        await pilot.press("e")
        await until(pilot, lambda: app.editor_panel.editor.text == "FROM scratch\nRUN make 2\n", "its text")
        assert app.editor_panel.unsaved and (context / "Dockerfile").read_text().endswith("make 9\n")


@pytest.mark.slow
async def test_rolling_back_says_from_what_to_what(context: Path) -> None:
    engine = ReplayEngine(recording("genesis"), images=images())
    app = make_app(context, engine, watch=False)
    async with running(app, built=False) as pilot:
        await opened(pilot, app)
        await pilot.press("G", "r")
        await until(pilot, lambda: "Rolled back to build 1" in screen_text(app), "what was done")
        assert (await engine.images.inspect("genesis"))["Id"] == images()[0].id
        await until(pilot, lambda: "Builds  4" in screen_text(app), "the rollback among the builds")
        text = screen_text(app)
        assert re.search(r" 4 ← back to build 1 .* genesis:latest from nothing", text), text
        assert "time ▁▅█   size ▁▅█" in text, "it is no build"
        await pilot.press("g", "i")
        await until(pilot, lambda: "Rollback        4" in screen_text(app), "its details")


@pytest.mark.slow
async def test_of_several_names_those_that_went_back_are_told_and_kept(context: Path) -> None:
    newest = History().list(context)[0]
    History().add(context, replace(newest, tags=("genesis:latest", "genesis:held")))
    engine = ReplayEngine(recording("genesis"), images=images())
    tag = engine.images.tag

    async def refuse_one(reference: str, name: str) -> None:
        if name == "genesis:held":
            raise EngineUnavailable("the engine went away")
        await tag(reference, name)

    engine.images.tag = refuse_one  # type: ignore[method-assign]
    app = make_app(context, engine, watch=False)
    async with running(app, built=False) as pilot:
        await opened(pilot, app)
        await pilot.press("g", "r")
        await until(pilot, lambda: "Rolled back to build 4" in screen_text(app), "what was done")
        assert "the engine went away" in screen_text(app)
        await until(pilot, lambda: "Builds  5" in screen_text(app), "the rollback among the builds")
    assert History().list(context, rollbacks=True)[0].tags == ("genesis:latest",)


@pytest.mark.slow
async def test_a_build_without_a_name_has_none_to_go_back_to(context: Path) -> None:
    History().add(context, replace(History().list(context)[0], tags=()))
    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        await opened(pilot, app)
        await pilot.press("g", "r")
        await until(pilot, lambda: "Build 4 has no name to go back to" in screen_text(app), "why not")
        assert "Rolled back" not in screen_text(app)


async def test_the_question_about_a_build_closes_when_that_has_ended(context: Path) -> None:
    from workbench.build.loop import LoopState
    from workbench.tui.ending import _ask_about_the_build
    from workbench.tui.live import Live
    from workbench.tui.screens.dialogs import ConfirmDialog

    app = make_app(context, watch=False)
    async with running(app, built=False) as pilot:
        before = LoopState(building=1)
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await _ask_about_the_build(app, app._live))

        app.run_worker(ask())
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog), "the question")
        app.workspace.post_message(Live.StateChanged(before, LoopState(ended=1, outcome="succeeded")))
        await until(pilot, lambda: answers == [None], "the question closed")
        assert not isinstance(app.screen, ConfirmDialog)
