"""The tour: offered once, taken by doing what it says, left at any step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.stage import NARROW, WIDE, images, make_app, make_context, recording, running, screen_text, until
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.replay import ReplayEngine
from workbench.errors import InputError
from workbench.tui.app import WorkbenchApp
from workbench.tui.tour import STEPS
from workbench.tui.touring import TAG, Touring
from workbench.tui.widgets.tour_box import TourBox, TourOffer


def on_tour(folder: Path, config: Config | None = None) -> WorkbenchApp:
    """The app as `workbench --tour` opens it, on a recorded build."""
    context = make_context(folder / "genesis", 'FROM scratch\nADD busybox.tar.xz /\nCMD ["sh"]\n')
    (context / "busybox.tar.xz").write_bytes(b"x" * 1000)
    app = make_app(
        context,
        ReplayEngine(recording("genesis"), images=images()),
        touring=Touring(here=True),
        config=config or Config(),
    )
    app.request = BuildRequest(context=context, tags=(f"{TAG}:latest",))
    return app


async def step(pilot: Pilot[Any], number: int, of: int = len(STEPS)) -> None:
    await until(
        pilot, lambda: f"Tour {number}/{of} · {STEPS[number - 1].title}" in screen_text(pilot.app), f"step {number}"
    )


@pytest.mark.slow
async def test_the_tour_goes_on_when_one_does_what_it_says(tmp_path: Path) -> None:
    app = on_tour(tmp_path)
    async with running(app, NARROW) as pilot:
        await step(pilot, 1)
        shown = screen_text(app)
        assert "alt+1" in shown and "FROM scratch" in shown, "the panels are to be seen"
        await pilot.press("alt+1")
        await until(pilot, lambda: "busybox.tar.xz" in screen_text(app), "the tree")
        while (
            app.context_panel.context_tree.entry is None or "busybox" not in app.context_panel.context_tree.entry.path
        ):
            await pilot.press("j")
        await step(pilot, 2)
        await pilot.press("alt+2", "ctrl+end", "up", "end", "backspace", *', "-l"]')
        assert app.editor_panel.unsaved and 'CMD ["sh", "-l"]' in app.editor_panel.main.editor.text
        await step(pilot, 3)
        await pilot.press("ctrl+s")
        await step(pilot, 4)
        await pilot.press("alt+3")
        await step(pilot, 5)
        await pilot.press("alt+4")
        await until(pilot, lambda: TAG in (row.name if (row := app.workspace.images_panel.row) else ""), "the image")
        await pilot.press("i")
        await until(pilot, lambda: app.screen is not app.base, "the details")
        await pilot.pause(0.2)
        assert "Tour 5" in screen_text(app) or app.screen is not app.base
        await pilot.press("escape")
        await step(pilot, 6)
        await pilot.press("d")
        await until(pilot, lambda: f"Delete {TAG}" in screen_text(app), "the question")
        await pilot.press("d")
        await step(pilot, 7)
        await pilot.press("u")
        await step(pilot, 8)
        await pilot.press("alt+s")
        await until(pilot, lambda: not app.query(TourBox), "the end")
        assert not app.guide.on_tour
        await pilot.press("alt+t")
        await step(pilot, 1)


@pytest.mark.slow
async def test_a_step_can_be_passed_and_the_tour_left(tmp_path: Path) -> None:
    app = on_tour(tmp_path, Config(trash_minutes=0, keys={"tour.skip": "f11"}))
    async with running(app, built=False) as pilot:
        await step(pilot, 1, len(STEPS) - 1)
        assert "F11 next" in screen_text(app), "the keys are as they are mapped"
        await pilot.press("f11")
        await step(pilot, 2, len(STEPS) - 1)
        await pilot.press("alt+t")
        await until(pilot, lambda: not app.query(TourBox), "the end")


async def test_the_offer_is_one_line_that_escape_takes_away_and_the_editor_hears_it_too(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), touring=Touring(offer=True), watch=False)
    async with running(app, NARROW, built=False) as pilot:
        await until(pilot, lambda: "alt+t: a tour" in screen_text(app), "the offer")
        await until(pilot, lambda: app.focused is app.editor_panel.editor, "the editor")
        assert app.query_one(TourOffer).size.height == 1
        await pilot.press("escape")
        await until(pilot, lambda: not app.query(TourOffer) and app.active == "build", "both")


@pytest.mark.slow
async def test_a_tour_that_is_taken_elsewhere_ends_the_app_and_says_where(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), touring=Touring(make=lambda: tmp_path, offer=True), watch=False)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.query(TourOffer), "the offer")
        app.editor_panel.editor.insert("#")
        await pilot.press("alt+t")
        await until(pilot, lambda: "not saved" in screen_text(app), "unsaved text is asked about")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.base and app.guide.wanted is None, "stayed")
        app.editor_panel.editor.text = app.editor_panel.main.path.read_text()
        await pilot.press("alt+t")
        await until(pilot, lambda: app._exit, "it ends")
    assert app.guide.wanted == tmp_path and app.return_code == 0


async def test_a_copy_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    def fails() -> Path:
        raise InputError("there is no static busybox", hint="Install one.")

    app = make_app(make_context(tmp_path / "lab"), touring=Touring(make=fails), watch=False)
    async with running(app, built=False) as pilot:
        await pilot.press("alt+t")
        await until(pilot, lambda: "Install one." in screen_text(app), "what to do")
        assert app.is_running


@pytest.mark.slow
async def test_where_there_is_no_tour_it_says_how_to_take_it(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False) as pilot:
        await pilot.press("alt+t")
        await until(pilot, lambda: "workbench --tour" in screen_text(app), "how")
