"""Changes that bear on nothing build nothing, over real files and a real watch; whatever is in doubt is built."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from workbench.build.events import BuildEvent, BuildFinished, BuildStarted
from workbench.build.loop import _PATIENCE, LiveLoop, LoopState
from workbench.build.request import BuildRequest
from workbench.context.watch_events import _LOOK_MS
from workbench.engines.worker import Cancel, Emit, ThreadBuild
from workbench.errors import ImageNotFound

DOCKERFILE = "FROM scratch\n# what it does\nCOPY src /app\n"


class Images:
    """A store that has one base, with or without triggers."""

    def __init__(self) -> None:
        self.triggers: dict[str, list[str]] = {"base": []}

    async def inspect(self, reference: str) -> dict[str, Any]:
        if reference not in self.triggers:
            raise ImageNotFound(f"No such image: {reference}")
        return {"Config": {"OnBuild": self.triggers[reference]}}


class HeldEngine:
    """Builds end at once, or when `hold` is set."""

    name = "embedded"

    def __init__(self) -> None:
        self.hold: threading.Event | None = None
        self.images = Images()
        self.started = 0
        self.outcome = "succeeded"

    def build(self, request: BuildRequest) -> ThreadBuild:
        return ThreadBuild(self._work)

    def _work(self, emit: Emit, cancel: Cancel) -> None:
        self.started += 1
        emit(BuildStarted(build="b", engine="embedded"))
        pause = self.hold
        asked = threading.Event()
        cancel.on_ask(asked.set)
        end = time.monotonic() + 20
        while pause is not None and not pause.is_set() and time.monotonic() < end and not asked.wait(0.005):
            pass
        cancel.check()
        emit(BuildFinished(outcome=self.outcome, image=f"sha256:{self.started}"))  # type: ignore[arg-type]


class Lab:
    """A context, and a loop that watches it."""

    def __init__(self, context: Path, target: str | None = None) -> None:
        self.context = context
        self.engine = HeldEngine()
        self.ends: list[tuple[int, str]] = []
        request = BuildRequest(context=context, target=target)
        self.loop = LiveLoop(self.engine, lambda: request, quiet=0.01, on_event=self._event)  # type: ignore[arg-type]

    def _event(self, revision: int, event: BuildEvent) -> None:
        if isinstance(event, BuildFinished):
            self.ends.append((revision, event.outcome))

    @property
    def state(self) -> LoopState:
        return self.loop.state

    async def until(self, wanted: Callable[[LoopState], object]) -> LoopState:
        async with asyncio.timeout(15):
            while not wanted(self.state):
                await asyncio.sleep(0.005)
        return self.state

    async def built(self, revision: int) -> LoopState:
        """That revision is built, and the context was looked at."""
        state = await self.until(lambda state: state.built == revision and state.building is None)
        await self.loop.made_from()
        await asyncio.sleep(_LOOK_MS / 1000)  # the watch's own measure: what comes sooner counts as a change
        return state

    async def spared(self) -> str:
        return (await self.until(lambda state: state.spared)).spared

    def write(self, name: str, text: str) -> None:
        """In one move, as most editors save."""
        (self.context / "new.log").write_text(text)
        (self.context / "new.log").replace(self.context / name)


@asynccontextmanager
async def lab(context: Path, dockerfile: str = DOCKERFILE, *, target: str | None = None) -> AsyncIterator[Lab]:
    (context / "src").mkdir()
    (context / "notes").mkdir()
    for name, text in {"Dockerfile": dockerfile, ".dockerignore": "*.log\n", "src/a": "a", "notes/n": "n"}.items():
        (context / name).write_text(text)
    it = Lab(context, target)
    task = asyncio.create_task(it.loop.run(build_first=True))
    try:
        await it.built(1)
        yield it
    finally:
        await it.loop.stop()
        await task


async def test_the_same_bytes_build_nothing(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        (tmp_path / "src/a").touch()
        assert await it.spared() == "nothing to rebuild: the same bytes (src/a)"
        it.write("src/a", "b")
        await it.built(2)
        it.write("src/a", "b")
        await it.spared()
        assert (it.state.saved, it.state.built, it.engine.started) == (2, 2, 2)
        it.write("src/a", "a")
        await it.built(3)


@pytest.mark.parametrize("change", ["mode", "link", "remove", "add", "empty folder"])
async def test_what_an_image_would_show_is_built(change: str, tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        match change:
            case "mode":
                (tmp_path / "src/a").chmod(0o600)
            case "link":
                (tmp_path / "src/l").symlink_to("a")
            case "remove":
                (tmp_path / "src/a").unlink()
            case "add":
                it.write("src/b", "b")
            case _:
                (tmp_path / "src/d").mkdir()
        await it.built(2)
        assert it.engine.started == 2


async def test_what_comes_and_goes_at_once_builds_nothing(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        it.write("src/.a.swp", "x")
        (tmp_path / "src/.a.swp").unlink()
        assert await it.spared() == "nothing to rebuild: the same bytes (src/.a.swp)"
        assert it.engine.started == 1


async def test_a_path_that_no_step_takes_is_a_revision_with_the_same_image(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        it.write("notes/n", "other")
        assert await it.spared() == "nothing to rebuild: no step takes it (notes/n)"
        assert (it.state.saved, it.state.built, it.engine.started) == (2, 2, 1)
        it.write("src/a", "other")
        await it.built(3)
        assert it.engine.started == 2


async def test_comments_of_the_dockerfile_build_nothing_unless_a_line_moves(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        it.write("Dockerfile", DOCKERFILE.replace("what it does", "what it is") + "# the end\n")
        assert await it.spared() == "nothing to rebuild: the same instructions (Dockerfile)"
        assert (it.state.saved, it.state.built, it.engine.started) == (2, 2, 1)
        it.write("Dockerfile", "# first\n" + DOCKERFILE)
        await it.built(3)
        assert it.engine.started == 2


async def test_stages_behind_the_target_build_nothing(tmp_path: Path) -> None:
    stages = "FROM scratch AS one\nCOPY src /\nFROM scratch AS two\nCOPY notes /\n"
    async with lab(tmp_path, stages, target="one") as it:
        it.write("Dockerfile", f"{stages}LABEL more=1\nFROM two AS three\n")
        assert await it.spared() == "nothing to rebuild: only later stages, which are not built (Dockerfile)"
        assert (it.state.saved, it.state.built, it.engine.started) == (2, 2, 1)
        for revision, text in enumerate(
            (f"{stages}FROM scratch AS one\n", stages, stages.replace("FROM scratch AS two", "LABEL more=1"),
             stages, f"# syntax=docker/dockerfile:1\n{stages}"), 3
        ):  # fmt: skip
            it.write("Dockerfile", text)
            await it.built(revision)
        assert it.engine.started == 6


async def test_a_save_of_a_later_stage_lets_a_running_build_go_on(tmp_path: Path) -> None:
    stages = "FROM scratch AS one\nCOPY src /\nFROM scratch AS two\nCOPY notes /\n"
    async with lab(tmp_path, stages, target="one") as it:
        it.engine.hold = threading.Event()
        it.loop.build_now()
        await it.until(lambda state: state.building == 1)
        await it.loop._judge.basis  # type: ignore[union-attr,misc]
        await asyncio.sleep(_LOOK_MS / 1000)
        it.write("Dockerfile", f"{stages}LABEL more=1\n")
        await it.until(lambda state: state.saved == 2)
        assert it.state.building == 1
        it.engine.hold.set()
        await it.built(2)
        assert [outcome for _, outcome in it.ends] == ["succeeded"] * 3, "it may have read the text before or after"


async def test_a_dockerfile_that_is_copied_is_a_file_like_any(tmp_path: Path) -> None:
    async with lab(tmp_path, "FROM scratch\nCOPY . /\n") as it:
        it.write("Dockerfile", "FROM scratch\nCOPY . /\n# end\n")
        await it.built(2)
        assert it.engine.started == 2


async def test_ignore_rules_that_send_the_same_build_nothing(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        it.write(".dockerignore", "*.log\n*.none\n")
        assert await it.spared() == "nothing to rebuild: the same files are sent (.dockerignore)"
        it.write(".dockerignore", "*.log\nsrc/a\n")
        await it.built(3)
        assert it.engine.started == 2


async def test_triggers_of_a_base_may_take_anything(tmp_path: Path) -> None:
    async with lab(tmp_path, "FROM base\nCOPY src /\n") as it:
        it.write("notes/n", "1")
        await it.spared()
        it.engine.images.triggers["base"] = ["COPY . /"]
        it.loop.build_now()
        await it.built(2)
        await it.until(lambda state: it.engine.started == 2)
        await it.built(2)
        it.write("notes/n", "2")
        await it.built(3)
        assert it.engine.started == 3


async def test_after_a_failure_every_save_tries_again(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        it.engine.outcome = "failed"
        it.write("src/a", "b")
        await it.until(lambda state: state.ended == 2)
        await it.loop.made_from()
        it.engine.outcome = "succeeded"
        (tmp_path / "src/a").touch()
        await it.built(3)


async def test_a_save_in_mid_build_that_no_step_takes_lets_it_go_on(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        it.engine.hold = threading.Event()
        it.write("src/a", "b")
        await it.until(lambda state: state.building == 2 and it.engine.started == 2)
        it.write("notes/n", "other")
        state = await it.until(lambda state: state.saved == 3)
        assert state.building == 2 and "no step takes it" in state.spared
        it.engine.hold.set()
        await it.built(3)
        assert it.ends == [(1, "succeeded"), (2, "succeeded")]


async def test_a_save_in_mid_build_of_what_is_copied_cancels_it(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        it.engine.hold = threading.Event()
        it.write("src/a", "b")
        await it.until(lambda state: state.building == 2 and it.engine.started == 2)
        it.engine.hold = None
        it.write("src/a", "c")
        await it.built(3)
        assert it.ends == [(1, "succeeded"), (2, "cancelled"), (3, "succeeded")]


async def test_the_same_bytes_in_mid_build_let_it_end_and_are_built_once_more(tmp_path: Path) -> None:
    """It may have read the file in the middle of that save."""
    async with lab(tmp_path) as it:
        hold = it.engine.hold = threading.Event()
        it.write("src/b", "b")
        await it.until(lambda state: state.building == 2 and it.engine.started == 2)
        (tmp_path / "src/a").touch()
        await it.until(lambda state: state.saved == 3)
        it.engine.hold = None
        hold.set()
        await it.built(3)
        assert it.ends == [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")]


async def test_writing_without_end_does_not_keep_every_image_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.build.loop._SOON", 60.0)  # a loaded machine is slower than a person who saves
    async with lab(tmp_path) as it:
        it.engine.hold = threading.Event()
        it.write("src/a", "first")
        await it.until(lambda state: state.building == 2)
        for revision in range(3, 3 + _PATIENCE):
            it.engine.hold = threading.Event()
            it.write("src/a", f"revision {revision}")
            await it.until(lambda state, wanted=revision: state.building == wanted)  # type: ignore[misc]
        last, newer = 2 + _PATIENCE, 3 + _PATIENCE
        it.write("src/a", "still more")
        assert (await it.until(lambda state: state.saved == newer)).building == last, "it is let end"
        hold, it.engine.hold = it.engine.hold, None
        hold.set()
        await it.built(newer)
        assert it.ends[-2:] == [(last, "succeeded"), (newer, "succeeded")]


async def test_on_focus_changes_wait_until_somebody_looks(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        it.loop.set_mode("focus")
        it.write("src/a", "b")
        await it.until(lambda state: state.saved == 2)
        assert it.engine.started == 1 and it.state.mode == "focus" and it.state.watching
        it.loop.attend()
        await it.built(2)
        it.loop.attend()
        await asyncio.sleep(0)
        assert it.engine.started == 2
        it.loop.set_mode("off")
        it.write("src/a", "c")
        await it.until(lambda state: state.saved == 3)
        it.loop.attend()
        await asyncio.sleep(0)
        assert it.state.building is None and it.state.mode == "off"
        it.loop.set_mode("on")
        await it.built(3)


async def test_what_a_build_was_made_from_is_known(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        text, digest = await it.loop.made_from()
        assert text == DOCKERFILE and digest.startswith("sha256:")
        os.utime(tmp_path / "src/a")
        await it.spared()
        assert (await it.loop.made_from())[1] == digest
        it.write("src/a", "b")
        await it.built(2)
        assert (await it.loop.made_from())[1] not in ("", digest)
