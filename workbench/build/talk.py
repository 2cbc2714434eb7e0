"""What a long transfer says while it goes on, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable

from workbench.dataclass import dataclass


@dataclass(slots=True)
class Talk:
    """Who is told how a pull or a push goes on: `progress(current, total)` in bytes, about ten times a second, and
    lines in the words of the docker command. From any thread; the lines are a registry's words too, and raw."""

    progress: Callable[[int, int], None] = lambda current, total: None
    say: Callable[[str], None] = lambda line: None
