"""What is typed ahead: a key waits until what it is meant for is there, and all keys keep their order.

A terminal may send several keys in one piece. Each is given on when the one before it has done all that it does: when
the panel that it leads to has the focus, when the question that it asks is on the screen.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from textual import events
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_EVERY = 0.02
_LOST = 0.5
"""Seconds after which a `Passed` went with the widget that had it."""
_SOON = 0.25
"""Seconds from which on it is said that a question is being prepared."""


class Passed(Message):
    """Goes the way of a key, behind it: where it arrives, all who may take the key have had it. The `rounds` after that
    are for what they told others meanwhile."""

    def __init__(self, rounds: int = 1) -> None:
        super().__init__()
        self.rounds = rounds


class TypedAhead:
    """The keys of one app that wait. At first all of them do, until `let_go("start")`."""

    def __init__(self, app: WorkbenchApp) -> None:
        self._app = app
        self._waiting: deque[events.Event] = deque()
        self._held_for = {"start"}
        self._questions: set[Worker[Any]] = set()
        self._opening: Screen[Any] | None = None
        self._under_way: float | None = None  # since when a key is on its way

    def hold(self, what: str) -> None:
        """Keys wait for that, until `let_go`."""
        self._held_for.add(what)

    def let_go(self, what: str) -> None:
        self._held_for.discard(what)
        self._app.call_next(self._go_on)

    def expect(self, worker: Worker[Any]) -> None:
        """The worker prepares a question: keys wait for that, and are dropped where none comes. Where it takes long, it
        is said, and can be given up."""
        self._questions.add(worker)
        self._app.set_timer(_SOON, lambda: self._say(worker))

    def _say(self, worker: Worker[Any]) -> None:
        from workbench.tui.screens.waiting import Waiting

        if worker in self._questions:
            self._app.push_screen(Waiting(worker))

    def opens(self, screen: Screen[Any]) -> None:
        """What was expected is there: keys are for that screen, as soon as it has its widgets."""
        self._questions.clear()
        self._opening = screen
        screen.call_after_refresh(self._opened)

    def _opened(self) -> None:
        self._opening = None

    def asks_no_more(self) -> None:
        """What was expected to ask goes on without a question."""
        self._questions.clear()

    def no_question(self, worker: Worker[Any]) -> None:
        """It ended. Where it asked nothing, nobody knows what the keys behind it were meant for."""
        if worker in self._questions:
            self._questions.discard(worker)
            self._waiting.clear()

    def take(self, event: events.Event) -> bool:
        """Whether that key has to wait, and is given on later."""
        if not self._waiting and self._may_go():
            return False
        self._waiting.append(event)
        if len(self._waiting) == 1:
            self._look_again()
        return True

    def _look_again(self) -> None:
        """By the app, as all else: a timer calls from a task of its own."""
        self._app.set_timer(_EVERY, lambda: self._app.call_next(self._go_on))

    def follow(self) -> None:
        """A key was just given to whatever has the focus."""
        self._under_way = time.monotonic() if self._send(Passed()) else None

    async def passed(self, rounds: int) -> None:
        """A `Passed` arrived."""
        if rounds and self._send(Passed(rounds - 1)):
            return
        self._under_way = None
        await self._go_on()

    def _send(self, passed: Passed) -> bool:
        """False where the screen is being taken down."""
        app = self._app
        return bool(app.screen_stack) and (app.focused or app.screen).post_message(passed)

    def _may_go(self) -> bool:
        on_its_way = self._under_way is not None and time.monotonic() - self._under_way < _LOST
        opens = self._opening is not None and self._opening in self._app.screen_stack
        return not (self._held_for or self._questions or opens or on_its_way)

    async def _go_on(self) -> None:
        while self._waiting and self._may_go():
            await self._app.give_on(self._waiting.popleft())
        if self._waiting:
            self._look_again()
