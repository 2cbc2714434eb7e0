"""The watch: what is told, what is silent, and that nothing falls between two batches."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from workbench.context.ignore import IgnoreRules, load_rules
from workbench.context.watch import watch
from workbench.context.watch_events import list_folders
from workbench.errors import InputError

PATIENCE = 10.0


class Changes:
    """What a watch has told."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        self.seen: set[str] = set()
        self.stop = asyncio.Event()

    async def until(self, *paths: str) -> set[str]:
        """Waits until all of `paths` were told; returns and forgets everything that was."""
        async with asyncio.timeout(PATIENCE):
            while not set(paths) <= self.seen:
                self.seen |= await self.batches.get()
        seen, self.seen = self.seen, set()
        return seen


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "src").mkdir(parents=True)
    (root / "node_modules/deep").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / ".dockerignore").write_text("node_modules\n*.log\n!node_modules/kept/it\n")
    return root


@asynccontextmanager
async def watching(context: Path, *extra: Path, polling: bool = False) -> AsyncIterator[Changes]:
    changes = Changes()
    ready = asyncio.Event()

    async def listen() -> None:
        async for change in watch(
            context,
            extra=extra,
            rules=lambda: load_rules(context),
            quiet=0.03,
            stop=changes.stop,
            force_polling=polling,
        ):
            if change.paths:
                changes.batches.put_nowait(change.paths)
            ready.set()

    task = asyncio.create_task(listen())
    async with asyncio.timeout(PATIENCE):
        await ready.wait()
        yield changes
        changes.stop.set()
        await task


both = pytest.mark.parametrize("polling", [False, True], ids=["events", "polling"])


@pytest.mark.slow
@both
async def test_changes_of_every_sort(context: Path, tmp_path: Path, polling: bool) -> None:
    async with watching(context, polling=polling) as changes:
        (context / "src/a").write_text("1")
        assert "src/a" in await changes.until("src/a")
        (context / "src/a").write_text("2")
        await changes.until("src/a")
        (context / "src/a").chmod(0o600)
        await changes.until("src/a")
        (context / "src/b").write_text("saved beside, then renamed")
        (context / "src/b").replace(context / "src/a")
        await changes.until("src/a")
        os.symlink("a", context / "src/link")
        await changes.until("src/link")
        (context / "src/a").unlink()
        await changes.until("src/a")
        (context / ".git/HEAD").write_text("a folder that watchfiles would hide")
        await changes.until(".git/HEAD")
        (context / "new/er/est").mkdir(parents=True)
        await changes.until("new")
        (context / "new/er/est/x").touch()
        await changes.until("new/er/est/x")
        (context / "new").rename(context / "newer")
        await changes.until("newer")
        (context / "newer/er/est/x").write_text("y")
        await changes.until("newer/er/est/x")


@both
async def test_ignored_files_are_silent(context: Path, polling: bool) -> None:
    async with watching(context, polling=polling) as changes:
        (context / "x.log").touch()
        (context / "node_modules/deep/x").touch()
        (context / "node_modules/new").mkdir()
        (context / "src/told").touch()
        assert await changes.until("src/told") <= {"src", "src/told"}
        (context / "node_modules/kept").mkdir()
        (context / "node_modules/kept/it").mkdir()
        await changes.until("node_modules/kept/it" if polling else "node_modules/kept")
        (context / "node_modules/kept/it/x").touch()
        (context / "node_modules/kept/other").touch()
        assert "node_modules/kept/other" not in await changes.until("node_modules/kept/it/x")


@both
async def test_extra_files_always_count(context: Path, tmp_path: Path, polling: bool) -> None:
    outside = tmp_path / "elsewhere/Dockerfile"
    outside.parent.mkdir()
    (tmp_path / "elsewhere/other").touch()
    extra = [outside, context / "build.log", context / ".dockerignore"]
    async with watching(context, *extra, polling=polling) as changes:
        outside.write_text("FROM scratch\n")
        await changes.until(str(outside))
        (tmp_path / "elsewhere/other").write_text("x")
        (context / "build.log").touch()
        assert str(tmp_path / "elsewhere/other") not in await changes.until("build.log")
        (context / ".dockerignore").write_text("src\n")
        await changes.until(".dockerignore")
        (context / "src/x").touch()
        (context / "node_modules/deep/x").touch()
        assert "src/x" not in await changes.until("node_modules/deep/x")


async def test_a_dockerfile_that_is_a_link(context: Path, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("FROM scratch\n")
    (context / "Dockerfile").unlink()
    os.symlink("../real", context / "Dockerfile")
    async with watching(context, context / "Dockerfile") as changes:
        (tmp_path / "real").write_text("FROM busybox\n")
        await changes.until("Dockerfile")


async def test_links_are_not_followed(context: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    os.symlink("../outside", context / "link")
    os.symlink(".", context / "round")
    async with watching(context) as changes:
        (tmp_path / "outside/x").touch()
        (context / "src/x").touch()
        assert await changes.until("src/x") == {"src/x"}


@both
async def test_a_context_that_goes_and_comes_back(context: Path, polling: bool) -> None:
    async with watching(context, polling=polling) as changes:
        shutil.rmtree(context)
        await changes.until("Dockerfile")
        context.mkdir()
        (context / "Dockerfile").touch()

        async def write_until_told() -> None:
            for number in range(100):
                (context / "x").write_text(str(number))
                await asyncio.sleep(0.05)

        writing = asyncio.create_task(write_until_told())
        await changes.until("x")
        writing.cancel()


@pytest.mark.slow
async def test_changes_right_after_ready_are_told(context: Path) -> None:
    for number in range(20):
        async with watching(context) as changes:
            (context / f"src/{number}").touch()
            await changes.until(f"src/{number}")


async def test_rules_that_cannot_be_read_hide_nothing(context: Path) -> None:
    def broken() -> IgnoreRules:
        raise InputError("no")

    stop = asyncio.Event()
    told: list[frozenset[str]] = []
    async with asyncio.timeout(PATIENCE):
        async for change in watch(context, rules=broken, quiet=0.01, stop=stop):
            told.append(change.paths)
            (context / "x.log").touch()
            if any("x.log" in paths for paths in told):
                stop.set()
    assert told[0] == frozenset()


async def test_rules_that_are_read_late_bring_folders_back(context: Path) -> None:
    """Whoever watches may read an ignore file only when its change was told."""
    known = [load_rules(context)]
    stop = asyncio.Event()
    batches: list[frozenset[str]] = []
    async with asyncio.timeout(PATIENCE):
        async for change in watch(
            context, extra=[context / ".dockerignore"], rules=lambda: known[-1], quiet=0.01, stop=stop
        ):
            batches.append(change.paths)
            if batches == [frozenset()]:
                (context / ".dockerignore").write_text("")
            elif ".dockerignore" in change.paths:
                known.append(load_rules(context))
                if len(batches) == 3:
                    (context / "node_modules/deep/x").touch()
            elif "node_modules/deep/x" in change.paths:
                stop.set()
    assert len(batches) == 4


async def test_leaving_early_ends_the_thread(context: Path) -> None:
    import threading

    changes = watch(context, rules=IgnoreRules, quiet=0.01, stop=asyncio.Event())
    await anext(changes)
    assert any(thread.name == "watch" for thread in threading.enumerate())
    await changes.aclose()
    assert not any(thread.name == "watch" for thread in threading.enumerate())


def test_only_folders_that_matter_are_watched(context: Path) -> None:
    os.symlink(".", context / "round")
    (context / os.fsdecode(b"bad\xff")).mkdir()
    found = list_folders(str(context), load_rules(context))
    assert {os.path.relpath(folder, context) for folder in found} == {".", "src", ".git", "node_modules"}
    assert list_folders(str(context / "missing"), IgnoreRules()) == []


FEW_WATCHES = """
import asyncio, sys
from pathlib import Path
from workbench.context.ignore import IgnoreRules
from workbench.context.watch import watch
from workbench.errors import WorkbenchError

async def main():
    try:
        async for change in watch(Path(sys.argv[1]), rules=IgnoreRules, quiet=0.01, stop=asyncio.Event()):
            print("ready")
    except WorkbenchError as error:
        print(error, error.hint, sep="|")

asyncio.run(main())
"""


def test_too_few_inotify_watches_are_explained(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / str(number)).mkdir()
    limit = 'echo 10 > /proc/sys/user/max_inotify_watches && exec "$@"'
    command = ["unshare", "-Ur", "sh", "-c", limit, "sh", sys.executable, "-c", FEW_WATCHES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"no user namespace with a limit of its own here: {done.stderr.strip()[-200:]}")
    message, hint = done.stdout.strip().split("|")
    assert message.startswith(f"cannot watch the 31 folders of {tmp_path}: ")
    assert "max_user_watches" in hint and ".dockerignore" in hint


async def test_a_file_that_is_written_without_a_name_is_told_by_the_one_it_gets(context: Path) -> None:
    async with watching(context) as changes:
        handle, folder = os.open(context, os.O_TMPFILE | os.O_WRONLY), os.open(context, os.O_PATH)
        os.write(handle, b"text")
        os.link(f"/proc/self/fd/{handle}", "named", dst_dir_fd=folder, follow_symlinks=True)
        os.close(handle)
        os.close(folder)
        (context / "#12").write_text("a name like any other")
        assert await changes.until("named", "#12") == {"named", "#12"}
        (context / "#12").unlink()
        assert await changes.until("#12") == {"#12"}


@pytest.mark.slow
async def test_half_the_quiet_is_enough_after_a_rename(context: Path) -> None:
    """A file that came by a rename is whole; of one that is written where it lies the rest may be on its way."""
    file, quiet = context / "src/a", 1.0
    file.write_text("1")

    def rename() -> None:
        file.with_name(".a.new").write_text("2")
        file.with_name(".a.new").replace(file)

    def write_anew() -> None:
        file.rename(file.with_name("a~"))
        file.write_text("3")
        file.with_name("a~").unlink()

    stop = asyncio.Event()
    changes = watch(context, rules=IgnoreRules, quiet=quiet, stop=stop)
    await anext(changes)
    seconds = []
    for save in (rename, write_anew, lambda: file.write_text("4")):
        start = time.monotonic()
        save()
        assert "src/a" in (await anext(changes)).paths
        seconds.append(time.monotonic() - start)
    stop.set()
    async for _ in changes:
        pass
    assert quiet / 2 <= seconds[0] < quiet * 0.9
    assert all(quiet <= took + 0.02 for took in seconds[1:])
