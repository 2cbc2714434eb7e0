"""The intermediate containers of one build, told in order: created, started, exited, committed, removed.

Two witnesses: the build's own stream names a container and says when it is done with it; the engine's `/events` says
when it really started and ended, but of every build on that engine, and not in step with the stream. The stream decides
what belongs to this build; events that come before the container is named wait.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from typing import Any, cast, get_args

from workbench.build.events import ContainerAction, ContainerEvent
from workbench.engines.docker.stream import read_objects
from workbench.engines.worker import Emit
from workbench.errors import EngineError

_ORDER = {action: rank for rank, action in enumerate(get_args(ContainerAction))}
_ACTIONS = {
    "create": "created",
    "start": "started",
    "die": "exited",
    "died": "exited",  # Podman
    "destroy": "removed",
    "remove": "removed",  # Podman
}
_STRANGERS = 512
"""Containers nobody has named yet whose events are kept."""


class _Container:
    def __init__(self, step: int, identifier: str) -> None:
        self.step = step
        self.id = identifier
        self.rank = -1
        self.seen: set[str] = set()
        self.open = True  # may still be committed: its removal is told after that


class Containers:
    """Safe to use from the stream's and the feed's thread."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._changed = threading.Condition()
        self._ours: dict[str, _Container] = {}
        self._strangers: OrderedDict[str, list[tuple[str, int | None]]] = OrderedDict()
        self._closed = False
        self.fed = False
        """Whether `/events` is being read."""

    def happened(self, identifier: str, action: str, exit_code: int | None) -> None:
        """The feed saw it, of any container."""
        short = identifier[:12]
        with self._changed:
            container = self._ours.get(short)
            if container is None:
                self._strangers.setdefault(short, []).append((action, exit_code))
                while len(self._strangers) > _STRANGERS:
                    self._strangers.popitem(last=False)
                return
            self._see(container, action, exit_code)
            self._changed.notify_all()

    def named(self, step: int, identifier: str) -> None:
        """The stream says that this container is the step's."""
        short = identifier[:12]
        with self._changed:
            container = self._ours[short] = _Container(step, short)
            self._tell(container, "created")
            for action, exit_code in self._strangers.pop(short, ()):
                self._see(container, action, exit_code)
            self._changed.notify_all()

    def wait(self, identifier: str, action: str, seconds: float) -> bool:
        """Whether the feed has seen (or sees in that time) the action; True where there is no feed to ask."""
        with self._changed:
            container = self._ours[identifier[:12]]
            self._changed.wait_for(lambda: action in container.seen or not self.fed or self._closed, seconds)
            return action in container.seen or not self.fed

    def seen(self, identifier: str, action: str) -> bool:
        with self._changed:
            return action in self._ours[identifier[:12]].seen

    def removed(self, identifier: str) -> None:
        """The stream says that it is gone; told once it is known what was made of it."""
        with self._changed:
            self._ours[identifier[:12]].seen.add("removed")

    def ended(self, identifier: str, *, committed: bool, ran: bool, exit_code: int | None) -> None:
        """The stream is done with it. What happened and the feed did not tell in time is told now."""
        with self._changed:
            container = self._ours[identifier[:12]]
            if ran and exit_code is not None:
                self._tell(container, "started")
                self._tell(container, "exited", exit_code)
            if committed:
                self._tell(container, "committed")
            container.open = False
            if "removed" in container.seen:
                self._tell(container, "removed")

    def close(self) -> None:
        """Nothing is told any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def lost_feed(self) -> None:
        with self._changed:
            self.fed = False
            self._changed.notify_all()

    def _see(self, container: _Container, action: str, exit_code: int | None) -> None:
        container.seen.add(action)
        if action != "removed" or not container.open:
            self._tell(container, cast(ContainerAction, action), exit_code)

    def _tell(self, container: _Container, action: ContainerAction, exit_code: int | None = None) -> None:
        if self._closed or _ORDER[action] <= container.rank:
            return
        container.rank = _ORDER[action]
        self._emit(ContainerEvent(step=container.step, action=action, container=container.id, exit_code=exit_code))


class Feed:
    """Reads `/events` of containers on a thread of its own into `Containers` until the connection ends."""

    def __init__(self, client: Any, containers: Containers) -> None:
        self._client = client
        self._containers = containers
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="docker events", daemon=True)

    def start(self, seconds: float = 0.5) -> None:
        """Returns when the engine has begun to tell, or after that time: some say nothing before the first event."""
        self._thread.start()
        self._ready.wait(seconds)

    def _run(self) -> None:
        from docker.errors import APIError

        from workbench.engines.docker.client import LOST

        # Without the feed the build goes on: its stream names the containers all the same.
        with contextlib.suppress(*LOST, APIError, EngineError):
            wanted = {"type": ["container"], "event": list(_ACTIONS)}
            response = self._client.get_stream("/events", filters=json.dumps(wanted))
            self._containers.fed = True
            self._ready.set()
            for event in read_objects(response):
                self._take(event)
        self._ready.set()
        self._containers.lost_feed()

    def _take(self, event: dict[str, Any]) -> None:
        action = _ACTIONS.get(str(event.get("Action") or event.get("status")))
        actor = event.get("Actor") or {}
        identifier = actor.get("ID") or event.get("id")
        if action is None or not isinstance(identifier, str):
            return
        code = (actor.get("Attributes") or {}).get("exitCode") or (actor.get("Attributes") or {}).get(
            "containerExitCode"
        )
        exit_code = int(str(code)) if action == "exited" and str(code).lstrip("-").isdecimal() else None
        self._containers.happened(identifier, action, exit_code)
