"""The keys, walked: whatever can be done can be done by keyboard, is named, and is told by `?` or the palette."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.actions import parse
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import key_to_character
from textual.widget import Widget
from textual.widgets import Input

import workbench.tui
from tests.tui.stage import WIDE, make_app, make_context, running, screen_text, until
from workbench.config import Config
from workbench.engines.replay import ReplayEngine
from workbench.tui import keys
from workbench.tui.app import WorkbenchApp
from workbench.tui.widgets.panel import PANELS

_BY_HAND = ("tab", "shift+tab", "ctrl+p")
"""Keys of Textual itself that help names, too."""


def owners() -> list[type[DOMNode]]:
    """Every class of the screen that has bindings of its own."""
    names = [it.name for it in pkgutil.walk_packages(workbench.tui.__path__, "workbench.tui.")]
    modules = [importlib.import_module(name) for name in names]
    found = {it for module in modules for it in vars(module).values() if isinstance(it, type)}
    ours = [it for it in found if issubclass(it, DOMNode) and it.__module__.startswith("workbench.")]
    return sorted((it for it in ours if "BINDINGS" in vars(it)), key=lambda it: it.__qualname__)


def bindings_of(owner: type[DOMNode]) -> Iterator[Binding]:
    """Each of the class's own bindings, once for each key."""
    yield from Binding.make_bindings(vars(owner)["BINDINGS"])


@pytest.mark.parametrize("owner", owners(), ids=lambda owner: owner.__name__)
def test_each_binding_says_what_it_does_and_does_it(owner: type[DOMNode]) -> None:
    for binding in bindings_of(owner):
        assert binding.description, f"{binding.key} has no description"
        place, name, _ = parse(binding.action)
        actor = {"": owner, "app": WorkbenchApp}[place]
        assert any(hasattr(actor, f"{mark}action_{name}") for mark in ("", "_")), f"{binding.key}: no {binding.action}"


@pytest.mark.parametrize("owner", owners(), ids=lambda owner: owner.__name__)
def test_no_key_has_two_meanings_in_one_place(owner: type[DOMNode]) -> None:
    counted = Counter(binding.key for binding in bindings_of(owner))
    assert not [key for key, count in counted.items() if count > 1]


def test_no_action_is_on_a_prefix_of_tmux_or_screen() -> None:
    taken = {binding.key for owner in owners() for binding in bindings_of(owner)}
    assert not {"ctrl+a", "ctrl+b"} & taken


def test_each_function_key_has_an_alternative() -> None:
    for owner in owners():
        by_action: dict[str, set[str]] = {}
        for binding in bindings_of(owner):
            by_action.setdefault(binding.action, set()).add(binding.key)
        alone = [found for found in by_action.values() if all(re.fullmatch(r"f\d+", key) for key in found)]
        assert not alone, f"{owner.__name__}: {alone}"


@pytest.mark.slow
async def test_wherever_the_focus_is_everything_around_can_be_reached(tmp_path: Path) -> None:
    """A key that a nearer widget takes hides one further out: each action there has another one, or the same name."""
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False) as pilot:
        for panel in PANELS:
            for target in app.workspace.box(panel).focus_targets():
                if isinstance(target, Input):
                    continue  # a line to type: letters are letters until escape
                target.focus()
                await pilot.pause()
                hidden = list(_hidden(app.screen._binding_chain))
                assert not hidden, f"with the focus in {target}: {hidden}"


def _hidden(chain: list[tuple[DOMNode, object]]) -> Iterator[str]:
    taken: dict[str, str] = {}
    typed_into: list[Widget] = []
    for node, _ in chain:
        mapped = keys._mapped(node)  # type: ignore[arg-type]
        reached: dict[tuple[str, str], bool] = {}
        for key, bound in mapped.items():
            for binding in bound:
                if binding.system:
                    continue
                typed = any(it.check_consume_key(key, key_to_character(key)) for it in typed_into)
                free = binding.priority or (not typed and taken.get(key, binding.description) == binding.description)
                action = binding.action, binding.description
                reached[action] = reached.get(action, False) or free
        if type(node).__module__.startswith("workbench."):
            yield from (f"{type(node).__name__}.{name}" for (name, _), free in reached.items() if not free)
        taken |= {key: bound[0].description for key, bound in mapped.items() if key not in taken}
        if isinstance(node, Widget):
            typed_into.append(node)


def _is_in(app: WorkbenchApp, panel: str) -> bool:
    return app.active == panel and app.focused is not None and app.workspace.holder(app.focused) == panel


@pytest.mark.slow
async def test_help_begins_where_the_focus_is(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False) as pilot:
        for panel, first in {
            "context": "Context",
            "build": "Build",
            "images": "Images",
            "dockerfile": "Editor",
        }.items():
            app.activate(panel)
            await until(pilot, lambda name=panel: _is_in(app, name), panel)  # type: ignore[misc]
            sections = keys.sections(app)
            assert [title for title, _ in sections][:2] == [f"Here: {first}", "Everywhere"]
            assert len(sections) == len(PANELS) + 1
        await pilot.press("f1")
        await until(pilot, lambda: "Here: Editor" in screen_text(app), "help")
        await pilot.press("f1")
        await until(pilot, lambda: app.screen is app.base, "the same key closes it")


@pytest.mark.slow
async def test_help_on_a_screen_of_its_own_begins_with_that(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"))
    async with running(app) as pilot:
        await pilot.press("alt+5")
        await until(pilot, lambda: app.screen is not app.base, "the builds")
        await pilot.press("question_mark")
        await until(pilot, lambda: "Roll back" in screen_text(app) and "Here" in screen_text(app), "its keys")
        await pilot.press("escape", "f1")
        await until(pilot, lambda: "Roll back" in screen_text(app) and "Here" in screen_text(app), "and by F1")


async def test_help_and_palette_have_every_binding_with_its_keys_as_they_are_mapped(tmp_path: Path) -> None:
    config = Config(keys={"build.now": "f12", "images.delete": "D"})
    app = make_app(make_context(tmp_path / "lab"), watch=False, config=config, engines={"embedded": ReplayEngine})
    async with running(app, built=False):
        told = {row for _, rows in keys.sections(app) for row in rows}
        assert ("F12", "Build") in told and ("D", "Delete") in told
        listed = {title: said for title, said, *_ in app.get_system_commands(app.screen)}
        assert listed["Build"] == "F12"
        bound = {key for keys_, _ in told for key in keys_.split(", ")}
        for title, said in listed.items():
            assert bound & set(re.split(r"[ ,()]+", said)), f"{title!r} has no key: {said!r}"
        rows = {description for _, description in told}
        named = {title.partition(": ")[2] or title for title in listed}
        missing = rows - named - {"Next, previous panel", "Commands"}
        assert not missing, f"in help, and not in the palette: {missing}"


@pytest.mark.slow
async def test_the_engine_and_when_to_build_are_chosen_by_key(tmp_path: Path) -> None:
    app = make_app(
        make_context(tmp_path / "lab"), watch=False, engines={"embedded": ReplayEngine, "replay": ReplayEngine}
    )
    async with running(app, WIDE, built=False) as pilot:
        await pilot.press("alt+8")
        await until(pilot, lambda: "Watching: focus" in screen_text(app), "the ways")
        await pilot.press(*"focus", "enter")
        await until(pilot, lambda: app._live.state.mode == "focus", "on focus")
        await pilot.press("alt+7")
        await until(pilot, lambda: "Use the embedded engine" in screen_text(app), "the engines")
        await pilot.press("enter")
        await until(pilot, lambda: app.engine_in_use == "embedded", "another engine")


@pytest.mark.parametrize(
    ("key", "said"),
    [("question_mark", "?"), ("slash", "/"), ("f5", "F5"), ("ctrl+@", "ctrl+space"), ("alt+full_stop", "alt+."),
     ("ctrl+underscore", "ctrl+/"), ("G", "G"), ("space", "space"), ("asterisk", "*"), ("pageup", "pageup")],
)  # fmt: skip
def test_a_key_is_told_as_it_is_pressed(key: str, said: str) -> None:
    assert keys.shown(key) == said
