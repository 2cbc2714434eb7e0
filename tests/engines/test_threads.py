"""Blocking calls on threads: what they return and raise comes back, whatever it is."""

from __future__ import annotations

import asyncio
import threading

import pytest

from workbench.engines.threads import in_thread, on_threads


async def test_what_is_returned_and_raised_comes_back() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_an_iterator_that_ends_is_an_error_and_no_endless_wait() -> None:
    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await in_thread(next, iter(()))
    assert isinstance(caught.value.__cause__, StopIteration)


def test_on_threads_several_are_at_work_and_what_one_raises_comes_back() -> None:
    together = threading.Barrier(3, timeout=10)
    done: list[int] = []

    def work(item: int) -> None:
        together.wait()
        done.append(item)

    on_threads(work, range(6), 3)
    assert sorted(done) == list(range(6))
    on_threads(work, [], 3)
    with pytest.raises(ZeroDivisionError):
        on_threads(lambda it: 1 // it, [1, 0, 2], 2)
