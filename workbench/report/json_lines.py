"""One event a line, as JSON: what `workbench build --progress json` prints and the replay engine reads."""

from __future__ import annotations

import json
from typing import TextIO

from workbench.build.events import BuildEvent, to_json


class JsonLines:
    """Writes each event to `out` as it comes, and flushes. Text is the build's own, only escaped as JSON does."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def feed(self, event: BuildEvent) -> None:
        self._out.write(json.dumps(to_json(event)) + "\n")
        self._out.flush()
