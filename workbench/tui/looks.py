"""In which pens the widgets of the screen draw, for a first paint that looks like them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.style import Style
from textual.widget import Widget
from textual.widgets import Footer

from workbench.tui.widgets.panel import Strip
from workbench.tui.widgets.title import TitleLine

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp


def pens(app: WorkbenchApp) -> dict[str, str]:
    """SGR parameters by the name that `first_paint` has for what they draw; none without colours."""
    depth = app.console._color_system
    if depth is None or app.no_color:
        return {}
    return {name: style.render("|", color_system=depth).partition("m")[0][2:] for name, style in _styles(app) if style}


def _styles(app: WorkbenchApp) -> Iterator[tuple[str, Style]]:
    screen, workspace = app.base, app.workspace
    editor, tree = workspace.editor_panel.editor, workspace.context_panel.context_tree
    yield "screen", screen.rich_style
    yield "title", screen.query_one(TitleLine).rich_style
    yield "strip", screen.query(Strip).first().rich_style
    yield "footer", screen.query_one(Footer).rich_style
    yield "gutter", editor.rich_style + editor.get_component_rich_style("text-area--gutter")
    for name, widget in (
        ("dockerfile", editor), ("context", tree), ("build", workspace.build_panel), ("images", workspace.images_panel)
    ):  # fmt: skip
        yield name, widget.rich_style
    for widget, prefix in ((editor, "editor--"), (tree, "tree--")):
        for name in widget.COMPONENT_CLASSES:
            if name.startswith(prefix):
                yield name, widget.rich_style + widget.get_component_rich_style(name, partial=True)
    yield from _border("border", workspace.build_box)
    yield from _border("border.active", workspace.editor_panel)


def _border(name: str, panel: Widget) -> Iterator[tuple[str, Style]]:
    behind = Style(bgcolor=panel.background_colors[1].rich_color)
    yield name, behind + Style(color=panel.styles.border_top[1].rich_color)
    title = panel.styles.border_title_color
    yield f"{name}.title", behind + Style(color=title.rich_color) + panel.styles.border_title_style
