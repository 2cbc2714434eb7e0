"""The workbench that is measured: the whole app on the replay engine, in whatever terminal this is started in.

`python -m tests.tui.driver.measured CONTEXT [RAW]`: what Textual gave the driver to write is written to RAW too. Its
first build is short; every other one writes 2,000 lines a second.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.tui.stage import images, make_app, recording
from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    PlannedStep,
    StepFinished,
    StepLog,
    StepStarted,
)
from workbench.engines.replay import ReplayEngine
from workbench.tui.driver.dialect import tell_textual
from workbench.tui.driver.linux import ShadowDriver

SECONDS = 4
IMAGE = "sha256:" + "a" * 64


def long_log() -> list[BuildEvent]:
    """2,000 lines a second, in pieces of 20."""
    step = PlannedStep(1, "RUN make", 3, 3)
    events: list[BuildEvent] = [
        BuildStarted(at=1.0, build="2", engine="replay", steps=(step,)),
        StepStarted(at=1.0, step=1, total=1, text=step.text, line=3, end_line=3),
    ]
    for piece in range(SECONDS * 100):
        lines = (f"gcc -c -O2 -o build/object_{piece * 20 + line}.o src/file_{line}.c" for line in range(20))
        events.append(StepLog(at=1 + piece / 100, step=1, text="\n".join(lines) + "\n"))
    return [
        *events,
        StepFinished(at=1.0 + SECONDS, step=1),
        BuildFinished(at=1.0 + SECONDS, outcome="succeeded", image=IMAGE),
    ]


def main(context: Path, raw: Path | None) -> int:
    tell_textual(os.environ)
    at_once = [event for event in recording("genesis") if not isinstance(event, StepLog)]
    for event in at_once:
        object.__setattr__(event, "at", 1.0)
    app = make_app(context, ReplayEngine(at_once, long_log(), images=images(8), speed=1.0))
    if raw is not None:
        file = raw.open("a", encoding="utf-8")

        class Recording(ShadowDriver):
            def write(self, data: str) -> None:
                file.write(data)
                file.flush()
                super().write(data)

        app.driver_class = Recording
    return app.run() or 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
