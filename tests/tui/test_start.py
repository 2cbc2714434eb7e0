"""The start: frames first, then the panels; what is typed meanwhile arrives, and nothing heavy comes before."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui.stage import NARROW, WIDE, make_app, make_context, screen_text, until
from workbench.config import Config
from workbench.tui.app import WorkbenchApp

HEAVY = ("workbench.dockerfile", "workbench.context.scan", "workbench.tui.workspace", "workbench.tui.screens.dialogs")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Holds the panels back until it is set."""
    opened = asyncio.Event()
    furnish = WorkbenchApp._furnish

    async def later(app: WorkbenchApp) -> None:
        await opened.wait()
        await furnish(app)

    monkeypatch.setattr(WorkbenchApp, "_furnish", later)
    return opened


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_first_picture_has_the_title_and_the_frames(
    tmp_path: Path, gate: asyncio.Event, size: tuple[int, int]
) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        shown = screen_text(app)
        assert "replay" in shown and "not watching" in shown and "saved r1" in shown
        names = ("Context", "Dockerfile", "Build", "Images")
        assert all(name in shown for name in names), shown
        gate.set()
        await until(pilot, lambda: "FROM scratch" in screen_text(app), "the Dockerfile")


@pytest.mark.slow
async def test_what_is_typed_before_the_panels_are_there_arrives(tmp_path: Path, gate: asyncio.Event) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("#", "x", "alt+4")
        assert app.live is None
        gate.set()
        await until(pilot, lambda: app.live is not None and app.active == "images", "alt+4 was heard")
        assert app.editor_panel.editor.text.startswith("#xFROM")
        assert app.editor_panel.unsaved


async def test_a_key_for_an_action_that_does_not_exist_is_told(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False, config=Config(keys={"build.noww": "f9", "help": "f12"}))
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await until(pilot, lambda: app._notifications, "a notification")
        told = [notification.message for notification in app._notifications]
        assert len(told) == 1 and "build.noww" in told[0] and "build.now" in told[0].replace("build.noww", ""), told


def test_nothing_heavy_is_imported_before_the_first_paint() -> None:
    code = f"import sys, workbench.tui.app; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
