"""The line of keys: whole ones, as many as there is room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.stage import make_app, make_context, running, screen_text, until


def keys(app: object) -> str:
    return screen_text(app).split("\n")[-1]


async def test_no_key_is_cut(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, (80, 24), built=False) as pilot:
        await until(pilot, lambda: "esc Leave" in keys(app), "the editor's keys")
        assert keys(app).startswith("esc Leave F1 Help F5 Build ^s Save F6 Watch F8 Cancel alt+5 Builds  ▏^p palette")
        await pilot.press("alt+4")
        await until(pilot, lambda: keys(app).startswith("/ Filter ⏎ Details d Delete t Tag m Menu ^q Quit"), "others")
        assert "F1 Help F5 Build ^s" not in keys(app) and "▏^p palette" in keys(app)


async def test_a_sign_that_the_terminal_lacks_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.tui.driver.has_signs", lambda: False)
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, (80, 24), built=False) as pilot:
        await pilot.press("alt+4")
        await until(pilot, lambda: keys(app).startswith("/ Filter enter Details d Delete"), "a name")


@pytest.mark.slow
async def test_with_more_room_there_are_more_keys(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, (60, 24), built=False) as pilot:
        await until(pilot, lambda: keys(app).startswith("esc Leave F1 Help F5 Build ^s Save "), "some")
        assert keys(app).split("▏")[0].rstrip().endswith("F6 Watch")
        await pilot.resize_terminal(90, 24)
        await until(pilot, lambda: "alt+5 Builds" in keys(app), "all of them")
        await pilot.resize_terminal(60, 24)
        await until(pilot, lambda: "F8" not in keys(app), "some again")
