"""What moves images in and out, and takes its time: with a line that says how far it is, and an end when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from workbench.build.format import human_size
from workbench.build.images import Removal, short_id
from workbench.build.request import normalise_tag
from workbench.build.talk import Talk
from workbench.build.text import one_line
from workbench.errors import WorkbenchError
from workbench.tui.widgets.image_rows import ImageRow

if TYPE_CHECKING:
    from textual.worker import Worker

    from workbench.tui.app import WorkbenchApp
    from workbench.tui.image_actions import ImageActions

_T = TypeVar("_T")
_EVERY = 0.1
"""Seconds between two looks at how far it is."""
_LISTED = 8


class Progress:
    """How far a transfer is. Told from any thread, read by the loop."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bytes = (0, 0)
        self._said = ""
        self.talk = Talk(self._progress, self._say)

    def _progress(self, current: int, total: int) -> None:
        self._bytes = current, total

    def _say(self, line: str) -> None:
        self._said = line

    def __str__(self) -> str:
        current, total = self._bytes
        words = [self._title]
        if current:
            share = f" ({current * 100 // total}%)" if total else ""
            words.append(f"{human_size(current)} of {human_size(total)}{share}" if total else human_size(current))
        if self._said:
            words.append(one_line(self._said))
        return " · ".join([*words, "escape ends it"])


class ImageTransfers:
    """One at a time: another one is refused while it goes on."""

    def __init__(self, app: WorkbenchApp, actions: ImageActions) -> None:
        self._app = app
        self._actions = actions
        self._running: Worker[None] | None = None

    @property
    def running(self) -> bool:
        return self._running is not None and not self._running.is_finished

    def stop(self) -> None:
        """Ends the transfer that runs, if one does."""
        if self._running is not None and not self._running.is_finished:
            self._running.cancel()

    # -- what a person asks

    async def pull(self) -> None:
        from workbench.tui.image_actions import complaint

        name = await self._ask("Pull", "", "repository:tag", complaint)
        if name:
            self._start(
                f"Pulling {name}", lambda talk: self._actions.store.pull(name, talk), lambda it: f"{name} is here"
            )

    async def push(self, row: ImageRow) -> None:
        """Under the name that is asked for, which says where to. Another one than the image has is given to it."""
        from workbench.tui.image_actions import complaint

        store, name = self._actions.store, await self._ask("Push as", row.name, "host:5000/repository:tag", complaint)
        if not name:
            return
        target = normalise_tag(name)

        async def work(talk: Talk) -> None:
            if target != row.name:
                await store.tag(row.image.id, target)
            await store.push(target, talk)

        self._start(f"Pushing {target}", work, lambda _: f"{target} is pushed")

    async def save(self, rows: Sequence[ImageRow]) -> None:
        """Asks where to; a file that is there is replaced after a question."""
        from workbench.tui.screens.dialogs import ConfirmDialog

        references = [row.reference for row in rows]
        first = rows[0].said.rpartition("/")[2].replace(":", "_") if len(rows) == 1 else "images"
        title = f"Save {rows[0].said if len(rows) == 1 else f'{len(rows)} images'} to"
        text = await self._ask(title, f"{first}.tar", "a file", lambda it: "" if it.strip() else "It needs a file.")
        if text is None:
            return
        out = path_of(text)
        folder, exists = await asyncio.to_thread(lambda: (out.parent.is_dir() and not out.is_dir(), out.exists()))
        if not folder:
            told = f"{out} is a folder, or is in none that exists."
            self._app.notify(told, title="Not saved", severity="error", markup=False)
            return
        if exists:
            dialog = ConfirmDialog(
                f"Replace {out.name}?", [str(out)], [("stay", "Leave it"), ("replace", "Replace")], danger="replace"
            )
            if await self._app.push_screen_wait(dialog) != "replace":
                return
        self._start(
            f"Saving {out.name}",
            lambda talk: self._actions.store.save(references, out, talk),
            lambda _: f"{out}: {len(rows)} saved",
        )

    async def load(self) -> None:
        path = await self._ask_file("Load images from")
        if path is not None:
            self._start(
                f"Loading {path.name}",
                lambda talk: self._actions.store.load(path, talk),
                lambda came: "\n".join(came[:_LISTED]),
            )

    async def import_(self) -> None:
        """A file system's tar becomes an image."""
        from workbench.tui.image_actions import complaint

        path = await self._ask_file("Import the file system of")
        if path is None:
            return
        name = await self._ask("Its name", "", "repository:tag", complaint)
        if name:
            self._start(
                f"Importing {path.name}",
                lambda talk: self._actions.store.import_(path, tag=name, talk=talk),
                lambda it: f"{name} is {short_id(it)}",
            )

    async def commit(self) -> None:
        """A container becomes an image."""
        from workbench.tui.image_actions import complaint

        container = await self._ask("Commit which container", "", "name or ID", lambda it: "" if it else "Which one?")
        name = container and await self._ask(f"Name of the image of {container}", "", "repository:tag", complaint)
        if container and name:
            self._start(
                f"Committing {container}",
                lambda talk: self._actions.store.commit(container, tag=name),
                lambda it: f"{name} is {short_id(it)}",
            )

    async def prune(self) -> None:
        """Shows what would go, of the dangling images and of all that nothing uses, and asks."""
        from workbench.tui.screens.dialogs import ConfirmDialog

        store = self._actions.store
        try:
            dangling = await store.prune(dry_run=True)
            unused = await store.prune(all=True, dry_run=True)
        except WorkbenchError as error:
            self._actions.refused(error)
            return
        if not unused.deleted and not dangling.bytes_freed:
            self._app.notify("Every image is in use, and nothing is left over.", title="Nothing to prune")
            return
        answers = [("cancel", "Cancel"), ("dangling", "Prune"), ("all", "All unused")]
        dialog = ConfirmDialog("Prune images for good?", prune_lines(dangling, unused), answers, danger="all")
        answer = await self._app.push_screen_wait(dialog)
        if answer in ("dangling", "all"):
            self._start(
                "Pruning",
                lambda talk: store.prune(all=answer == "all"),
                lambda it: f"{len(it.deleted)} images, {human_size(it.bytes_freed)} freed",
                ended="Ended; what went before is gone.",
            )

    # -- how it goes

    def _start(
        self, title: str, work: Callable[[Talk], Awaitable[_T]], told: Callable[[_T], str],
        *, ended: str = "Ended; nothing half done is left.",
    ) -> None:  # fmt: skip
        if self.running:
            self._app.notify("Another transfer is going on: escape ends it.", title="Not done", severity="warning")
            return
        self._running = self._app.run_worker(
            self._carry(title, work, told, ended), group="image-transfer", exit_on_error=False, description=title
        )

    async def _carry(
        self, title: str, work: Callable[[Talk], Awaitable[_T]], told: Callable[[_T], str], ended: str
    ) -> None:
        progress, box = Progress(title), self._app.workspace.images_box
        box.say(str(progress))
        clock = self._app.set_interval(_EVERY, lambda: box.say(str(progress)))
        try:
            found = await work(progress.talk)
        except WorkbenchError as error:
            self._actions.refused(error)
            return
        except asyncio.CancelledError:
            self._app.notify(ended, title=title, severity="warning", markup=False)
            raise
        finally:
            clock.stop()
            box.say("")
        self._app.notify(told(found), title=title.partition(" ")[0].replace("ing", "ed"), markup=False)
        self._app.workspace.images_panel.unmark()
        await self._actions.refresh()

    async def _ask(self, title: str, value: str, hint: str, why_not: Callable[[str], str]) -> str | None:
        return await self._actions.ask(title, value, hint, why_not)

    async def _ask_file(self, title: str) -> Path | None:
        """A file that is there, absolute."""
        text = await self._ask(title, "", "a file", lambda it: "" if it.strip() else "It needs a file.")
        if text is None:
            return None
        path = path_of(text)
        if not await asyncio.to_thread(path.exists):
            self._app.notify(f"There is no {path}.", title="Not done", severity="error", markup=False)
            return None
        return path


def path_of(text: str) -> Path:
    """The file that a person means, absolute."""
    return Path(text.strip()).expanduser().absolute()


def prune_lines(dangling: Removal, unused: Removal) -> list[str]:
    """What each of the two would take."""

    def names(removal: Removal) -> list[str]:
        found = [*removal.untagged, *(short_id(it) for it in removal.deleted)]
        return [f"    {it}" for it in found[:_LISTED]] + (
            [f"    and {len(found) - _LISTED} more"] if found[_LISTED:] else []
        )

    return [
        f"Prune: {len(dangling.deleted)} images without a name; frees {human_size(dangling.bytes_freed)}",
        *names(dangling),
        f"All unused: {len(unused.deleted)} images that no container uses; frees {human_size(unused.bytes_freed)}",
        *names(unused),
        "What is pruned cannot be taken back, and the trash goes with all that is unused.",
    ]
