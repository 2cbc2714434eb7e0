"""An engine with a build context, for the contract that every engine keeps."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.build.engine import Engine
from workbench.build.events import BuildEvent, BuildFinished
from workbench.build.request import BuildRequest
from workbench.engines.replay import ReplayEngine, read_recording

RECORDINGS = Path(__file__).resolve().parent.parent / "recordings"

BUILDERS = ["docker", "buildkit"]
"""Engines that really build."""
if importlib.util.find_spec("workbench.engines.embedded.engine") is not None:
    BUILDERS.append("embedded")


@dataclass
class Bench:
    """An engine, and a build context for it. Every tag that a test makes begins with `prefix`."""

    engine: Engine
    context: Path
    prefix: str
    made: list[str] = field(default_factory=list)
    podman: bool = False
    """Whether the engine is Podman, whose builder shows no container, and mixes stderr into stdout."""

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def has_containers(self) -> bool:
        """Whether a step of this engine runs in an intermediate container."""
        return self.name != "buildkit" and not self.podman

    def tag(self, name: str) -> str:
        """A tag of this test's own, removed after it."""
        tag = f"{self.prefix}-{name}:latest"
        self.made.append(tag)
        return tag

    def listed(self, tag: str) -> str:
        """How the engine lists it: Podman with its registry."""
        return f"docker.io/library/{tag}" if self.podman else tag

    def request(self, text: str, files: Mapping[str, str] | None = None, **options: Any) -> BuildRequest:
        """A build of this Dockerfile with these files in the context."""
        for path, content in {**(files or {}), "Dockerfile": text}.items():
            place = self.context / path
            if self.podman and place.exists() and place.read_text(encoding="utf-8") == content:
                continue  # for Podman's cache a file with another time is another file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content, encoding="utf-8")
        return BuildRequest(context=self.context, **options)

    async def build(
        self,
        text: str,
        files: Mapping[str, str] | None = None,
        *,
        seeing: Callable[[BuildEvent], None] | None = None,
        **options: Any,
    ) -> list[BuildEvent]:
        """All events of a build; `seeing` is told each as it comes."""
        events = []
        async for event in self.engine.build(self.request(text, files, **options)):
            events.append(event)
            if seeing is not None:
                seeing(event)
        return events


async def put_base(engine: Engine, conformance: Path) -> None:
    """Sees to it that the engine has `busybox:latest`, whichever test came before."""
    if not await engine.images.list(name="busybox:latest"):
        await engine.images.load(conformance / "bases" / "busybox.tar")


def finished(events: list[BuildEvent]) -> BuildFinished:
    """The last event, which is the only one of its kind."""
    ends = [event for event in events if isinstance(event, BuildFinished)]
    assert ends == events[-1:], "exactly one BuildFinished, and it is last"
    return ends[0]


def replay(scenario: str) -> ReplayEngine:
    """An engine that tells the recorded build of that name."""
    return ReplayEngine(read_recording(RECORDINGS / f"{scenario}.jsonl"))


def processes_with(marker: str) -> list[str]:
    """Command lines of this machine that have the marker."""
    return [line for _, line in _marked(marker)]


def end_processes_with(marker: str) -> None:
    """Kills them, and returns once they are gone."""
    while found := _marked(marker):
        for process, _ in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def _marked(marker: str) -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in line:
            found.append((int(entry.name), line.replace(b"\0", b" ").decode("utf-8", "replace")))
    return found
