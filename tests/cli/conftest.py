"""A command as a user runs it, in this process, and a recorded build for it to tell."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    ContextSent,
    StepFinished,
    StepLog,
    StepStarted,
    to_json,
)
from workbench.cli import main

IMAGE = "sha256:" + "c5de1cf67f83" + "0" * 52


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """`run("images", "-q")` -> Done."""

    def command(*words: str) -> Done:
        capfd.readouterr()
        code = main(words)
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return command


def recording(outcome: str = "succeeded", *, lost: bool = False) -> list[BuildEvent]:
    """Two steps, of which the second ends as asked."""
    started = [
        StepStarted(step=n, total=2, text=text, line=n, end_line=n)
        for n, text in enumerate(["FROM scratch", "RUN x"], 1)
    ]
    failed = outcome == "failed"
    return [
        BuildStarted(build="1", engine="embedded"),
        ContextSent(bytes=3072, files=1),
        started[0],
        StepFinished(step=1),
        started[1],
        StepLog(step=2, text="out\n"),
        StepFinished(step=2, image="" if failed else IMAGE, error="it broke" if failed else None),
        BuildFinished(
            outcome=outcome, image="" if failed else IMAGE, error="it broke" if failed else None,  # type: ignore[arg-type]
            tags=("genesis:latest",), step=2 if failed else None, line=2 if failed else None, lost=lost,
        ),
    ]  # fmt: skip


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[BuildEvent]], Path]:
    """Makes the replay engine tell these events."""

    def record(events: Sequence[BuildEvent]) -> Path:
        path = tmp_path / "recording.jsonl"
        path.write_text("".join(json.dumps(to_json(event)) + "\n" for event in events))
        monkeypatch.setenv("WORKBENCH_ENGINE", "replay")
        monkeypatch.setenv("WORKBENCH_REPLAY", str(path))
        return path

    return record


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder with a Dockerfile."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nRUN x\n")
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine, and its folder."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *unused: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()
