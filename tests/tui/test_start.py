"""The start: the panels are shown when they are filled, and what is typed meanwhile arrives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual import events

from tests.tui.stage import WIDE, make_app, make_context, running, until
from workbench.config import Config
from workbench.tui.app import WorkbenchApp


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


async def test_what_is_typed_while_a_panel_is_chosen_keeps_its_order(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    typed = "".join(chr(ord("a") + number % 26) for number in range(60))
    async with running(app, built=False) as pilot:
        for times in range(1, 4):
            await pilot.press("alt+1")
            for key in ("alt+2", *typed):
                app.post_message(events.Key(key, key if len(key) == 1 else None))
                await asyncio.sleep(0)
            await until(pilot, lambda: len(app.editor_panel.editor.text) >= len(typed) * times, "the text")  # noqa: B023
            await pilot.pause()
            assert app.editor_panel.editor.text.startswith(f"{typed * times}FROM")
