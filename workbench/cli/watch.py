"""`workbench build --watch`: the live loop without a screen, until a signal ends it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import Any

from workbench.build.engine import Engine
from workbench.build.events import BuildEvent, BuildFinished, BuildStarted
from workbench.build.loop import LiveLoop, LoopState
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.cli import output, signals
from workbench.cli.build import id_files, remember, to_stdout, write_ids
from workbench.cli.display import Display, make_display
from workbench.cli.engine import in_turn, with_engine
from workbench.cli.request import build_request
from workbench.cli.source import Source, dockerfile_path, local_context
from workbench.config import Config
from workbench.errors import UsageError, WorkbenchError


def refuse_to_watch(args: argparse.Namespace) -> None:
    """Raises UsageError for what cannot be built again and again; no engine is needed to know it."""
    if "-" in (args.path, args.file) or "://" in args.path:
        raise UsageError("--watch needs a folder to watch")
    if any(to_stdout(text) for text in args.output):
        raise UsageError("--watch cannot write every image to stdout", hint="-o DIR writes into a folder.")


def watch(args: argparse.Namespace, config: Config, engine: Engine, fields: dict[str, Any]) -> int:
    """Builds now and after every change. Always ends by a signal: 130 for SIGINT."""
    context = local_context(args.path)

    def make_request() -> BuildRequest:
        path = dockerfile_path(context, args.file)
        return build_request(fields, Source(context, path, None, path))

    make_request()
    return with_engine(in_turn(engine, alone=True), _Watching(make_request, args, config).work)


class _Watching:
    """Tells each build on a display of its own, and what kept one from starting on stderr."""

    def __init__(self, make_request: Callable[[], BuildRequest], args: argparse.Namespace, config: Config) -> None:
        self._make_request = make_request
        self._args = args
        self._config = config
        self._progress = BuildProgress()
        self._request: BuildRequest | None = None
        self._loop: LiveLoop | None = None
        self._records: set[asyncio.Task[None]] = set()
        self._display: Display | None = None
        self._told: BaseException | None = None
        self._notice = ""
        self._said = ""

    async def work(self, engine: Engine, stop: signals.Stop) -> int:
        own = [file for _, file in id_files(self._args)]  # in the context, too, they start no build
        loop = self._loop = LiveLoop(
            engine, self._next_request, quiet=self._config.quiet, own=own, on_event=self._event, on_state=self._state
        )
        running = asyncio.create_task(loop.run(build_first=True), name="builds after every change")

        def end() -> None:
            running.cancel()

        stop.on_stop = end
        try:
            await running
        except asyncio.CancelledError:
            if stop.signum is None:
                raise
        finally:
            if self._records:
                await asyncio.wait(self._records)
        return 130

    def _next_request(self) -> BuildRequest:
        request = self._request = self._make_request()
        return request

    def _event(self, revision: int, event: BuildEvent) -> None:
        if isinstance(event, BuildStarted) or self._display is None:
            mode = "plain" if self._args.progress in ("auto", "tty") else self._args.progress
            self._display = make_display(
                mode,
                quiet=self._args.quiet,
                shown=self._args.file or "Dockerfile",
                explain=self._args.explain,
            )
            self._progress = BuildProgress()
            if revision > 1 and not self._args.quiet:
                output.talk(f"revision {revision}")
        self._display.feed(event)
        self._progress.apply(event)
        if isinstance(event, BuildFinished):
            self._keep(revision)
            if event.outcome == "succeeded":
                write_ids(self._args, event)
            elif event.outcome == "failed":
                self._display.failed(event, event.hint)

    def _keep(self, revision: int) -> None:
        assert self._loop is not None and self._request is not None, "an event is one of a build"
        record = remember(
            self._request, self._progress, self._loop.engine, self._config,
            revision=revision, made_from=self._loop.made_from(),
        )  # fmt: skip
        task = asyncio.create_task(record, name="record of a build")
        self._records.add(task)
        task.add_done_callback(self._records.discard)

    def _state(self, state: LoopState) -> None:
        if state.error is not None and state.error is not self._told:
            output.talk(state.problem)
            if isinstance(state.error, WorkbenchError):
                output.hint(state.error.hint)
        self._told = state.error
        if state.notice and state.notice != self._notice:
            output.talk(state.notice)
        self._notice = state.notice
        if not self._args.quiet:
            self._say_where(state)
        if state.building is None and state.outcome == "failed" and state.ended == state.saved:
            output.talk("waiting for a change")

    def _say_where(self, state: LoopState) -> None:
        """Which revision runs while a newer one is saved, and why a change built nothing; each once."""
        said = state.spared
        if state.building is not None and state.saved > state.building:
            said = f"building r{state.building}, saved r{state.saved}{f' ({said})' if said else ''}"
        if said and said != self._said:
            output.talk(said)
        self._said = said
