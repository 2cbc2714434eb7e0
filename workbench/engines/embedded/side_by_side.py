"""Work of several stages at once: each begins when what it needs is done, on a few threads, and the first failure
ends them all.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import field

from workbench.dataclass import dataclass
from workbench.engines.worker import Cancelled

MOST = max(2, os.cpu_count() or 1)
"""Stages that are worked on at once."""


@dataclass(slots=True)
class SideBySide:
    """`needs` has each stage with those that it waits for, which all have lower numbers. `stop` makes the work that
    still runs end with Cancelled."""

    needs: Mapping[int, Collection[int]]
    stop: Callable[[], None]
    _done: set[int] = field(default_factory=set)
    _begun: set[int] = field(default_factory=set)
    _running: int = 0
    _error: BaseException | None = None
    _change: threading.Condition = field(default_factory=threading.Condition)

    def run(self, work: Callable[[int], None]) -> None:
        """`work(stage)` for each, lower numbers first; all threads have ended when this does. Raises what the first
        failure raised."""
        if len(self.needs) == 1:
            for stage in self.needs:
                work(stage)
            return
        threads: list[threading.Thread] = []
        with self._change:
            while self._error is None and len(self._done) < len(self.needs):
                for stage in self._ready():
                    self._begun.add(stage)
                    self._running += 1
                    threads.append(threading.Thread(target=self._one, args=(work, stage), name=f"stage {stage}"))
                    threads[-1].start()
                self._change.wait()
        for thread in threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def wait_for(self, stage: int) -> None:
        """For work that finds out late that it needs a stage: returns when that is done. Raises Cancelled where it
        will never be. Meanwhile another stage may run in its place."""
        with self._change:
            if stage in self._done or stage not in self.needs:
                return
            self._running -= 1
            self._change.notify_all()
            self._change.wait_for(lambda: stage in self._done or self._error is not None)
            self._running += 1
            if self._error is not None:
                raise Cancelled

    def _ready(self) -> list[int]:
        waiting = [
            stage
            for stage in sorted(self.needs)
            if stage not in self._begun and self._done.issuperset(set(self.needs[stage]) & self.needs.keys())
        ]
        return waiting[: max(0, MOST - self._running)]

    def _one(self, work: Callable[[int], None], stage: int) -> None:
        error: BaseException | None = None
        try:
            work(stage)
        except BaseException as caught:
            error = caught
        with self._change:
            self._running -= 1
            if error is None:
                self._done.add(stage)
            first = error is not None and self._error is None
            if first:
                self._error = error
            self._change.notify_all()
        if first:
            self.stop()
