"""Says what differs between what both builders make of a case, and makes such a case small."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

from differential.builders import DockerBuilder, EmbeddedBuilder, Outcome, Place
from differential.case import Case
from differential.dockerfiles import readable
from differential.shrink import shrink
from differential.snapshot import differences
from workbench.dockerfile import needed_stages, parse
from workbench.errors import WorkbenchError


def comparable(case: Case) -> bool:
    """Whether both engines do the same steps: the embedded engine leaves out stages that the target does not need, and
    refuses a Dockerfile without a FROM before its first step, where the classic builder fails behind its last ARG."""
    if not all(readable(step) for step in case.steps if step.lower().startswith("onbuild")):
        return False
    try:
        dockerfile = parse("".join(f"{step}\n" for step in case.steps))
        needed = needed_stages(dockerfile, None, dict(case.build_args))
    except WorkbenchError:
        return any(step.lower().startswith("from ") for step in case.steps)
    return len(needed) == len(dockerfile.stages)


class Judge:
    """`built` counts the cases of which Docker made an image, `hung` those in which it waits for ever or falls over
    itself."""

    def __init__(self, host: str, busybox: Path, folder: Path) -> None:
        self.place = Place.make(folder, busybox)
        self.docker = DockerBuilder(self.place, host)
        self.embedded = EmbeddedBuilder(self.place)
        self.built = self.hung = 0

    def close(self) -> None:
        self.docker.close()

    def differences(self, case: Case) -> list[str]:
        """What differs, a line each; nothing where both make the same image or fail at the same step."""
        with self.place.context(case) as context:
            since = time.time()
            theirs = self.docker.build(case, context)
            if theirs.step < 0:  # a FIFO that Docker opens
                self.hung += 1
                return []
            ours = self.embedded.build(case, context)
        self.built += theirs.image is not None
        if theirs.image is None or ours.image is None:
            same = theirs.image is ours.image and (theirs.step == ours.step or self._fails_there(case, theirs, ours))
            return [] if same else [f"outcome: Docker {theirs}; embedded {ours}"]
        return differences(theirs.image, ours.image, since)

    def _fails_there(self, case: Case, theirs: Outcome, ours: Outcome) -> bool:
        """Where several stages fail, the embedded engine tells of another than the first: stages run side by side."""
        if not 0 < theirs.step < ours.step:
            return False
        cut = replace(case, steps=case.steps[: theirs.step])
        with self.place.context(cut) as context:
            return self.embedded.build(cut, context).image is None

    def smaller(self, case: Case, different: list[str]) -> Case:
        """A small case in which something of the same sort differs."""
        wanted = {_sort(line) for line in different}
        return shrink(case, lambda it: comparable(it) and any(_sort(line) in wanted for line in self.differences(it)))


def _sort(line: str) -> str:
    """What sort of a difference a line tells, so that shrinking does not slip from one to another."""
    if line.startswith("outcome"):
        return re.sub(r"(fails at step) (\d+): .*?(?=; embedded|$)", r"\1", line, flags=re.DOTALL)
    return re.sub(r"^/'.*' ", "/", line.partition(": Docker")[0])


def describe(judge: Judge, case: Case, different: list[str]) -> str:
    """What differs in the smallest case that shows it, and that case, ready for the table of found ones."""
    small = judge.smaller(case, different)
    lines = judge.differences(small) or [f"{different}, but not always"]
    return "\n".join([*(f"    {line[:600]}" for line in lines[:8]), f"    {small!r},"])
