"""Keys and commands read off the bindings themselves, so that help and palette cannot say what is not so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.binding import Binding
from textual.keys import key_to_character
from textual.widget import Widget

if TYPE_CHECKING:
    from workbench.build.loop import Mode
    from workbench.tui.app import WorkbenchApp

NOT_BEHIND_A_DIALOG = {
    "panel", "build_now", "save", "toggle_watching", "cancel_build", "leave", "builds", "build_options", "pick_engine",
    "pick_mode", "change_theme", "tour", "next_tour_step",
}  # fmt: skip
"""Actions of the app that do nothing while a dialog is open."""

_NAMES = {"context": "Context", "dockerfile": "Editor", "build": "Build", "images": "Images"}


def sections(app: WorkbenchApp) -> list[tuple[str, list[tuple[str, str]]]]:
    """(title, [(keys, what it does)]): where the focus is first, then the whole workbench, then the other panels."""
    everywhere = [
        *_rows(_bindings(app)),
        ("tab, shift+tab", "Next, previous panel"),
        (app.COMMAND_PALETTE_BINDING, "Commands"),
    ]
    panels = {panel: _section(app, widgets) for panel, widgets in _panels(app)}
    if app.screen is app.base:
        here = [(f"Here: {_NAMES[app.active]}", panels.pop(app.active))]
    else:
        here = [("Here", _section(app, [app.screen]))]
    return [*here, ("Everywhere", everywhere), *((_NAMES[panel], rows) for panel, rows in panels.items())]


def _section(app: WorkbenchApp, widgets: Sequence[Widget]) -> list[tuple[str, str]]:
    """What the widgets have; what has the focus comes first, where it is one of them or in one of them."""
    focused = app.focused
    owners = [it for it in (focused.ancestors_with_self if focused else ()) if isinstance(it, Widget)]
    inside = [it for at, it in enumerate(owners) if set(owners[at:]) & set(widgets)]
    bindings = sorted((it for widget in [*inside, *widgets] for it in _bindings(widget)), key=_rank)
    return list(dict.fromkeys(_rows(bindings)))


def commands(app: WorkbenchApp) -> Iterator[SystemCommand]:
    """Every binding that has a description, as a command of the palette."""
    for binding in _unique(_bindings(app)):
        yield SystemCommand(binding.description, _keys(binding), partial(_run, app, None, binding.action))
    for panel, widgets in _panels(app):
        for widget in widgets:
            for binding in _unique(_bindings(widget)):
                title = f"{_NAMES[panel]}: {binding.description}"
                yield SystemCommand(title, _keys(binding), partial(_run, app, widget, binding.action))


_MODES: Mapping[Mode, str] = {
    "on": "Build each save at once",
    "focus": "Build what was saved when this terminal gets the focus, or the editor is left",
    "off": "Build only when asked to",
}


def modes(app: WorkbenchApp) -> Iterator[SystemCommand]:
    """The ways of watching, but for the one that is on."""
    if app.live is not None:
        for mode, text in _MODES.items():
            if mode != app.live.state.mode:
                said = filled_in(app, f"{text} ({{watching.pick}})")
                yield SystemCommand(f"Watching: {mode}", said, partial(app.live.loop.set_mode, mode))


def engines(app: WorkbenchApp) -> Iterator[SystemCommand]:
    """The engines that can be taken, but for the one that is in use."""
    for name in app.engines:
        if name != app.engine_in_use:
            said = filled_in(app, "Build with it from now on ({engine.pick})")
            yield SystemCommand(f"Use the {name} engine", said, partial(app.use_engine, name))


def _run(app: WorkbenchApp, widget: Widget | None, action: str) -> None:
    if widget is not None:
        from workbench.tui.widgets.panel import Panel

        (widget.focus_targets()[0] if isinstance(widget, Panel) else widget).focus()
    app.call_after_refresh(app.run_action, action, app if widget is None else widget)


def _panels(app: WorkbenchApp) -> Iterable[tuple[str, Sequence[Widget]]]:
    from workbench.tui.widgets.panel import PANELS

    for name in PANELS:
        panel = app.base.query_one(f"#{name}")
        widgets = [panel, *panel.query("*")]
        ours = [it for it in widgets if type(it).__module__.startswith("workbench.") and _bindings(it)]
        yield name, [it for it in ours if it is panel or not _behind(it, panel)]


def _behind(widget: Widget, panel: Widget) -> bool:
    """Whether another widget of the panel is shown in its place, as of the files that are open."""
    between = (it for it in widget.ancestors_with_self if isinstance(it, Widget) and panel in it.ancestors)
    return not all(it.display for it in between)


def _bindings(owner: Widget | WorkbenchApp) -> list[Binding]:
    """The owner's own bindings with a description, as they are mapped now, each once."""
    found: dict[tuple[str, str], Binding] = {}
    for keys in _mapped(owner).values():
        for binding in keys:
            if binding.description and not binding.system and binding.action != "command_palette":
                before = found.get((binding.action, binding.description))
                key = f"{before.key},{binding.key}" if before else binding.key
                found[binding.action, binding.description] = replace(binding, key=key)
    return list(found.values())


def _rank(binding: Binding) -> int:
    """What the footer has comes first, and what moves a cursor, in every list the same, last."""
    if binding.show:
        return 0
    return 1 if binding.id and not binding.id.startswith("list.") else 2


def _mapped(owner: Widget | WorkbenchApp) -> Mapping[str, Sequence[Binding]]:
    """The owner's bindings by key, with what `[keys]` says; Textual lays that over them at each key anew."""
    bindings = owner._bindings.copy()
    bindings.apply_keymap(owner.app._keymap)
    return bindings.key_to_bindings


def actions_of(widget: Widget) -> list[Binding]:
    """What a widget itself can do, with the keys as they are mapped now."""
    names = {it.action for it in type(widget).BINDINGS if isinstance(it, Binding)}
    return [it for it in _unique(_bindings(widget)) if it.action in names]


def _unique(bindings: Iterable[Binding]) -> Iterator[Binding]:
    seen: set[str] = set()
    for binding in bindings:
        if binding.action not in seen:
            seen.add(binding.action)
            yield binding


def _keys(binding: Binding) -> str:
    return ", ".join(dict.fromkeys(map(shown, binding.key.split(","))))


_TYPED_AS = {"ctrl+@": "ctrl+space", "ctrl+underscore": "ctrl+/", "slash": "/"}
"""What a terminal sends, or Textual calls a key, and what a person presses for it."""


def shown(key: str) -> str:
    """A key as a person reads it: `?` for `question_mark`, `alt+.` for `alt+full_stop`, `F2` for `f2`."""
    if key in _TYPED_AS:
        return _TYPED_AS[key]
    *modifiers, last = key.split("+")
    sign = key_to_character(last)
    if sign is not None and sign.isprintable() and not sign.isspace():
        last = sign
    elif re.fullmatch(r"f\d+", last):
        last = last.upper()
    return "+".join([*modifiers, last])


def filled_in(app: WorkbenchApp, text: str) -> str:
    """The text with `{images.delete}` as the keys of the action that has that name in `[keys]`, as they are now."""

    def keys_of(found: re.Match[str]) -> str:
        if found[1] == "palette":
            return app.COMMAND_PALETTE_BINDING
        for owner in (app, *app.workspace.query("*")):
            for binding in _by_name(owner, found[1]):
                return _keys(binding).replace(", ", " or ")
        return found[0]

    return re.sub(r"\{([\w.]+)\}", keys_of, text)


def _by_name(owner: Widget | WorkbenchApp, name: str) -> Iterator[Binding]:
    """The owner's binding of that name, with all its keys, where it has one."""
    keys = [it.key for bound in _mapped(owner).values() for it in bound if it.id == name]
    if keys:
        yield Binding(",".join(keys), "", "")


def _rows(bindings: Iterable[Binding]) -> list[tuple[str, str]]:
    return [(_keys(binding), binding.description) for binding in bindings]
