"""Blocking calls on threads: what they return and raise comes back, whatever it is."""

from __future__ import annotations

import asyncio

import pytest

from workbench.engines.threads import in_thread


async def test_what_is_returned_and_raised_comes_back() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_an_iterator_that_ends_is_an_error_and_no_endless_wait() -> None:
    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await in_thread(next, iter(()))
    assert isinstance(caught.value.__cause__, StopIteration)
