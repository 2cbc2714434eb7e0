"""Keys and commands read off the bindings themselves, so that help and palette cannot say what is not so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.binding import Binding
from textual.keys import format_key
from textual.widget import Widget

if TYPE_CHECKING:
    from workbench.build.loop import Mode
    from workbench.tui.app import WorkbenchApp

_NAMES = {"context": "Context", "dockerfile": "Editor", "build": "Build", "images": "Images"}


def sections(app: WorkbenchApp) -> list[tuple[str, list[tuple[str, str]]]]:
    """(title, [(keys, what it does)]) for the whole workbench, then panel by panel."""
    found = [
        ("Everywhere", [*_rows(_bindings(app)), ("tab, shift+tab", "Next, previous panel"), ("ctrl+p", "Commands")])
    ]
    for panel, widgets in _panels(app):
        rows = [row for widget in widgets for row in _rows(_bindings(widget))]
        found.append((_NAMES[panel], list(dict.fromkeys(rows))))
    return found


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
                yield SystemCommand(f"Watching: {mode}", text, partial(app.live.loop.set_mode, mode))


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
    for keys in owner._bindings.key_to_bindings.values():
        for binding in keys:
            if binding.description and not binding.system and binding.action != "command_palette":
                before = found.get((binding.action, binding.description))
                key = f"{before.key},{binding.key}" if before else binding.key
                found[binding.action, binding.description] = Binding(key, binding.action, binding.description)
    return list(found.values())


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
    return ", ".join(format_key(key) if key == "question_mark" else key for key in binding.key.split(","))


def _rows(bindings: Iterable[Binding]) -> list[tuple[str, str]]:
    return [(_keys(binding), binding.description) for binding in bindings]
