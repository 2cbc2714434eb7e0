"""When to try again, and how long to wait: back-off, or what the registry says in `Retry-After`."""

from __future__ import annotations

import email.utils
import random
import threading
import time

from workbench.engines.worker import Cancel

ATTEMPTS = 5
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_FIRST = 0.5
_LONGEST = 60.0


def too_long(retry_after: str) -> float:
    """The seconds that `Retry-After` asks for where they are more than anybody waits, else 0."""
    said = _seconds(retry_after) or 0.0
    return said if said > _LONGEST else 0.0


def delay(attempt: int, retry_after: str = "") -> float:
    """Seconds before attempt number `attempt` (from 1) is repeated; `Retry-After` outweighs the back-off."""
    said = _seconds(retry_after)
    if said is not None:
        return min(max(said, 0.0), _LONGEST)
    return float(min(_FIRST * 2 ** (attempt - 1), _LONGEST) * random.uniform(0.75, 1.25))


def _seconds(header: str) -> float | None:
    if header.strip().isdecimal():
        return float(header)
    try:
        return email.utils.parsedate_to_datetime(header).timestamp() - time.time()
    except (TypeError, ValueError):
        return None


def pause(seconds: float, cancel: Cancel) -> None:
    """Waits. Raises Cancelled as soon as that is asked."""
    woken = threading.Event()
    forget = cancel.on_ask(woken.set)
    woken.wait(seconds)
    forget()
    cancel.check()
