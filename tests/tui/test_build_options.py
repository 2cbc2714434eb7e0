"""The form of build options: what it offers, shows, refuses, and what the next build is then made with."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Checkbox, Input, Static

from tests.tui.stage import make_app, make_context, running, until
from workbench.build import command
from workbench.build.engine import OPTIONS, Capabilities
from workbench.cli.request import read_options
from workbench.engines.replay import ReplayEngine
from workbench.tui.screens.build_options import BuildOptions, offers

TEXT = "ARG V=1\nFROM scratch AS base\nARG NAME\nFROM base AS test\n"


def test_stages_and_arguments_of_the_dockerfile_are_offered() -> None:
    found = offers(TEXT)
    assert found["--target"] == ["base", "test"]
    assert found["--build-arg"] == ["V=", "NAME="]
    assert offers("FROM") == {}


@pytest.mark.slow
async def test_options_are_set_copied_used_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "state_dir", lambda: tmp_path / "state")
    monkeypatch.setattr(ReplayEngine, "capabilities", lambda self: Capabilities(OPTIONS["embedded"]))
    app = make_app(make_context(tmp_path / "c", TEXT), read_options=read_options)
    async with running(app) as pilot:
        await pilot.press("f9")
        await pilot.pause()
        form = app.screen
        assert isinstance(form, BuildOptions)
        assert any("on docker" in str(it.content) for it in form.query(".option--elsewhere").results(Static))
        form.query_one("#option--build-arg", Input).value = "NAME='two words'"
        form.query_one("#option--no-cache", Checkbox).value = True
        form.query_one("#option--memory", Input).value = "lots"
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is form and "--memory" in str(form.query_one("#options-complaint", Static).content)
        form.query_one("#option--memory", Input).value = "64m"
        await pilot.pause()
        await pilot.press("f9")
        assert "'--build-arg=NAME=two words'" in app.clipboard and "--no-cache" in app.clipboard
        await pilot.press("enter")
        await pilot.pause()
        await until(pilot, lambda: command.kept_options(tmp_path / "c") != [], "kept options")
        assert (app.request.build_args, app.request.no_cache, app.request.memory) == (
            {"NAME": "two words"}, True, 64 << 20,
        )  # fmt: skip
        assert "--memory=67108864" in command.kept_options(tmp_path / "c")
