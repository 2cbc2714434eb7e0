"""Pictures of the main screens. After a change that is meant: `pytest tests/tui/test_snapshots.py --snapshot-update`,
and look at them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.stage import NARROW, WIDE, images, make_app, make_context, recording, screen_text, until
from workbench.config import Config
from workbench.engines.replay import ReplayEngine
from workbench.tui.app import WorkbenchApp
from workbench.tui.touring import Touring

TWO_WEEKS = 1209600
MakeApp = Callable[..., WorkbenchApp]
BRIEF = {"furnish", "scan", "load", "diagnose", "images-now", "history", "image-facts", "image-list", "trash"}
"""Groups of workers that end by themselves."""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Makes the app on a recording, so that nothing on the screen depends on the place or the time."""
    monkeypatch.setenv("HOME", str(tmp_path))
    context = make_context(tmp_path / "lab" / "genesis", 'FROM scratch\nADD busybox.tar.xz /\nCMD ["sh"]\n')

    def make(name: str, **options: Any) -> WorkbenchApp:
        events = recording(name)
        events[-1] = replace(events[-1], at=time.time() - TWO_WEEKS + 60)
        return make_app(context, ReplayEngine(events, images=images(2)), **options)

    return make


def settled(*keys: str, shows: str = "") -> Callable[[Pilot[Any]], Any]:
    """Waits until the first build is shown, presses the keys, and waits for what they bring."""

    async def run(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, WorkbenchApp)
        await until(pilot, lambda: app.live is not None and app._live.state.ended is not None, "the build ended")
        engine = app.engine
        assert isinstance(engine, ReplayEngine)
        listed = f"Images  {len(engine.images.held)} "  # the one that the build made is among them
        await until(pilot, lambda: app.workspace.images_box.strip_text.startswith(listed), "the images")
        await until(pilot, lambda: "3 of 4 files" in screen_text(app), "the context")
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        if shows:
            await until(pilot, lambda: shows in screen_text(app), shows)
        before, same = "", 0
        while same < 6:
            await pilot.pause(0.1)
            now = screen_text(app)
            before, same = now, same + 1 if now == before else 0
        await until(pilot, lambda: not BRIEF & {it.group for it in app.workers}, "what takes long has ended")
        await pilot.pause(0.1)

    return run


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_built(snap_compare: Any, app: MakeApp, size: tuple[int, int]) -> None:
    assert snap_compare(app("genesis"), terminal_size=size, run_before=settled())


@pytest.mark.slow
def test_failed(snap_compare: Any, app: MakeApp) -> None:
    assert snap_compare(app("failing"), terminal_size=WIDE, run_before=settled(shows="no such tool"))


@pytest.mark.slow
def test_delete(snap_compare: Any, app: MakeApp) -> None:
    run = settled("alt+4", "j", "d", shows="Delete app")
    assert snap_compare(app("genesis"), terminal_size=NARROW, run_before=run)


@pytest.mark.slow
def test_help(snap_compare: Any, app: MakeApp) -> None:
    assert snap_compare(app("genesis"), terminal_size=WIDE, run_before=settled("f1", shows="Here: Editor"))


@pytest.mark.slow
def test_images_narrow(snap_compare: Any, app: MakeApp) -> None:
    run = settled("alt+4", "j", "space", shows="1 marked")
    assert snap_compare(app("genesis"), terminal_size=NARROW, run_before=run)


@pytest.mark.slow
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_image_menu(snap_compare: Any, app: MakeApp, size: tuple[int, int]) -> None:
    assert snap_compare(app("genesis"), terminal_size=size, run_before=settled("alt+4", "m", shows="Undo delete"))


SCREENS = {
    "main": settled(),
    "builds": settled("alt+5", shows="Roll back"),
    "images": settled("alt+4", "j", "space", shows="1 marked"),
    "delete": settled("alt+4", "j", "d", shows="Delete app"),
    "help": settled("f1", shows="Here: Editor"),
}


@pytest.mark.slow
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", SCREENS)
def test_light(snap_compare: Any, app: MakeApp, name: str, size: tuple[int, int]) -> None:
    light = app("genesis", config=Config(theme="textual-light"))
    assert snap_compare(light, terminal_size=size, run_before=SCREENS[name])


@pytest.mark.slow
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", SCREENS)
def test_without_colour(
    snap_compare: Any, app: MakeApp, monkeypatch: pytest.MonkeyPatch, name: str, size: tuple[int, int]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app("genesis"), terminal_size=size, run_before=SCREENS[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("builds", WIDE), ("builds", NARROW), ("images", WIDE), ("delete", WIDE), ("help", NARROW)]
)
def test_dark(snap_compare: Any, app: MakeApp, name: str, size: tuple[int, int]) -> None:
    assert snap_compare(app("genesis"), terminal_size=size, run_before=SCREENS[name])


@pytest.mark.slow
def test_tour(snap_compare: Any, app: MakeApp) -> None:
    """At its first step, in the narrow screen: the panels are to be seen above it."""
    on_tour = app("genesis", touring=Touring(here=True))
    assert snap_compare(on_tour, terminal_size=NARROW, run_before=settled("alt+1", shows="Tour 1/"))
