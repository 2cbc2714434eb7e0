"""Every finished build of this context: how long and how large, what changed between two, and the way back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.build.builds_text import build_lines, comparison_lines
from workbench.build.compare import compare
from workbench.build.format import sparkline
from workbench.build.history import History, Record
from workbench.build.text import clean, one_line
from workbench.tui import driver
from workbench.tui.screens.text import TextScreen
from workbench.tui.widgets.build_list import BuildList
from workbench.tui.widgets.key_line import KeyLine

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_BARS = 24
"""Builds in the sparklines."""
_LOOK = 0.5
"""Seconds between two looks at whether another build ended."""


class BuildsScreen(ModalScreen[None]):
    """`escape` closes it. What is long of a build is read from the disk when it is asked for."""

    DEFAULT_CSS = """
    BuildsScreen {
        align: center middle;
        & > Vertical { width: 100%; height: 1fr; border: round $primary; background: $surface; }
        & #builds-lines { height: auto; max-height: 2; color: $text-muted; padding: 0 1; }
        & BuildList { height: 1fr; }
    }
    """
    BINDINGS = [
        Binding("space", "mark", "Mark", id="builds.mark"),
        Binding("c", "compare", "Compare", id="builds.compare"),
        Binding("enter,l", "log", "Log", id="builds.log"),
        Binding("i", "details", "Details", id="builds.details"),
        Binding("o", "dockerfile", "Dockerfile", id="builds.dockerfile"),
        Binding("e", "edit", "Edit", id="builds.edit"),
        Binding("r", "roll_back", "Roll back", id="builds.rollback"),
        Binding("escape,q,b", "dismiss", "Close", key_display="esc"),
        Binding("question_mark", "app.help", "Help", show=False),
    ]

    def __init__(self, context: Path, builds: Sequence[Record], stamp: int) -> None:
        super().__init__()
        self._folder = context
        self._builds = builds
        self._stamp = stamp
        self._history = History()
        self._looking = False

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("", id="builds-lines", markup=False)
            yield BuildList(self._builds, time.time())
        yield KeyLine(palette=False)

    def on_mount(self) -> None:
        box = self.query_one(Vertical)
        box.border_title = f"Builds  {len(self._builds)}"
        box.border_subtitle = "space mark · c compare · r roll back"
        self.query_one("#builds-lines", Static).update(lines_of(self._builds))
        self.list.focus()
        self.set_interval(_LOOK, self._look_again, name="builds that ended meanwhile")

    def _look_again(self) -> None:
        """Unless the last look is not over: on a slow disk each would end the one before."""
        if not self._looking:
            self._looking = True
            self.run_worker(self._look(), group="builds-renew", exit_on_error=False)

    async def _look(self) -> None:
        try:
            await self._renew()
        finally:
            self._looking = False

    async def _renew(self) -> None:
        """Shows what was built while the screen was open, by whomever."""
        stamp = await asyncio.to_thread(self._history.stamp, self._folder)
        if stamp == self._stamp:
            return
        self._builds = await asyncio.to_thread(self._history.list, self._folder, rollbacks=True)
        self._stamp = stamp
        self.list.show(self._builds, time.time())
        self.query_one(Vertical).border_title = f"Builds  {len(self._builds)}"
        self.query_one("#builds-lines", Static).update(lines_of(self._builds))

    @property
    def list(self) -> BuildList:
        return self.query_one(BuildList)

    @property
    def _app(self) -> WorkbenchApp:
        from workbench.tui.app import WorkbenchApp

        assert isinstance(self.app, WorkbenchApp)
        return self.app

    def action_mark(self) -> None:
        self.list.mark()

    def action_compare(self) -> None:
        """The two that are marked; one alone with the one under the cursor; none with the one before it."""
        pair = self.list.pair()
        if pair is None:
            self.notify("There is no other build to compare with.", severity="warning")
            return
        self._work(self._compare(*pair), "compare two builds")

    def action_log(self) -> None:
        if (it := self.list.build) is not None:
            self._work(self._show_log(it), "read a log")

    def action_details(self) -> None:
        if (it := self.list.build) is not None:
            self.app.push_screen(TextScreen(f"Build {it.number}", build_lines(it)))

    def action_dockerfile(self) -> None:
        if (it := self.list.build) is not None:
            self._work(self._show_dockerfile(it), "read a Dockerfile")

    def action_edit(self) -> None:
        if (it := self.list.build) is not None:
            self._work(self._edit(it), "take a Dockerfile into the editor")

    def action_roll_back(self) -> None:
        if (it := self.list.build) is not None:
            self._work(self._app.image_actions.roll_back(it), "roll back")

    def _work(self, work: object, description: str) -> None:
        self._app.work(work, "builds", description)

    async def _text(self, it: Record) -> str | None:
        details = await asyncio.to_thread(self._history.details, it)
        return details.dockerfile if details is not None else None

    async def _compare(self, before: Record, after: Record) -> None:
        texts = await self._text(before), await self._text(after)
        lines = list(comparison_lines(compare(before, after, texts)))
        await self.app.push_screen(TextScreen(f"Build {before.number} → {after.number}", lines, diff=True))

    async def _show_log(self, it: Record) -> None:
        details = await asyncio.to_thread(self._history.details, it)
        if details is None:
            self.notify(f"The log of build {it.number} was not kept.", severity="warning")
            return
        lines: list[str] = []
        for step in it.steps:
            lines.append(f"Step {step.step}: {one_line(step.text)}")
            lines += clean(details.logs.get(step.step, "")).splitlines()
        if it.error:
            lines.append(one_line(it.error))
        await self.app.push_screen(TextScreen(f"Log of build {it.number}", lines))

    async def _show_dockerfile(self, it: Record) -> None:
        text = await self._text(it)
        if text is None:
            self._no_text(it)
            return
        lines = clean(text).splitlines()
        await self.app.push_screen(TextScreen(f"{one_line(it.dockerfile)} of build {it.number}", lines))

    async def _edit(self, it: Record) -> None:
        text, panel = await self._text(it), self._app.editor_panel
        if text is None:
            self._no_text(it)
            return
        if panel.unsaved and not await self._may_replace():
            return
        panel.show_file(panel.main)
        panel.main.take(text)
        self.dismiss()
        self._app.activate("dockerfile")
        self._app.notify(f"The Dockerfile of build {it.number}, not saved: saving builds it.", markup=False)

    async def _may_replace(self) -> bool:
        from workbench.tui.screens.dialogs import ConfirmDialog

        answers = [("replace", "Replace"), ("stay", "Stay")]
        lines = ["There is unsaved text in the editor."]
        dialog = ConfirmDialog("Replace the text in the editor?", lines, answers, danger="replace")
        return await self.app.push_screen_wait(dialog) == "replace"

    def _no_text(self, it: Record) -> None:
        self.notify(f"The Dockerfile of build {it.number} was not kept.", severity="warning")


def lines_of(builds: Sequence[Record]) -> Content:
    """Time and size of the newest builds, the newest at the right."""
    newest = [it for it in builds if not it.rolled_back_to][:_BARS][::-1]
    bars = driver.bars()
    times = sparkline([it.seconds for it in newest], bars=bars)
    sizes = sparkline([None if it.size is None else float(it.size) for it in newest], bars=bars)
    return Content(f"time {times}   size {sizes}")


async def open_builds(app: WorkbenchApp) -> None:
    """Shows the builds of the app's context as they are on the disk now."""
    stamp = await asyncio.to_thread(History().stamp, app.context)
    builds = await asyncio.to_thread(History().list, app.context, rollbacks=True)
    await app.push_screen(BuildsScreen(app.context, builds, stamp))
