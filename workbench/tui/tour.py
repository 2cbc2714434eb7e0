"""The tour: two minutes on a copy of the sample `genesis`, which goes on when a person has done what it says.

It looks at the workbench and does nothing itself; what each step waits for is a fact of the panels or of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.timer import Timer

from workbench.dataclass import dataclass
from workbench.tui import keys
from workbench.tui.touring import TAG
from workbench.tui.widgets.tour_box import TourBox

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_PER_SECOND = 10
_STILL = 10
"""Looks in a row that find an edited line the same: whoever wrote it has stopped typing."""


@dataclass(frozen=True, slots=True)
class TourStep:
    """One step: `text` has the keys of actions as `{images.delete}`; `done` looks whether it was done."""

    title: str
    text: str
    done: Callable[[Tour], bool]


class Tour:
    """The tour of one app, at its first step. `start` shows it; `over` is called after the last step."""

    def __init__(self, app: WorkbenchApp, over: Callable[[], object]) -> None:
        self.app = app
        self._over = over
        self.steps = [it for it in STEPS if app.config.trash_minutes or it is not _UNDO]
        self.place = 0
        self.box = TourBox()
        self.command = _command(app.editor_panel.main.editor.text)
        """The CMD line as it was; what differs from it is what the person wrote."""
        self.revision = app.live.state.saved if app.live is not None else 1
        """What was saved when the tour began."""
        self.seen = ""
        """What was seen in this step: the newest text, the image's details, the image itself."""
        self.looks = 0
        """How often the newest text was seen."""
        self._timer: Timer | None = None

    async def start(self) -> None:
        self.app.base.add_class("-touring")
        await self.app.base.mount(self.box, after="#workspace")
        self._show()
        self._timer = self.app.set_interval(1 / _PER_SECOND, self._look, name="the tour")

    def skip(self) -> None:
        """To the next step; from the last one to the end."""
        self.place, self.seen, self.looks = self.place + 1, "", 0
        if self.place < len(self.steps):
            self._show()
        else:
            self._over()

    async def end(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self.app.base.remove_class("-touring")
        await self.box.remove()

    def _look(self) -> None:
        if self.steps[self.place].done(self):
            self.skip()

    def _show(self) -> None:
        step, app = self.steps[self.place], self.app
        says = keys.filled_in(app, step.text)
        foot = keys.filled_in(app, "{tour.skip} next · {tour} end")
        self.box.say(f"Tour {self.place + 1}/{len(self.steps)} · {step.title}", says, foot)


def _command(text: str) -> tuple[str, ...]:
    """The words of the last CMD in the text; none where there is no CMD, or the text is no Dockerfile."""
    from workbench.dockerfile import parse
    from workbench.dockerfile.instructions import Cmd
    from workbench.errors import DockerfileError

    try:
        found = [it.args for stage in parse(text).stages for it in stage.instructions if isinstance(it, Cmd)]
    except DockerfileError:
        return ()
    return found[-1] if found else ()


def _looked_at_the_archive(tour: Tour) -> bool:
    entry = tour.app.context_panel.context_tree.entry
    return tour.app.active == "context" and entry is not None and entry.path.endswith(".tar.xz")


def _wrote(tour: Tour) -> bool:
    """Another CMD, and no key for a second, or it is saved already."""
    main = tour.app.editor_panel.main
    if main.editor.text != tour.seen:
        tour.seen, tour.looks = main.editor.text, 0
    tour.looks += 1
    return (tour.looks == _STILL or not main.unsaved) and _another_command(tour)


def _saved(tour: Tour) -> bool:
    return not tour.app.editor_panel.main.unsaved and _another_command(tour)


def _another_command(tour: Tour) -> bool:
    return _command(tour.app.editor_panel.main.editor.text) not in ((), tour.command)


def _saw_it_built(tour: Tour) -> bool:
    live = tour.app.live
    if live is None or tour.app.active != "build":
        return False
    return live.state.saved > tour.revision and live.state.settled


def _opened_the_image(tour: Tour) -> bool:
    """Opened its details, and closed them."""
    from workbench.tui.screens.details import ImageDetails

    if isinstance(tour.app.screen, ImageDetails):
        tour.seen = "details"
    return tour.seen == "details" and tour.app.screen is tour.app.base


def _has_the_image(tour: Tour) -> bool:
    tags = tour.app.request.tags
    return bool(set(tags) & set(tour.app.workspace.images_panel.references))


def _deleted(tour: Tour) -> bool:
    if _has_the_image(tour):
        tour.seen = "there"
    return tour.seen == "there" and not _has_the_image(tour)


_UNDO = TourStep(
    "Taking back",
    "{images.undo} among the images takes it back: what is deleted is held for a while.",
    _has_the_image,
)

STEPS: Sequence[TourStep] = (
    TourStep(
        "What is sent",
        "{panel.context} goes to the context, the files that a build is sent. Move with {list.down} to the archive: "
        "the lines below say whether it is sent, and which line of the Dockerfile takes it.",
        _looked_at_the_archive,
    ),
    TourStep(
        "Editing",
        '{panel.editor} goes to the Dockerfile. In its last line, make ["sh"] into ["sh", "-l"]. '
        "Beside each line stands what the next build will reuse and what it will run.",
        _wrote,
    ),
    TourStep("Saving", "{file.save} saves. That is all: the image is being built already.", _saved),
    TourStep(
        "The build",
        "{panel.build} goes to the build. What did not change was cached, what you changed ran. On a step, "
        "{build.choose} leads to its line, and {build.log} shows the whole log.",
        _saw_it_built,
    ),
    TourStep(
        "The image",
        f"{{panel.images}} goes to the images. On {TAG}, {{images.details}} shows what is in it, layer by layer; "
        "escape closes that.",
        _opened_the_image,
    ),
    TourStep(
        "Deleting",
        "{images.delete} on it asks, and says first what would go: names, images built on it, containers, bytes. "
        "Delete it.",
        _deleted,
    ),
    _UNDO,
    TourStep(
        "That was it",
        "{help} has every key, {palette} every action. {quit.anywhere} leaves. To build your own: "
        "workbench, in a folder with a Dockerfile.",
        lambda tour: False,
    ),
)
