"""Another engine in the middle of work: looked at first, then taken, and the context built with it. And the list that
it is chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from textual.app import SystemCommand

    from workbench.tui.app import WorkbenchApp


async def change_engine(app: WorkbenchApp, name: str) -> None:
    """Takes the engine of that name of `app.engines`; one that does not answer is told, and nothing changes."""
    engine = app.engines[name]()
    try:
        info = await engine.check()
    except WorkbenchError as error:
        await engine.close()
        told = f"{error}\n{error.hint}".strip()
        app.notify(told, title=f"Not changed to {name}", severity="error", markup=False)
        return
    before, app.engine, app.engine_in_use = app.engine, engine, name
    if app.live is not None:
        app.live.loop.engine = engine
        app.live.loop.build_now()
    app.presence.changed(name, info.version)
    app.editor_panel.use_engine(engine.name)
    app.context_panel.use_engine(engine.name)
    app.work(app.image_actions.follow(), "images", "follow the engine's images")
    await before.close()
    app.notify(f"{info.name} {info.version}".strip(), title="Engine", markup=False)


async def pick(app: WorkbenchApp, title: str, commands: Sequence[SystemCommand]) -> None:
    """Does the command that is chosen from a list."""
    from workbench.tui.screens.picker import Picker

    if not commands:
        app.notify("There is no other.", title=title, markup=False)
        return
    place = await app.push_screen_wait(Picker(title, [it.title for it in commands]))
    if place is not None:
        commands[place].callback()
