"""Keys that a terminal sends in one piece: each is for what the one before it leads to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.stage import at_once, make_app, make_context, running, until


@pytest.mark.parametrize("keys", [("ctrl+f",), ("alt+o",), ("alt+p",), ("alt+7",), ("alt+8",)])
async def test_what_is_typed_behind_a_key_that_asks_is_not_typed_into_the_text(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False, engines={"other": lambda: None})
    async with running(app, built=False) as pilot:
        before = app.editor_panel.editor.text
        at_once(app, *keys, "q", "z")
        await until(pilot, lambda: [it.value for it in app.screen.query(Input)] == ["qz"], "typed into the question")
        assert app.editor_panel.editor.text == before


async def test_keys_come_through_where_the_question_does_not(tmp_path: Path) -> None:
    """An empty trash asks nothing: what was typed for its question does nothing, what is typed then does."""
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False) as pilot:
        await pilot.press("alt+4")
        panel = app.workspace.images_panel
        await until(pilot, lambda: app.focused is panel and panel.row_count == 4, "the images")
        at_once(app, "X", "space")
        await until(pilot, lambda: app._notifications, "that the trash is empty")
        await pilot.pause()
        assert not panel.marked
        await pilot.press("space")
        await until(pilot, lambda: panel.marked, "marked")


async def test_an_ending_that_takes_long_is_no_question_that_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False) as pilot:
        ends, gate = [], asyncio.Event()

        async def leave(*, dropped: bool) -> None:
            ends.append(dropped)
            await gate.wait()

        monkeypatch.setattr(app._live.loop, "leave", leave)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: ends, "it is ending")
        await asyncio.sleep(0.4)
        assert len(app.screen_stack) == 1 and not app._exit
        gate.set()
        await until(pilot, lambda: app._exit, "it ended")
