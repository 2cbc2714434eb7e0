"""What is typed ahead: a key waits until what it is meant for is there, and all keys keep their order.

A terminal may send several keys in one piece. Each is given on when the one before it has done all that it does: when
the panel that it leads to has the focus, when the question that it asks is on the screen.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from textual import events
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.worker import Worker

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_EVERY = 0.02
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
        self._under_way: Widget | None = None  # to which a key is on its way, and whose `Passed` is not back yet
        self._looks_again = False

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
        self._look_again()
        return True

    def _look_again(self) -> None:
        """By the app, as all else: a timer calls from a task of its own."""
        if not self._looks_again:
            self._looks_again = True
            self._app.set_timer(_EVERY, lambda: self._app.call_next(self._look))

    async def _look(self) -> None:
        self._looks_again = False
        await self._go_on()

    def follow(self) -> None:
        """A key was just given to whatever has the focus, and may lead elsewhere."""
        self._send(Passed())

    async def passed(self, rounds: int) -> None:
        """A `Passed` arrived."""
        self._under_way = None
        if rounds:
            self._send(Passed(rounds - 1))
        await self._go_on()

    def _send(self, passed: Passed) -> None:
        if self._app.screen_stack:  # else all is being taken down
            target = self._app.focused or self._app.screen
            self._under_way = target if target.post_message(passed) else None

    def _may_go(self) -> bool:
        shown = self._app.screen_stack
        opens = self._opening in shown
        sent_to = self._under_way  # a `Passed` goes with the screen that it is on
        on_its_way = sent_to is not None and not set(shown).isdisjoint(sent_to.ancestors_with_self)
        return not (self._held_for or self._questions or opens or on_its_way)

    async def _go_on(self) -> None:
        if not self._app.screen_stack:
            self._waiting.clear()  # all is being taken down
        while self._waiting and self._may_go():
            await self._app.give_on(self._waiting.popleft())
        if self._waiting:
            self._look_again()


def leads_nowhere(key: events.Key, widget: Widget) -> bool:
    """Whether it is a letter of a text there, or moves in a list."""
    if widget.check_consume_key(key.key, key.character):
        return True
    bindings = widget._bindings.key_to_bindings.get(key.key, ())
    return any((it.id or "").startswith("list.") for it in bindings)
