"""The options of the next builds as a form, and the `docker build` that would do the same."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Checkbox, Input, Static

from workbench.build.command import SWITCHES, docker_command, keep_options, kept_options, option_flags, values_of
from workbench.build.engine import OPTIONS
from workbench.build.request import BuildRequest
from workbench.build.text import one_line
from workbench.dockerfile import parse
from workbench.dockerfile.instructions import Arg
from workbench.dockerfile.symbols import symbols
from workbench.errors import DockerfileError, WorkbenchError
from workbench.tui.naming import tag_for

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

ReadOptions = Callable[[Sequence[str]], dict[str, Any]]
"""Words of a command line to the fields of a BuildRequest. Raises UsageError, naming the option."""

_HINTS: Mapping[str, str] = {
    "--tag": "name:tag name:tag",
    "--label": "NAME=VALUE 'NAME=two words'",
    "--secret": "id=ID,src=FILE id=ID,env=NAME: where it is, never what it is",
    "--ssh": "default",
    "--platform": "linux/arm64",
    "--network": "default, none, host",
    "--add-host": "NAME:ADDRESS",
    "--memory": "512m",
    "--memory-swap": "1g, or -1",
    "--shm-size": "64m",
    "--ulimit": "nofile=1024:2048",
    "--cpuset-cpus": "0-3 or 0,1",
    "--build-context": "NAME=PLACE",
    "--output": "type=local,dest=DIR",
}


class BuildOptions(ModalScreen[BuildRequest | None]):
    """Dismissed with the request that the form makes, or None. Texts are words as in a shell: blanks part them."""

    DEFAULT_CSS = """
    BuildOptions {
        align: center middle;
        & > Vertical { width: 100; max-width: 96%; height: 90%; padding: 0 1; border: round $primary; }
        & > Vertical { background: $surface; }
        & VerticalScroll { height: 1fr; }
        & .option { height: 1; }
        & .option > Static { width: 24; }
        & .option > Input { width: 1fr; }
        & .option > Checkbox { width: 6; padding: 0; }
        & .option > .option--elsewhere { width: 1fr; color: $text-muted; }
        & .option.-elsewhere { color: $text-muted; }
        & #options-command { height: auto; max-height: 4; color: $text-muted; }
        & #options-complaint { height: auto; color: $text-error; }
    }
    """
    BINDINGS = [
        Binding("enter,ctrl+s", "apply", "Use them", priority=True, id="options.apply"),
        Binding("f9,alt+y", "copy", "Copy the command", id="options.copy"),
        Binding("escape", "back", "Back"),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]

    def __init__(
        self, request: BuildRequest, engine: str, honoured: frozenset[str], read: ReadOptions, text: str
    ) -> None:
        super().__init__()
        self._request = request
        self._engine = engine
        self._honoured = honoured
        self._read = read
        self._offers = offers(text)

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("Build options", classes="dialog--title", markup=False)
            with VerticalScroll(can_focus=False):
                flags = option_flags()
                for flag in sorted(flags, key=lambda flag: flag not in self._honoured):
                    yield from self._row(flag)
            yield Static("", id="options-complaint", markup=False)
            yield Static("", id="options-command", markup=False)
            yield Static("enter: use them · f9, alt+y: copy the command · escape: back", markup=False)

    def _row(self, flag: str) -> ComposeResult:
        with Horizontal(classes="option" if flag in self._honoured else "option -elsewhere"):
            yield Static(flag, markup=False)
            if flag not in self._honoured:
                where = [name for name in OPTIONS if flag in OPTIONS[name] and name != self._engine]
                told = f"not on {self._engine}; on {', '.join(where)}" if where else "on no engine"
                yield Static(told, classes="option--elsewhere", markup=False)
            elif flag in SWITCHES:
                yield Checkbox(value=self._is_on(flag), id=f"option{flag}", compact=True)
            else:
                offered = self._offers.get(flag, ())
                line = Input(
                    shlex.join(values_of(self._request, flag)),
                    placeholder=one_line(", ".join(offered)) or _HINTS.get(flag, ""),
                    suggester=SuggestFromList(offered) if offered else None,
                    id=f"option{flag}",
                    compact=True,
                )
                line.cursor_blink = False
                yield line

    def _is_on(self, flag: str) -> bool:
        given = values_of(self._request, flag)
        return given[0] == "true" if given else flag in ("--rm", "--disable-content-trust")

    def on_mount(self) -> None:
        for line in self.query(Input).results():
            line.focus()
            break
        self._look()

    def on_input_changed(self) -> None:
        self._look()

    def on_checkbox_changed(self) -> None:
        self._look()

    def _look(self) -> BuildRequest | None:
        """Shows the command, or what is wrong."""
        try:
            made = self._made()
        except (WorkbenchError, ValueError) as error:
            hint = error.hint if isinstance(error, WorkbenchError) else "A quote has no end."
            self.query_one("#options-complaint", Static).update(one_line(f"{error} {hint}"))
            return None
        self.query_one("#options-complaint", Static).update("")
        self.query_one("#options-command", Static).update(one_line(docker_command(made)))
        return made

    def _made(self) -> BuildRequest:
        """The request of the form. Options that this engine has not are let go. Raises WorkbenchError, ValueError."""
        words: list[str] = []
        for line in self.query(Input):
            flag = (line.id or "").removeprefix("option")
            words += [f"{flag}={value}" for value in shlex.split(line.value)]
        for box in self.query(Checkbox):
            words.append(f"{(box.id or '').removeprefix('option')}={'true' if box.value else 'false'}")
        return with_options(self._request, self._read(words))

    def action_apply(self) -> None:
        made = self._look()
        if made is not None:
            self.dismiss(made)

    def action_copy(self) -> None:
        made = self._look()
        if made is not None:
            self.app.copy_to_clipboard(docker_command(made))
            self.notify("The docker build command is copied.")

    def action_back(self) -> None:
        self.dismiss(None)


def offers(text: str) -> dict[str, list[str]]:
    """What the Dockerfile has for `--target` and `--build-arg`; nothing where it cannot be read."""
    try:
        dockerfile = parse(text)
    except DockerfileError:
        return {}
    stages = [it.name for it in symbols(dockerfile) if it.kind == "stage" and it.name]
    inner = [it for stage in dockerfile.stages for it in stage.instructions if isinstance(it, Arg)]
    names = [name for arg in (*dockerfile.global_args, *inner) for name, _ in arg.pairs]
    return {
        "--target": list(dict.fromkeys(stages)),
        "--no-cache-filter": list(dict.fromkeys(stages)),
        "--build-arg": [f"{name}=" for name in dict.fromkeys(names)],
    }


def with_options(request: BuildRequest, fields: Mapping[str, Any]) -> BuildRequest:
    """`request` with those options; without a tag the image is called by its context."""
    made = replace(request, **fields)
    return made if made.tags or made.context is None else replace(made, tags=(tag_for(made.context),))


async def open_options(app: WorkbenchApp, read: ReadOptions) -> None:
    """Asks for options, keeps them for this context, and builds with them: at once where saves are built at once."""
    text = app.editor_panel.main.editor.text
    honoured = app.engine.capabilities().options
    screen = BuildOptions(app.request, app.engine.name, honoured, read, text)
    made = await app.push_screen_wait(screen)
    if made is None or made == app.request:
        return
    app.request = made
    if app.live is not None and app.live.state.watching:
        app.live.loop.build_now()
    try:
        await asyncio.to_thread(keep_options, made)
    except OSError as error:
        app.notify(f"{error.strerror}", title="Build options are not kept", severity="warning", markup=False)


async def take_kept(app: WorkbenchApp, read: ReadOptions) -> None:
    """The options that were kept for the context, where none were given."""
    words = await asyncio.to_thread(kept_options, app.context)
    try:
        if words:
            app.request = with_options(app.request, read(words))
    except WorkbenchError as error:
        app.notify(f"{error}", title="Kept build options do not hold", severity="warning", markup=False)
