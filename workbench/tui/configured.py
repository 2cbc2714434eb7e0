"""What of the configuration only the screen can check and keep: the theme, and the keys of actions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.theme import Theme

from workbench.config import config_file
from workbench.config.checks import near

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


def take_theme(app: WorkbenchApp) -> None:
    """The configured one, where there is one of that name; from then on what is chosen goes into the file."""
    if app.config.theme in app.available_themes:
        app.theme = app.config.theme
    app.theme_changed_signal.subscribe(app, lambda theme: _keep(app, theme))


def take_keys(app: WorkbenchApp) -> None:
    """The key map, without keys that have no name."""
    if app.config.keys:
        from workbench.tui.actions import wrong_key

        app.set_keymap({name: keys for name, keys in app.config.keys.items() if not wrong_key(keys)})


def tell(app: WorkbenchApp) -> None:
    """Warns of everything in the file that has no effect, with its place."""
    for line in (*app.config.remarks, *_about_the_theme(app), *_about_keys(app)):
        app.notify(line, title="Configuration", severity="warning", markup=False, timeout=15)


def _about_the_theme(app: WorkbenchApp) -> Iterator[str]:
    name = app.config.theme
    if name not in app.available_themes:
        meant = near(name, app.available_themes)
        names = ", ".join(sorted(app.available_themes))
        yield f"{_place(app, 'theme')}there is no theme {name!r}{meant or f': there are {names}'}"


def _about_keys(app: WorkbenchApp) -> Iterator[str]:
    if not app.config.keys:
        return
    from workbench.tui.actions import actions, key_names, wrong_key

    known = actions()
    for name, keys in app.config.keys.items():
        place = _place(app, f"keys.{name}")
        if name not in known:
            yield f"{place}no action is called {name!r}{near(name, known)}"
        elif wrong := wrong_key(keys):
            yield f"{place}no key is called {wrong!r}{near(wrong, key_names())}"


def _place(app: WorkbenchApp, name: str) -> str:
    place = app.config.places.get(name)
    return f"{place}: " if place else ""


def _keep(app: WorkbenchApp, theme: Theme) -> None:
    if theme.name != app.config.theme:
        app.work(_write(app, theme.name), "theme", "keep the theme in the configuration file")


async def _write(app: WorkbenchApp, name: str) -> None:
    from dataclasses import replace

    from workbench.config.writing import keep_setting

    path = config_file()
    await asyncio.to_thread(keep_setting, path, "theme", name)
    app.config = replace(app.config, theme=name)
    app.notify(f"Theme {name}: kept in {path}", markup=False)
