"""The ignore file is edited on a context of 100,000 files: the tree follows, and no key waits for it."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path

import pytest

from tests.tui.stage import make_app, make_context, running, until

FILES = 100_000
BOUND = 0.05
"""Seconds of the processor in which the screen's loop answers nobody."""


@pytest.mark.slow
async def test_typing_in_the_ignore_file_of_a_huge_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = make_context(tmp_path / "lab")
    for number in range(FILES):
        if number % 1000 == 0:
            folder = context / f"d{number // 1000:03}"
            folder.mkdir()
        (folder / f"f{number % 1000}.txt").touch()
    app = make_app(context, watch=False)
    longest: list[float] = []
    run = asyncio.Handle._run  # type: ignore[attr-defined]

    def timed(handle: asyncio.Handle) -> None:
        start = time.thread_time()
        run(handle)
        longest.append(time.thread_time() - start)

    async with running(app, built=False) as pilot:
        tree = app.context_panel.context_tree
        await until(pilot, lambda: "100,003 of 100,004 files" in app.context_panel.title, "the first scan", 60)
        tree._open = {f"d{number:03}" for number in range(100)}
        tree._keep_cursor()
        view = await app.editor_panel.open(context / ".dockerignore", ".dockerignore")
        app.activate("dockerfile")
        await pilot.pause()
        view.editor.move_cursor(view.editor.document.end)
        await until(pilot, lambda: not app.context_panel._scanning, "it rests")
        gc.collect()
        gc.freeze()  # what the process of the tests has gathered is not the tree's
        monkeypatch.setattr(asyncio.Handle, "_run", timed)
        for keys in ("d00", "*"):
            model = tree.model
            await pilot.press(*keys)
            await until(pilot, lambda model=model: tree.model is not model, "the tree follows", 30)  # type: ignore[misc]
        await until(pilot, lambda: "90,003 of 100,004 files" in app.context_panel.title, "what is typed decides")
        monkeypatch.undo()
        gc.unfreeze()
        assert (context / ".dockerignore").read_text() == "# comment\n*.log\n"
    assert max(longest) < BOUND
    print(f"longest {max(longest) * 1000:.1f} ms of {len(longest):,}")
