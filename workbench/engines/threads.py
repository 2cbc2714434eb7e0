"""Blocking calls away from the loop, on daemon threads: one that hangs on a dead address never holds up the exit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns or raises. Cancelling leaves the thread to end by itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        caught: BaseException | None = None
        try:
            result = function(*args, **kwargs)
        except StopIteration as error:  # a future refuses it, and whoever awaits would wait for ever
            caught = RuntimeError(f"{function.__name__} raised StopIteration")
            caught.__cause__ = error
        except BaseException as error:
            caught = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, result, caught)

    threading.Thread(target=work, name=f"docker {function.__name__}", daemon=True).start()
    return await future


def on_threads(function: Callable[[T], object], items: Iterable[T], most: int) -> None:
    """Calls it with each item, on `most` threads at a time, and waits for all. Raises the first that one raised, and
    then begins no other."""
    waiting = deque(items)
    errors: list[BaseException] = []

    def work() -> None:
        while not errors:
            try:
                item = waiting.popleft()
            except IndexError:
                return
            try:
                function(item)
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(most, len(waiting)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


async def within(seconds: float, late: BaseException, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`in_thread`, or `late` raised after that time."""
    try:
        return await asyncio.wait_for(in_thread(function, *args, **kwargs), seconds)
    except TimeoutError as error:
        raise late from error
