"""The workbench on the screen: composes the panels, and hands what they say to the part that knows what to do."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from workbench.build.loop import LoopState, Mode
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.tui import colourless, configured, driver, ending, keys, looks, opening, seen, terminal_keys
from workbench.tui.active_panel import ActivePanel
from workbench.tui.guide import Guide
from workbench.tui.image_actions import ImageActions
from workbench.tui.live import Live
from workbench.tui.messages import OpenFile
from workbench.tui.naming import tag_for
from workbench.tui.presence import Presence
from workbench.tui.screens.waiting import Waiting
from workbench.tui.touring import NO_TOUR, Touring
from workbench.tui.typed_ahead import Passed, TypedAhead, leads_nowhere
from workbench.tui.widgets.context_panel import ContextPanel
from workbench.tui.widgets.key_line import KeyLine
from workbench.tui.widgets.panel import PANELS, Panel, Strip
from workbench.tui.widgets.title import TitleLine
from workbench.tui.workspace import Workspace

if TYPE_CHECKING:
    from workbench.build.engine import Engine
    from workbench.build.loops import MakeLoop
    from workbench.tui.first_paint import FirstPaint
    from workbench.tui.screens.build_options import ReadOptions
    from workbench.tui.widgets.editor_panel import EditorPanel


class WorkbenchApp(App[int]):
    """The terminal UI on one context and one engine. `run` gives the exit code.

    `engines` are what the engine can be changed to, by name. `make_loop` makes the live loop, by default one of this
    process; `prepare` is called on a thread, for what that loop needs. `read_options` reads the
    words of `docker build`; without it there is no form of build options. `touring` says what is known of the tour.
    `painted` is what the terminal shows meanwhile: it stays until the panels are filled.
    """

    TITLE = "workbench"
    CSS_PATH = "workbench.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]
    BINDINGS = [
        Binding("f1", "help", "Help", id="help", priority=True),
        Binding("f5,ctrl+r", "build_now", "Build", id="build.now"),
        Binding("ctrl+s", "save", "Save", id="file.save"),
        Binding("f6,ctrl+t", "toggle_watching", "Watch", id="watching.toggle"),
        Binding("f8,ctrl+x", "cancel_build", "Cancel", id="build.cancel"),
        Binding("f2,alt+1", "panel('context')", "Context", id="panel.context", show=False, priority=True),
        Binding("f3,alt+2", "panel('dockerfile')", "Editor", id="panel.editor", show=False, priority=True),
        Binding("f4,alt+3", "panel('build')", "Build panel", id="panel.build", show=False, priority=True),
        Binding("f7,alt+4", "panel('images')", "Images", id="panel.images", show=False, priority=True),
        Binding("question_mark", "help", "Help", id="help.sign", show=False),
        Binding("f9,alt+6", "build_options", "Build options", id="build.options", show=False),
        Binding("b,alt+5", "builds", "Builds", id="builds.open", key_display="alt+5"),
        Binding("alt+7", "pick_engine", "Change the engine", id="engine.pick", show=False),
        Binding("alt+8", "pick_mode", "When to build", id="watching.pick", show=False),
        Binding("alt+9", "change_theme", "Theme", id="theme", show=False),
        Binding("alt+t", "tour", "Take the tour, or end it", id="tour", show=False, priority=True),
        Binding("alt+s", "next_tour_step", "Next step of the tour", id="tour.skip", show=False, priority=True),
        Binding("ctrl+z,alt+z", "suspend_process", "Stop, until fg", id="suspend", show=False),
        Binding("q", "leave", "Quit", id="quit", show=False),
        Binding("ctrl+q", "leave", "Quit", id="quit.anywhere", priority=True),
    ]

    def __init__(
        self,
        engine: Engine,
        context: Path,
        config: Config,
        *,
        request: BuildRequest | None = None,
        watch: bool | None = None,
        engines: Mapping[str, Callable[[], Engine]] | None = None,
        make_loop: MakeLoop | None = None,
        prepare: Callable[[], None] | None = None,
        read_options: ReadOptions | None = None,
        touring: Touring = NO_TOUR,
        painted: FirstPaint | None = None,
    ) -> None:
        terminal_keys.install()
        self.painted = painted
        super().__init__(driver_class=driver.choose())
        colourless.use(self)
        self.animation_level = "none"
        self.engine = engine
        self.guide = Guide(self, touring)
        self.context = context
        self.config = config
        self.engines = dict(engines or {})
        self.engine_in_use = engine.name
        """The name in `engines` of the one that builds."""
        request = request or BuildRequest(context=context)
        self._read_options = read_options
        self._options_given = bool(request.options_used())
        self.request = request if request.tags else replace(request, tags=(tag_for(context),))
        self.mode = cast("Mode", config.watch) if watch is None else "on" if watch else "off"
        self._make_loop = make_loop
        self._prepare = prepare
        self._panel = ActivePanel(self)
        self.live: Live | None = None
        self._workspace: Workspace | None = None
        self._image_actions: ImageActions | None = None
        self._presence: Presence | None = None
        self.typed = TypedAhead(self)
        self._unseen = ExitStack()  # nothing is drawn until it is closed

    # -- the screen

    def get_default_screen(self) -> Screen[Any]:
        """One on which nothing takes the focus by itself: the first panel would."""
        screen = super().get_default_screen()
        screen.AUTO_FOCUS = ""  # type: ignore[misc]  # of the class, for Textual; here it is the one screen's
        return screen

    def compose(self) -> ComposeResult:
        yield TitleLine(id="title")
        with Vertical(id="strips"):
            for number, name in enumerate(PANELS, 1):
                yield Strip(number, name, classes="-active" if name == self.active else "")
        yield KeyLine()

    def on_mount(self) -> None:
        for least, name in reversed(self.HORIZONTAL_BREAKPOINTS):  # Textual itself does it after the first layout
            if self.size.width >= least:
                self.base.add_class(name)
                break
        configured.take_theme(self)
        configured.take_keys(self)
        title = self.base.query_one(TitleLine)
        title.engine, title.context = self.engine.name, self.context
        title.state = LoopState(watching=self.mode != "off", on_focus=self.mode == "focus")
        ending.on_signals(self)
        if self._prepare is not None:
            self.work(asyncio.to_thread(self._prepare), "prepare", "prepare the live loop")
        self._unseen.enter_context(self.batch_update())
        self.work(self._furnish(), "furnish", "put the panels into their places")

    async def _furnish(self) -> None:
        """The panels, and all that fills them."""
        with self._unseen:
            await self._put_panels()
        await self.guide.begin()
        self.call_after_refresh(self._begin)
        self.call_after_refresh(self.typed.let_go, "start")

    async def _put_panels(self) -> None:
        if self._read_options is not None and not self._options_given:
            from workbench.tui.screens.build_options import take_kept

            await take_kept(self, self._read_options)
        self._workspace = Workspace(self.context, self.request.dockerfile)
        self._image_actions = ImageActions(self)
        self._presence = Presence(self)
        if self.painted is not None:
            self._workspace.context_panel.show_seen(self.painted.seen)
        await self.base.mount(self._workspace, after="#title")
        self.live = Live(
            self._workspace, self.engine, lambda: self.request, self.config,
            mode=self.mode, make_loop=self._make_loop,
        )  # fmt: skip
        self._workspace.follow(self.live)
        self.context_panel.use_engine(self.engine.name)
        self.context_panel.look(self.request.dockerfile)
        self.editor_panel.use_engine(self.engine.name)
        configured.tell(self)
        await self.editor_panel.load()
        self._panel.mark(self.active)
        self._panel.enter(self.active)

    def _begin(self) -> None:
        """What nobody waits for before the panels are to be seen."""
        live = self._live
        self.work(live.loop.run(build_first=self.mode != "off"), "loop", "go on watching and building")
        self.work(live.remember_times(), "times", "read how long steps took")
        self.work(self.image_actions.follow(), "images", "follow the engine's images")
        self.work(self.presence.introduce(), "introduce", "ask the engine for its version")

    async def on_event(self, event: events.Event) -> None:
        """Keys wait for what they are meant for."""
        typed = isinstance(event, events.Key | events.Paste) and not event.is_forwarded
        if isinstance(event, events.Key) and event.key == "escape":
            self.guide.decline()
        if not typed:
            await super().on_event(event)
        elif not self.typed.take(event):
            await self.give_on(event)

    async def give_on(self, event: events.Event) -> None:
        """What is typed, to what it is meant for."""
        taker = self.focused
        leads = isinstance(event, events.Key) and not (taker and leads_nowhere(event, taker))
        await super().on_event(event)
        if leads and event.is_forwarded:
            self.typed.follow()

    async def on_passed(self, event: Passed) -> None:
        await self.typed.passed(event.rounds)

    def work(self, work: Any, group: str, description: str) -> Worker[Any]:
        """Runs it as the only worker of its group."""
        return self.run_worker(work, group=group, exclusive=True, exit_on_error=False, description=description)

    def ask(self, work: Any, group: str, description: str) -> None:
        """`work`, for what puts a question to a person, or opens a screen: keys typed meanwhile wait for that."""
        self.typed.expect(self.work(work, group, description))

    def push_screen(self, screen: Any, *arguments: Any, **named: Any) -> Any:
        """What was waited for is there."""
        Waiting.end(self)
        opened = super().push_screen(screen, *arguments, **named)
        self.typed.opens(self.screen)
        return opened

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What nobody foresaw is told, and the rest goes on."""
        if event.worker.is_finished:
            self.typed.no_question(event.worker)
            Waiting.end(self, event.worker)
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            what = str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
            title = f"Could not {event.worker.description}"
            self.notify(what, title=title, severity="error", markup=False, timeout=15)

    def withdraw(self, title: str) -> None:
        """What was told under that title is not so any more: it goes from the screen before its time."""
        for told in [it for it in self._notifications if it.title == title]:
            self._unnotify(told)

    # -- what comes from anywhere

    def on_open_file(self, event: OpenFile) -> None:
        self.work(opening.open_path(self, event.path, event.line), "open", f"open {event.path}")

    def on_panel_strip_changed(self, event: Panel.StripChanged) -> None:
        if event.panel.id in PANELS and self.screen_stack:
            self.base.query_one(f"#strip-{event.panel.id}", Strip).say(event.panel.strip_text)

    def on_context_panel_scanned(self, event: ContextPanel.Scanned) -> None:
        """What is seen now is what the next first paint shows."""
        if self.painted is not None and self._there:
            now = event.panel.seen(looks.pens(self), seen.colours_of(os.environ))
            self.work(asyncio.to_thread(self.painted.keep, now), "seen", "keep what is seen for the next start")

    def on_strip_chosen(self, event: Strip.Chosen) -> None:
        self.activate(event.name)

    def on_descendant_focus(self) -> None:
        """A click may have chosen another panel. No cursor blinks: an idle screen sends nothing."""
        focused = self.focused if self.screen_stack else None  # it may be told while the screen is taken down
        if isinstance(focused, Input):
            focused.cursor_blink = False
        if self._there and focused is not None and (name := self.workspace.holder(focused)) is not None:
            self._panel.mark(name)

    # -- what a person asks

    @property
    def active(self) -> str:
        """The name of the active panel."""
        return self._panel.name

    def activate(self, name: str) -> None:
        """Makes that panel the active one, and puts the focus into it."""
        self._panel.activate(name)

    def action_panel(self, name: str) -> None:
        self.activate(name)

    def action_focus_next(self) -> None:
        if len(self.screen_stack) > 1:
            self.screen.focus_next()
        else:
            self._panel.step(1)

    def action_focus_previous(self) -> None:
        if len(self.screen_stack) > 1:
            self.screen.focus_previous()
        else:
            self._panel.step(-1)

    def action_build_now(self) -> None:
        self._live.loop.build_now()

    def action_cancel_build(self) -> None:
        self._live.loop.cancel()

    def action_toggle_watching(self) -> None:
        """Off, and back to what it was."""
        self._live.loop.set_watching(not self._live.state.watching)

    def on_app_focus(self) -> None:
        """The terminal has the focus again: somebody looks."""
        if self.live is not None:
            self.live.loop.attend()

    def action_save(self) -> None:
        self.work(self.editor_panel.save(), "save", "save the file")

    def action_help(self) -> None:
        """The keys: those of the place where the focus is first. Again, it closes them."""
        from workbench.tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss()
        else:
            self.push_screen(HelpScreen(keys.sections(self)))

    def action_build_options(self) -> None:
        from workbench.tui.screens.build_options import open_options

        if self._read_options is not None:
            self.ask(open_options(self, self._read_options), "options", "ask for build options")

    def action_builds(self) -> None:
        from workbench.tui.screens.builds import open_builds

        self.ask(open_builds(self), "builds", "list the finished builds")

    def action_tour(self) -> None:
        self.work(self.guide.take_or_end(), "tour", "take the tour")

    def action_next_tour_step(self) -> None:
        self.guide.skip()

    def action_leave(self) -> None:
        self.ask(ending.leave(self), "leave", "quit, after a question where something would be lost")

    def action_suspend_process(self) -> None:
        from workbench.tui.stopping import stop

        stop(self)

    async def action_quit(self) -> None:
        self.action_leave()

    def use_engine(self, name: str) -> None:
        """Builds with that engine from now on, where it answers."""
        from workbench.tui.changing import change_engine

        self.work(change_engine(self, name), "engine", "change the engine")

    def action_pick_engine(self) -> None:
        from workbench.tui.changing import pick

        self.ask(pick(self, "Build with", list(keys.engines(self))), "pick", "choose an engine")

    def action_pick_mode(self) -> None:
        from workbench.tui.changing import pick

        self.ask(pick(self, "When to build", list(keys.modes(self))), "pick", "choose when to build")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every action, and every engine."""
        yield from keys.commands(self)
        yield from keys.modes(self)
        yield from keys.engines(self)

    # -- the rest

    @property
    def base(self) -> Screen[Any]:
        """The screen with the panels, under whatever dialog is open."""
        return self.screen_stack[0]

    @property
    def _there(self) -> bool:
        """False before the panels are there, and when the screen is being taken down."""
        return self.live is not None and bool(self.screen_stack) and self.workspace.is_attached

    @property
    def _live(self) -> Live:
        assert self.live is not None, "only after the panels are there"
        return self.live

    @property
    def workspace(self) -> Workspace:
        assert self._workspace is not None, "only after the panels are there"
        return self._workspace

    @property
    def image_actions(self) -> ImageActions:
        assert self._image_actions is not None, "only after the panels are there"
        return self._image_actions

    @property
    def presence(self) -> Presence:
        assert self._presence is not None, "only after the panels are there"
        return self._presence

    @property
    def editor_panel(self) -> EditorPanel:
        return self.workspace.editor_panel

    @property
    def context_panel(self) -> ContextPanel:
        return self.workspace.context_panel

    def get_key_display(self, binding: Binding) -> str:
        """As Textual shows it in the line of keys, function keys as they are labelled, and a name where the terminal
        does not have the sign."""
        shown = super().get_key_display(binding)
        if not shown.isascii() and not driver.has_signs():
            shown = shown.replace("⏎", "enter").replace("⌫", "backspace")
        return shown.upper() if re.fullmatch(r"f\d+", shown) else shown

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Panels behind a dialog do nothing."""
        return not (len(self.screen_stack) > 1 and action in keys.NOT_BEHIND_A_DIALOG)
