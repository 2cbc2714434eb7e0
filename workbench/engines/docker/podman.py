"""What Podman's builder (Buildah) says on Docker's `POST /build`, turned into events: another dialect of the stream.

It counts each stage anew (`[2/3] STEP 1/4: FROM ...`), ARG before the first FROM not at all, leaves out stages that
nobody needs, mixes stderr into stdout, and shows no container to the socket (seen with Podman 4.3). Without a container
to ask, a command's output is told from the builder's words by their place: a heading counts where the plan has that
instruction next; what may be the builder's last word of a step is held until the next message decides.
"""

from __future__ import annotations

import re
import time
from typing import Any

from workbench.build.events import BuildWarning, StepStarted
from workbench.engines.docker.transcript import Transcript

_HEADING = re.compile(r"(?:\[(\d+)/\d+\] )?STEP (\d+)/\d+ ?: (.*?)\n?", re.DOTALL)
_CACHED = re.compile(r"--> Using cache ?([0-9a-f]{12,64})?\n?")
_IMAGE = re.compile(r"--> ([0-9a-f]{11,64})\n?")
_WORDS = {
    "c": _CACHED,
    "i": _IMAGE,
    "C": re.compile(r"(?:\[\d+/\d+\] )?COMMIT(?: \S+)?\n?"),
    "t": re.compile(r"Successfully tagged \S+\n?"),
    "h": re.compile(r"[0-9a-f]{64}\n?"),
}
_ENDING = re.compile(r"c?C?i?t*h?$")
"""The order in which the builder ends a step: from the cache, the commit, its image, the tags, the whole ID."""


class PodmanTranscript(Transcript):
    """A Transcript of Podman's words. Tags are the asked ones: Podman names each with and without its registry."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._held: list[str] = []
        firsts = [number for number, keyword in enumerate(self._plan.keywords, 1) if keyword == "FROM"]
        self._firsts = firsts or [1]
        self._stage = 0

    def take(self, message: dict[str, Any]) -> None:
        if "aux" in message:  # the image's ID: no command can say this
            super().take(message)
            self._conclude()
            self._built = True
            return
        if "error" in message or "errorDetail" in message:
            self._release()
        super().take(message)

    def _speak(self, text: str) -> None:
        if self._built:
            return
        if (found := _HEADING.fullmatch(text)) and (number := self._place(found)):
            self._conclude()
            self._begin(number, found[3])
        elif self.step is None:
            if said := text.strip():
                self._emit(BuildWarning(message=said))
        elif _kind(text):
            self._held.append(text)
        else:
            self._release()
            self._log(text)

    def _place(self, found: re.Match[str]) -> int:
        """The number that the plan has for a heading; 0 where the plan has another instruction there."""
        stage, number = int(found[1] or 1), int(found[2])
        if not self._plan.steps:  # a context that the engine fetched: nothing is known of its Dockerfile
            return (self.step or 0) + 1
        if stage > len(self._firsts):
            return 0
        place = self._firsts[stage - 1] + number - 1
        follows = number == 1 if stage != self._stage else place == (self.step or 0) + 1
        keyword = found[3].partition(" ")[0].upper()
        return place if follows and stage >= self._stage and keyword == self._plan.keyword(place) else 0

    def _begin(self, number: int, text: str) -> None:
        planned = self._plan.at(number)
        self._stage = sum(first <= number for first in self._firsts)
        self.step = self._last = number
        self._step_begun = time.monotonic()
        self._total = max(self._total, number)
        self._emit(
            StepStarted(
                step=number, total=self._total, text=planned.text or text, line=planned.line,
                end_line=planned.end_line, stage=planned.stage,
            )
        )  # fmt: skip

    def _conclude(self) -> None:
        """The step is over: the end of what is held was the builder's."""
        kinds = "".join(map(_kind, self._held))
        ending = _ENDING.search(kinds)
        assert ending is not None  # at the latest the empty end matches
        for text in self._held[: ending.start()]:
            self._log(text)
        image = ""
        for text in self._held[ending.start() :]:
            if found := _CACHED.fullmatch(text):
                self._cached = True
                image = found[1] or ""
            elif (found := _IMAGE.fullmatch(text)) and not image:
                image = found[1]
        self._held.clear()
        self._close_step(image)

    def _release(self) -> None:
        """What is held was the command's."""
        for text in self._held:
            self._log(text)
        self._held.clear()


def _kind(text: str) -> str:
    """The letter in `_ENDING` of what may be the builder's last word of a step, "" for anything else."""
    return next((kind for kind, words in _WORDS.items() if words.fullmatch(text)), "")


def left_running(transcript: Transcript) -> str:
    """A warning for a cancelled build: Podman lets the command of the open step run to its end (Podman 4.3; its issue
    14523). Empty where none was running."""
    if not isinstance(transcript, PodmanTranscript) or transcript.keyword != "RUN":
        return ""
    return "Podman goes on with the command of this step until it ends: it cannot be stopped through the socket"
