"""What can be done with an image from its panel. Each asks where something would be lost, and says how it ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from workbench.build.format import human_size
from workbench.build.images import Image, short_id
from workbench.build.request import normalise_tag
from workbench.errors import UsageError, WorkbenchError

if TYPE_CHECKING:
    from workbench.build.history import Record
    from workbench.tui.app import WorkbenchApp

_AGAIN_AFTER = 5.0


class ImageActions:
    """Bound to the app's engine as it is when an action runs."""

    def __init__(self, app: WorkbenchApp) -> None:
        self._app = app
        self._problem = ""

    async def follow(self) -> None:
        """Lists the images, and again whenever they may have changed. Ends only when its worker is cancelled."""
        while True:
            await self.refresh()
            try:
                async for _ in self._app.engine.images.changes():
                    await self.refresh()
            except WorkbenchError as error:
                self._tell(str(error))
            await asyncio.sleep(_AGAIN_AFTER)

    async def refresh(self) -> None:
        """Shows the images as they are now."""
        try:
            images = await self._app.engine.images.list()
        except WorkbenchError as error:
            self._tell(str(error))
            return
        self._problem = ""
        app = self._app
        app.workspace.images_panel.show(images, time.time())
        panel = app.workspace.images_box
        panel.title = panel.strip_text = f"Images  {len(images)} · {human_size(sum(image.size for image in images))}"

    async def details(self, image: Image, reference: str) -> None:
        """The config and the history of an image, on a screen of their own."""
        from workbench.tui.screens.details import ImageDetails

        store = self._app.engine.images
        try:
            inspected, history = await asyncio.gather(store.inspect(image.id), store.history(image.id))
        except WorkbenchError as error:
            self._refused(error)
            return
        await self._app.push_screen(ImageDetails(reference, inspected, history))

    async def delete(self, image: Image, reference: str) -> None:
        """Says what would go, and takes it where that is wanted."""
        from workbench.tui.screens.delete import DeleteDialog

        store = self._app.engine.images
        try:
            removal = await store.plan_removal([reference])
            if not await self._app.push_screen_wait(DeleteDialog([(image, reference)], removal)):
                return
            done = await store.remove([reference])
        except WorkbenchError as error:
            self._refused(error)
            return
        await self.refresh()
        gone = [*done.untagged, *(short_id(it) for it in done.deleted)]
        self._app.notify(f"{', '.join(gone)} · {human_size(done.bytes_freed)} freed", title="Deleted", markup=False)

    async def roll_back(self, build: Record) -> None:
        """Gives the names of a build's image back to it, and says what they had before."""
        from workbench.build.rollback import roll_back

        store, name = self._app.engine.images, self._app.engine.name
        if (build.engine == "embedded") != (name == "embedded"):
            told = f"Build {build.number} is an image of the {build.engine} engine, and {name} is in use."
            self._app.notify(told, title="Not rolled back", severity="error", markup=False)
            return
        try:
            done = [await roll_back(store, (), tag, build) for tag in build.tags]
        except WorkbenchError as error:
            self._refused(error)
            return
        await self.refresh()
        lines = [f"{it.tag}: {short_id(it.before) or 'nothing'} -> {short_id(build.image)}" for it in done]
        told = "\n".join(lines) or f"Build {build.number} has no name to go back to."
        self._app.notify(told, title=f"Rolled back to build {build.number}", markup=False)

    async def tag(self, image: Image, reference: str) -> None:
        """Asks for a name, and gives it to the image."""
        from workbench.tui.screens.dialogs import PromptDialog

        name = await self._app.push_screen_wait(PromptDialog(f"Tag {reference}", "", "repository:tag", _complaint))
        if name is None:
            return
        try:
            await self._app.engine.images.tag(image.id, name)
        except WorkbenchError as error:
            self._refused(error)
            return
        await self.refresh()
        self._app.notify(f"{image.short} is now also {normalise_tag(name)}", title="Tagged", markup=False)

    def _refused(self, error: WorkbenchError) -> None:
        self._app.notify(f"{error}\n{error.hint}".strip(), title="Not done", severity="error", markup=False)

    def _tell(self, problem: str) -> None:
        """Once for each trouble, not at every try."""
        if problem != self._problem:
            self._problem = problem
            self._app.notify(problem, title="Images", severity="warning", markup=False)


def _complaint(name: str) -> str:
    try:
        normalise_tag(name)
    except UsageError as error:
        return f"{error} {error.hint}".strip()
    return ""
