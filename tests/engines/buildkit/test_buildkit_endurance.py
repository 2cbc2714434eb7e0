"""Cancelling at random moments, and many builds in one process: nothing is left running, and nothing grows."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.engines.bench import Bench, finished, processes_with
from workbench.build.request import BuildRequest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CANCELS, BUILDS = 50, 200  # cancels on each of two engines


@pytest.mark.timeout(600)
@pytest.mark.parametrize("buildkit", ["20", "28"], indirect=True)
async def test_cancelled_at_random_moments(buildkit: Bench) -> None:
    """The sleep has a length of its own, by which its process is found."""
    marker = f"5{random.randrange(10**6):06d}"
    text = f"FROM busybox\nCOPY many /m\nRUN echo ready; sleep {marker}\n"
    request = buildkit.request(text, {f"many/{number}": f"{number}" for number in range(100)}, no_cache=True)
    dice = random.Random(7)
    slowest = 0.0
    for _ in range(CANCELS):
        build = buildkit.engine.build(request)
        asyncio.get_running_loop().call_later(dice.uniform(0, 0.7), build.cancel)
        asked = time.monotonic() + 0.7  # at the latest
        events = [event async for event in build]
        slowest = max(slowest, time.monotonic() - asked)
        assert finished(events).outcome == "cancelled"
        await build.aclose()
    assert slowest < 2
    end = time.monotonic() + 10
    while left := processes_with(f"sleep {marker}".replace(" ", "\0")):
        assert time.monotonic() < end, left
        await asyncio.sleep(0.1)
    assert not [it for it in threading.enumerate() if it.name.startswith("buildkit")]
    assert finished([event async for event in buildkit.engine.build(_quick(buildkit, 0))]).outcome == "succeeded"


def _quick(bench: Bench, number: int) -> BuildRequest:
    return bench.request(
        f"FROM busybox\nCOPY file /\nRUN cat /file; echo {bench.prefix} {number % 5}\n", {"file": f"{number % 7}"}
    )


def _now() -> tuple[int, int, int]:
    """Resident bytes, threads, open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("buildkit", ["28"], indirect=True)
async def test_200_builds_in_one_process(buildkit: Bench) -> None:
    before = (0, 0, 0)
    for number in range(BUILDS):
        events = [event async for event in buildkit.engine.build(_quick(buildkit, number))]
        assert finished(events).outcome == "succeeded", finished(events).error
        if number == BUILDS // 4:
            before = _now()
    after = _now()
    assert after[0] - before[0] < 8 << 20, f"memory grew by {(after[0] - before[0]) >> 20} MB"
    assert after[1] <= before[1] + 1 and after[2] <= before[2] + 2
