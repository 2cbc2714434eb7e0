"""Every action of the images panel, by its key, on an engine that notes what is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.stage import at_once, images, make_app, make_context, recording, running, screen_text, until
from workbench.build.images import Image, Removal
from workbench.build.talk import Talk
from workbench.engines.replay import ReplayEngine, ReplayImages
from workbench.errors import ImageError
from workbench.tui.app import WorkbenchApp
from workbench.tui.image_facts import builds_by_image
from workbench.tui.screens.details import ImageDetails
from workbench.tui.screens.dialogs import ConfirmDialog, PromptDialog
from workbench.tui.screens.image_menu import ImageMenu


class Noting(ReplayImages):
    """Images in memory whose transfers take as long as `gate` is closed."""

    def __init__(self, images: Sequence[Image]) -> None:
        super().__init__(images)
        self.done: list[tuple[Any, ...]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.ended = 0

    async def _transfer(self, talk: Talk | None, *what: Any) -> None:
        assert talk is not None
        talk.progress(12_000_000, 40_000_000)
        talk.say("layer\x1b[2J 1")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.ended += 1
            raise
        self.done.append(what)

    async def save(self, references: Sequence[str], out: Path, talk: Talk | None = None) -> None:
        await self._transfer(talk, "save", *references, out.name)

    async def load(self, archive: Path, talk: Talk | None = None) -> Sequence[str]:
        await self._transfer(talk, "load", archive.name)
        self.add(Image("sha256:" + "e" * 64, tags=("loaded:1",)))
        return ["loaded:1"]

    async def import_(self, archive: Path, *, tag: str | None = None, talk: Talk | None = None, **_: Any) -> str:
        await self._transfer(talk, "import", archive.name, tag)
        return "sha256:" + "d" * 64

    async def pull(self, reference: str, talk: Talk | None = None) -> str:
        if reference == "no:such":
            raise ImageError("the registry has no such image", hint="Look at its name.")
        await self._transfer(talk, "pull", reference)
        return "sha256:" + "c" * 64

    async def push(self, reference: str, talk: Talk | None = None) -> None:
        await self._transfer(talk, "push", reference)

    async def commit(self, container: str, *, tag: str | None = None, **_: Any) -> str:
        self.done.append(("commit", container, tag))
        return "sha256:" + "b" * 64

    async def prune(self, *, all: bool = False, dry_run: bool = False) -> Removal:
        if not dry_run:
            self.done.append(("prune", all))
        return await super().prune(all=all, dry_run=dry_run)


class Stage:
    def __init__(self, pilot: Pilot[int], app: WorkbenchApp, store: Noting) -> None:
        self.pilot, self.app, self.store = pilot, app, store

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, condition: Any, what: str) -> None:
        await until(self.pilot, condition, what)

    async def sees(self, *texts: str) -> None:
        await self.until(lambda: all(text in screen_text(self.app) for text in texts), " and ".join(texts))

    async def answer(self, key: str, text: str) -> None:
        """Presses a key of the panel, and types into the question that comes."""
        if key:
            await self.press(key)
        await self.until(lambda: isinstance(self.app.screen, PromptDialog), "the question")
        screen = self.app.screen
        screen.query_one(Input).value = text
        await self.press("enter")
        await self.until(lambda: self.app.screen is not screen, "the answer is taken")

    async def did(self, *what: Any) -> None:
        await self.until(lambda: what in self.store.done, f"{what}, not {self.store.done}")

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.app.workspace.images_panel.shown]


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    engine = ReplayEngine(recording("genesis"))
    engine.images = store = Noting([*images(), Image("sha256:" + "a" * 64, created=1.0, size=5)])
    app = make_app(make_context(folder / "lab"), engine, watch=False)
    async with running(app, built=False) as pilot:
        stage = Stage(pilot, app, store)
        await stage.sees("app0", "<none>")
        await stage.press("alt+4")
        await stage.until(lambda: app.active == "images" and app.focused is app.workspace.images_panel, "the panel")
        yield stage


@pytest.mark.slow
async def test_what_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.tar").write_bytes(b"x")
    async with staged(tmp_path) as stage:
        await stage.answer("p", "debian:12")
        await stage.did("pull", "debian:12")
        await stage.answer("P", "host:5000/app0")
        await stage.did("push", "host:5000/app0:latest")
        await stage.until(lambda: "host:5000/app0:latest" in stage.names, "the name it was pushed as")
        await stage.press("space", "space")
        await stage.answer("S", "out.tar")
        await stage.did("save", "app0:latest", "host:5000/app0:latest", "out.tar")
        await stage.until(lambda: not stage.app.workspace.images_panel.marked, "the marks are gone")
        await stage.answer("L", "in.tar")
        await stage.did("load", "in.tar")
        await stage.until(lambda: "loaded:1" in stage.names, "what came")
        await stage.answer("I", "in.tar")
        await stage.answer("", "fs:1")
        await stage.did("import", "in.tar", "fs:1")
        await stage.answer("C", "web")
        await stage.answer("", "web:patched")
        await stage.did("commit", "web", "web:patched")
        await stage.answer("S", "in.tar")  # is there: asks, and the answer at hand leaves it
        await stage.until(lambda: isinstance(stage.app.screen, ConfirmDialog), "the question")
        await stage.press("enter")
        await stage.until(lambda: len(stage.app.screen_stack) == 1, "left as it is")
        assert not [it for it in stage.store.done if it[0] == "save" and it[-1] == "in.tar"]
        await stage.answer("L", "nothing.tar")
        await stage.sees("There is no")
        await stage.answer("p", "no:such")
        await stage.sees("the registry has no such image", "Look at its name.")


@pytest.mark.slow
async def test_a_transfer_says_how_far_it_is_and_escape_ends_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.store.gate.clear()
        await stage.answer("p", "debian:12")
        await stage.sees("Pulling debian:12 · 12MB of 40MB (30%)", "layer\\x1b[2J 1", "escape ends it")
        await stage.answer("p", "other:1")
        await stage.sees("Another transfer is going on")
        await stage.press("slash", *"app", "enter", "escape")  # the filter goes first, and the transfer on
        assert stage.store.ended == 0
        await stage.press("escape")
        await stage.until(lambda: stage.store.ended == 1, "the transfer is ended")
        await stage.until(lambda: "escape ends it" not in screen_text(stage.app), "its line is gone")
        stage.store.gate.set()
        await stage.answer("p", "debian:13")
        await stage.did("pull", "debian:13")


@pytest.mark.slow
async def test_names_come_and_go(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.press("T")
        await stage.sees("is the only name of its image")
        await stage.answer("t", "second:1")
        await stage.until(lambda: "second:1" in stage.names, "the name")
        await stage.press("g", "T")
        await stage.until(lambda: "app0:latest" not in stage.names, "the other name is gone")
        assert "second:1" in stage.names


@pytest.mark.slow
async def test_what_is_marked_is_deleted_together_and_taken_back_together(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.store.users = {images()[0].id: ("web (exited)",)}
        await stage.press("space", "space", "d")
        await stage.sees("Delete 2 images?", "app0:latest", "app1:latest", "Frees 3.96MB", "web (exited)")
        await stage.press("d")
        await stage.until(lambda: stage.names == ["app2:latest", ""], "both are gone")
        await stage.sees("2 in the trash")
        await stage.press("u")
        await stage.until(lambda: stage.names == ["app0:latest", "app1:latest", "app2:latest", ""], "both are back")
        await stage.press("G", "d")  # the one without a name
        await stage.sees("Delete aaaaaaaaaaaa?")
        await stage.press("d")
        await stage.until(lambda: "" not in stage.names, "gone")
        await stage.press("v", "v", "v")
        await stage.sees("trash · 1", "HELD FOR", "aaaaaaaaaaaa")
        await stage.press("d")
        await stage.sees("Delete 1 of the trash for good?", "Frees 5B")
        await stage.press("d")
        await stage.until(lambda: "sha256:" + "a" * 64 not in stage.store.held, "gone for good")
        await stage.press("escape", "u")
        await stage.sees("The trash is empty")


@pytest.mark.slow
async def test_deleting_many_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.tui.image_actions._MANY", 1)
    async with staged(tmp_path) as stage:
        gate, tag = asyncio.Event(), stage.store.tag

        async def slow(reference: str, name: str) -> None:
            if len(stage.store.held) == 4 and any(
                "trash" in it for held in stage.store.held.values() for it in held.tags
            ):
                await gate.wait()
            await tag(reference, name)

        monkeypatch.setattr(stage.store, "tag", slow)
        await stage.press("asterisk", "d")
        await stage.sees("Delete 4 images?")
        await stage.press("d")
        await stage.sees("Deleting 4 images · 2 of 4", "escape ends it")
        await stage.press("escape", "escape")  # the marks go first
        await stage.until(lambda: "escape ends it" not in screen_text(stage.app), "it is ended")
        gate.set()
        await stage.press("u")
        await stage.until(lambda: "app0:latest" in stage.names, "what had gone is back")


@pytest.mark.slow
async def test_prune_shows_what_would_go(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.press("x")
        await stage.sees("Prune: 1 images without a name; frees 5B", "All unused: 4 images", "cannot be taken back")
        await stage.press("enter")
        await stage.until(lambda: len(stage.app.screen_stack) == 1, "left as it is")
        assert not stage.store.done
        await stage.press("x")
        await stage.sees("All unused: 4 images")
        await stage.press("p")
        await stage.did("prune", False)
        await stage.until(lambda: "" not in stage.names, "gone from the table")


@pytest.mark.slow
async def test_the_menu_has_every_action_and_does_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.press("m")
        await stage.until(lambda: isinstance(stage.app.screen, ImageMenu), "the menu")
        for said in ("Details", "Delete", "Tag", "Untag", "Save to a file", "Push", "Pull", "Load from a file",
                     "Import a file system", "Commit a container", "Prune", "Undo delete",
                     "Empty the trash"):  # fmt: skip
            assert any(said in it.description for it in stage.app.screen._actions), said
        await stage.press("down", "enter")
        await stage.sees("Delete app0:latest?")
        await stage.press("escape", "m")
        await stage.until(lambda: isinstance(stage.app.screen, ImageMenu), "the menu again")
        await stage.press("i")
        await stage.until(lambda: isinstance(stage.app.screen, ImageDetails), "the details")
        await stage.sees("Layers, lowest first", "recorded")


@pytest.mark.slow
async def test_what_another_program_does_shows_up_and_so_does_what_uses_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        identifier = "sha256:" + "f" * 64
        stage.store.users = {identifier: ("web (running)",)}
        stage.store.add(Image(identifier, tags=("outside:1",), created=2.0, size=7))
        await stage.until(lambda: "outside:1" in stage.names, "another program's image")
        await stage.sees("IN USE BY", "web (running)", "SHARED")


@pytest.mark.slow
async def test_the_trash_is_emptied_of_what_is_old(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.store.add(Image("sha256:" + "9" * 64, tags=("workbench-trash/1000.60/n/old:1",)))
        await stage.until(lambda: "1 in the trash" in screen_text(stage.app), "it is in the trash")
        await stage.app.image_actions.expire()
        assert "sha256:" + "9" * 64 not in stage.store.held
        assert len(stage.store.held) == 4


def test_the_last_build_that_made_an_image() -> None:
    from workbench.build.history import Record

    def record(number: int, image: str) -> Record:
        return Record(when=0, revision=0, engine="x", outcome="succeeded", image=image, number=number)

    assert builds_by_image([record(3, "b"), record(2, "a"), record(1, "b"), record(4, "")]) == {"b": 3, "a": 2}


class Slow(Noting):
    """What goes is known after `known` is set."""

    def __init__(self, images: Sequence[Image]) -> None:
        super().__init__(images)
        self.known = asyncio.Event()

    async def plan_removal(self, references: Sequence[str], *, force: bool = False) -> Removal:
        await self.known.wait()
        return await super().plan_removal(references, force=force)


@asynccontextmanager
async def slow(folder: Path) -> AsyncIterator[Stage]:
    """On the images panel of an engine that takes its time."""
    engine = ReplayEngine(recording("genesis"))
    engine.images = store = Slow(images())
    app = make_app(make_context(folder), engine, watch=False)
    async with running(app, built=False) as pilot:
        await until(pilot, lambda: "app2" in screen_text(app), "the images")
        await pilot.press("alt+4")
        yield Stage(pilot, app, store)


async def test_what_is_typed_behind_delete_neither_reaches_the_panel_nor_deletes_unseen(tmp_path: Path) -> None:
    async with slow(tmp_path / "lab") as stage:
        app, pilot = stage.app, stage.pilot
        at_once(app, "d", "d", "j", "t", "space", "right", "enter", "y")
        await until(pilot, lambda: "Looking it up" in screen_text(app), "that it takes a while is said")
        at_once(app, "d", "enter")
        await pilot.pause()
        stage.store.known.set()  # type: ignore[attr-defined]
        await until(pilot, lambda: "Delete app0:latest?" in screen_text(app), "the question")
        await pilot.pause(0.3)
        panel = app.workspace.images_panel
        assert isinstance(app.screen, ConfirmDialog) and len(app.screen_stack) == 2
        assert (panel.cursor, panel.marked) == (1, []), "nothing reached the panel"
        assert len(stage.store.held) == 3
        await pilot.press("d")
        await until(pilot, lambda: "1 in the trash" in screen_text(app), "a key after the question counts")


async def test_what_takes_long_to_look_up_can_be_given_up(tmp_path: Path) -> None:
    async with slow(tmp_path / "lab") as stage:
        await stage.pilot.press("d")
        await until(stage.pilot, lambda: "Looking it up" in screen_text(stage.app), "that it takes a while is said")
        await stage.pilot.press("escape")
        await until(stage.pilot, lambda: len(stage.app.screen_stack) == 1, "given up")
        await stage.pilot.press("j")
        await until(stage.pilot, lambda: stage.app.workspace.images_panel.cursor == 2, "keys are the panel's again")


@pytest.mark.parametrize("keys", [("t",), ("p",), ("m", "t")])
async def test_what_is_typed_behind_a_key_that_asks_is_the_answer(tmp_path: Path, keys: tuple[str, ...]) -> None:
    async with staged(tmp_path / "lab") as stage:
        at_once(stage.app, *keys, "d", "x", "X")
        await until(stage.pilot, lambda: isinstance(stage.app.screen, PromptDialog), "the question")
        typed = stage.app.screen.query_one(Input)
        await until(stage.pilot, lambda: typed.value == "dxX", "typed into it")
        assert len(stage.app.screen_stack) == 2
