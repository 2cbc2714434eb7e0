"""What can be done with an image from its panel. Each asks where something would be lost, and says how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.build.format import human_size
from workbench.build.images import Image, ImageStore, Removal, short_id
from workbench.build.names import untag
from workbench.build.request import normalise_tag
from workbench.build.trash import Held, Trash, held_in
from workbench.errors import EngineError, EngineLost, UsageError, WorkbenchError
from workbench.tui import image_facts
from workbench.tui.image_transfers import ImageTransfers
from workbench.tui.widgets.image_rows import Facts, ImageRow

if TYPE_CHECKING:
    from workbench.build.history import Record
    from workbench.tui.app import WorkbenchApp

ASK_NOTHING = {"list", "stop", "undo", "untag", "copy"}
"""Actions that open no dialog."""
_DELETED = "Deleted"
"""Title of what says how to take it back."""
_AGAIN_AFTER = 5.0
_TRIES = 10
_MANY = 10
"""Images whose deleting takes long enough to say how far it is."""
_BREATH = 0.5
"""Seconds between two lists while an engine tells of one change after the other."""


class ImageActions:
    """Bound to the app's engine as it is when an action runs."""

    def __init__(self, app: WorkbenchApp) -> None:
        self._app = app
        self._problem = ""
        self._facts = Facts()
        self._sizes = image_facts.Sizes()
        self._images: Sequence[Image] = ()
        self._deleted: list[float] = []  # when somebody deleted here: an engine and its trash may be shared
        self.transfers = ImageTransfers(app, self)

    @property
    def store(self) -> ImageStore:
        return self._app.engine.images

    @property
    def trash(self) -> Trash:
        """As the configuration has it."""
        config = self._app.config
        return Trash(self.store, seconds=config.trash_minutes * 60, most=config.trash_gb * 1e9)

    # -- the list

    async def follow(self) -> None:
        """Lists the images, and again whenever they may have changed. Ends only when its worker is cancelled."""
        while True:
            await self.refresh()
            try:
                async for _ in self.store.changes():
                    await self.refresh()
                    await asyncio.sleep(_BREATH)
            except WorkbenchError as error:
                self._tell(str(error))
            await asyncio.sleep(_AGAIN_AFTER)

    async def refresh(self) -> None:
        """Shows the images as they are now; where the engine gives no answer, those that were there before."""
        panel = self._app.workspace.images_panel
        try:
            images = await self._list(all=panel.view in ("all", "dangling"))
        except EngineError as error:
            self._app.presence.lost(error)
            return
        except WorkbenchError as error:
            self._tell(str(error))
            return
        self._app.presence.found()
        self._problem, self._images = "", images
        panel.show(images, time.time(), built=self._just_built())
        self._app.work(self._learn, "image-facts", "look up what uses the images")

    async def _list(self, *, all: bool) -> Sequence[Image]:
        store = self.store
        try:
            return await store.list(all=all)
        except EngineLost:  # that was a connection of earlier: the engine may be back already
            return await store.list(all=all)

    async def _learn(self) -> None:
        panel = self._app.workspace.images_panel
        await asyncio.sleep(image_facts.PAUSE)
        self._facts = replace(await image_facts.look(self.store), sizes=self._facts.sizes)
        panel.know(self._facts)
        await self._learn_builds()
        if panel.roomy and (sizes := await self._sizes.look(self.store)) is not None:
            self._facts = replace(self._facts, sizes=sizes)
            panel.know(self._facts)

    async def _learn_builds(self) -> None:
        for _ in range(_TRIES):  # the record of a build is written a moment after its end
            made = self._just_built()
            if not made or made in self._facts.builds:
                return
            await asyncio.sleep(image_facts.PAUSE)
            self._facts = replace(self._facts, builds=await image_facts.builds())
            self._app.workspace.images_panel.know(self._facts)

    def _just_built(self) -> str:
        """The image of the build that ended last here."""
        live = self._app.live
        finished = live.progress.finished if live is not None else None
        return finished.image if finished is not None and finished.outcome == "succeeded" else ""

    async def expire(self) -> None:
        """Empties of the trash what has been there for its time, where the list has such. A trouble is told once."""
        trash = self.trash
        if not trash.is_due(held_in(self._images), time.time()):
            return
        try:
            removal = await trash.expire()
        except WorkbenchError as error:
            self._tell(str(error))
            return
        if removal.untagged:
            await self.refresh()

    # -- what a person asks

    async def do(self, what: str, rows: Sequence[ImageRow]) -> None:
        """One action of the panel by its name. `rows` are those it is asked of; many actions need none."""
        match what:
            case "list":
                await self.refresh()
            case "stop":
                self.transfers.stop()
            case "undo":
                await self.undo([row.held for row in rows if row.held is not None])
            case "empty":
                await self.empty([row.held for row in rows if row.held is not None])
            case "pull" | "load" | "import" | "commit" | "prune":
                await getattr(self.transfers, what.replace("import", "import_"))()
            case _ if not rows:
                self._app.notify("There is no image.", title="Not done", severity="warning")
            case "delete" if rows[0].held is not None:
                await self.empty([row.held for row in rows if row.held is not None])
            case "save":
                await self.transfers.save(rows)
            case "push":
                await self.transfers.push(rows[0])
            case _:
                await getattr(self, what)(rows)

    async def menu(self, rows: Sequence[ImageRow]) -> None:
        """Every action by its name; the chosen one is done."""
        from workbench.tui.screens.image_menu import ImageMenu

        panel = self._app.workspace.images_panel
        title = rows[0].said if len(rows) == 1 else f"{len(rows)} images"
        action = await self._app.push_screen_wait(ImageMenu(title, panel))
        if action is not None:
            await self._app.run_action(action, panel)

    async def copy(self, rows: Sequence[ImageRow]) -> None:
        """The IDs, one a line."""
        ids = list(dict.fromkeys(row.image.id for row in rows))
        self._app.copy_to_clipboard("\n".join(ids))
        self._app.notify(f"Copied {ids[0] if len(ids) == 1 else f'{len(ids)} IDs'}", markup=False)

    async def details(self, rows: Sequence[ImageRow]) -> None:
        """The config, the layers and the history of an image, on a screen of their own."""
        from workbench.tui.screens.details import ImageDetails

        row, store = rows[0], self.store
        try:
            inspected, history = await asyncio.gather(store.inspect(row.image.id), store.history(row.image.id))
        except WorkbenchError as error:
            self.refused(error)
            return
        await self._app.push_screen(ImageDetails(row.said, inspected, history, facts=self._facts))

    async def delete(self, rows: Sequence[ImageRow]) -> None:
        """Says what would go, and takes it where that is wanted."""
        from workbench.tui.screens.delete import LISTED, DeleteDialog

        trash, references = self.trash, [row.reference for row in rows]
        held_for = self._app.config.trash_minutes
        try:
            removal, containers = await asyncio.gather(trash.plan(references), self.store.containers())
            several = references[:LISTED] if len(references) > 1 else []
            alone = [it.bytes_freed for it in await asyncio.gather(*(trash.plan([it]) for it in several))]
            users = [it for row in rows for it in containers.get(row.image.id, ())]
            chosen = [(row.image, row.said) for row in rows]
            if not await self._app.push_screen_wait(DeleteDialog(chosen, removal, users, held_for, alone)):
                return
            now = time.time()
            self._deleted.append(now)
            if len(references) > _MANY and trash.holds and not self.transfers.running:
                self.transfers.start(
                    f"Deleting {len(references)} images",
                    lambda talk: trash.put(references, now=now, talk=talk),
                    lambda done: f"{len(done.untagged)} names, {len(done.deleted)} images · u takes them back",
                    ended="Ended; what went before is in the trash.",
                )  # fmt: skip
                return
            done = await (trash.put(references, now=now) if trash.holds else self.store.remove(references))
        except WorkbenchError as error:
            self.refused(error)
            return
        self._app.workspace.images_panel.unmark()
        await self.refresh()
        self._app.notify(_gone(done, held=trash.holds), title=_DELETED, markup=False)

    async def undo(self, held: Sequence[Held]) -> None:
        """Takes back those names, or all of the last deleting."""
        try:
            held = held or await self.trash.last(self._deleted)
            done = await self.trash.restore(held)
        except WorkbenchError as error:
            self.refused(error)
            return
        self._app.workspace.images_panel.unmark()
        await self.refresh()
        if not done:
            self._app.notify("The trash is empty.", title="Nothing to take back", severity="warning")
            return
        self._app.withdraw(_DELETED)
        lines = [it.name if it.name == it.held.name else f"{it.held.said} is now {it.name}" for it in done]
        self._app.notify("\n".join(lines[:8]), title="Taken back", markup=False)

    async def empty(self, held: Sequence[Held]) -> None:
        """Deletes those for good, or all that is in the trash, after a question."""
        from workbench.tui.screens.dialogs import ConfirmDialog

        try:
            held = held or await self.trash.held()
            if not held:
                self._app.notify("The trash is empty.", markup=False)
                return
            freed = (await self.store.plan_removal([it.hidden for it in held])).bytes_freed
            lines = [*(f"{it.said}  {it.image.short}" for it in held[:12]), f"Frees {human_size(freed)}."]
            answers = [("cancel", "Cancel"), ("delete", "Delete for good")]
            title = f"Delete {len(held)} of the trash for good?"
            if await self._app.push_screen_wait(ConfirmDialog(title, lines, answers, danger="delete")) != "delete":
                return
            done = await self.trash.empty(held)
            self._app.withdraw(_DELETED)
        except WorkbenchError as error:
            self.refused(error)
            return
        self._app.workspace.images_panel.unmark()
        await self.refresh()
        told = f"{human_size(done.bytes_freed)} freed" + (f"\n{done.blocked}" if done.blocked else "")
        self._app.notify(told, title="Deleted for good", markup=False)

    async def tag(self, rows: Sequence[ImageRow]) -> None:
        """Asks for a name, and gives it to the image."""
        name = await self.ask(f"Tag {rows[0].said}", "", "repository:tag", complaint)
        if name is None:
            return
        try:
            await self.store.tag(rows[0].image.id, name)
        except WorkbenchError as error:
            self.refused(error)
            return
        await self.refresh()
        self._app.notify(f"{rows[0].image.short} is now also {normalise_tag(name)}", title="Tagged", markup=False)

    async def untag(self, rows: Sequence[ImageRow]) -> None:
        """Takes names away. No image goes: its last name stays."""
        done = []
        try:
            for row in rows:
                if not row.name:
                    raise UsageError(f"{row.said} has no name that could be taken away", hint="`d` deletes the image.")
                await untag(self.store, row.name)
                done.append(row.name)
        except WorkbenchError as error:
            self.refused(error)
        if done:
            self._app.workspace.images_panel.unmark()
            await self.refresh()
            self._app.notify(", ".join(done), title="Untagged", markup=False)

    async def roll_back(self, build: Record) -> None:
        """Gives the names of a build's image back to it, and says what they had before."""
        from workbench.build.history import Bounds, History
        from workbench.build.rollback import Rollback, remember, roll_back, same_images

        store, name = self.store, self._app.engine.name
        if not same_images(build.engine, name):
            told = f"Build {build.number} is an image of the {build.engine} engine, and {name} is in use."
            self._app.notify(told, title="Not rolled back", severity="error", markup=False)
            return
        if not build.tags:
            told = f"Build {build.number} has no name to go back to."
            self._app.notify(told, title="Not rolled back", severity="warning", markup=False)
            return
        done: list[Rollback] = []
        try:
            for tag in build.tags:
                done.append(await roll_back(store, (), tag, build))
        except WorkbenchError as error:
            self.refused(error)
        if not done:
            return
        try:
            await remember(done, History(bounds=Bounds.of(self._app.config)))
        except OSError as error:
            told = f"It is not in the list of builds: {error.strerror}"
            self._app.notify(told, title="Rolled back", severity="warning", markup=False)
        await self.refresh()
        told = "\n".join(f"{it.tag}: {short_id(it.before) or 'nothing'} -> {short_id(build.image)}" for it in done)
        self._app.notify(told, title=f"Rolled back to build {build.number}", markup=False)

    # -- talk

    async def ask(self, title: str, value: str, placeholder: str, why_not: Callable[[str], str]) -> str | None:
        """A line from a person; None where they went back."""
        from workbench.tui.screens.dialogs import PromptDialog

        return await self._app.push_screen_wait(PromptDialog(title, value, placeholder, why_not))

    def refused(self, error: WorkbenchError) -> None:
        """Says what was not done, and why."""
        self._app.notify(f"{error}\n{error.hint}".strip(), title="Not done", severity="error", markup=False)

    def _tell(self, problem: str) -> None:
        """Once for each trouble, not at every try."""
        if problem != self._problem:
            self._problem = problem
            self._app.notify(problem, title="Images", severity="warning", markup=False)


def _gone(done: Removal, *, held: bool) -> str:
    gone = ", ".join([*done.untagged, *(short_id(it) for it in done.deleted)])
    if held:
        return f"{gone} · u takes it back" + (
            f", emptying frees {human_size(done.bytes_freed)}" if done.deleted else ""
        )
    return f"{gone} · {human_size(done.bytes_freed)} freed"


def complaint(name: str) -> str:
    """Why that is no name for an image, "" where it is one."""
    try:
        normalise_tag(name)
    except UsageError as error:
        return f"{error} {error.hint}".strip()
    return ""
