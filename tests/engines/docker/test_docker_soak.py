"""Many builds by one process, and many cancelled ones: nothing grows here, and nothing is left on the engine."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.engines.bench import Bench, end_processes_with, finished, processes_with
from workbench.build.events import BuildEvent, BuildFinished
from workbench.engines.address import resolve
from workbench.engines.docker.client import Client

pytestmark = pytest.mark.slow

BUILDS = 200
CANCELS = 100
GROWTH = 12 << 20
"""Bytes that 150 builds may add: allocators keep some."""


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def threads() -> set[threading.Thread]:
    """The threads of this process, but for those that the event loop keeps for `to_thread`."""
    return {it for it in threading.enumerate() if not it.name.startswith("asyncio_")}


def held(known: set[threading.Thread]) -> tuple[int, list[str]]:
    """Open files, and the threads that are new."""
    return len(os.listdir("/proc/self/fd")), sorted(it.name for it in threads() - known)


async def settled(files: int, known: set[threading.Thread]) -> tuple[int, list[str]]:
    """What is held once it is no new thread and no more than so many files, or after five seconds."""
    until = time.monotonic() + 5
    while ((now := held(known))[0] > files or now[1]) and time.monotonic() < until:
        await asyncio.sleep(0.02)
    return now


@pytest.mark.timeout(600)
async def test_two_hundred_builds(docker: Bench) -> None:
    """Of layers that nobody else makes: where two builds make the same one at once, the classic builder may lose it."""
    files = {f"file{number}": docker.prefix * 80 for number in range(20)}
    before, memory, known = 0, 0, threads()
    for number in range(BUILDS):
        events = await docker.build(f"FROM busybox\nENV number={docker.prefix}-{number % 5}\nCOPY . /all\n", files)
        assert finished(events).outcome == "succeeded", finished(events).error
        if number == BUILDS // 4:
            before, memory = held(known)[0], resident()
    files_held, more = await settled(before, known)
    assert files_held <= before and not more
    assert resident() - memory < GROWTH


@pytest.mark.timeout(600)
async def test_a_hundred_cancels(docker: Bench, docker_host: str) -> None:
    """At any moment: while the context is sent, between steps, in a command, and after the end."""
    chance = random.Random(20_10)
    marker = f"5{docker.prefix.encode().hex()[-6:]}"
    client = Client(resolve(docker_host))
    known = {it["Id"] for it in client.containers(all=True)}
    text = f"FROM busybox\nENV a=b\nRUN true\nCOPY . /all\nRUN sleep {marker}\n"
    files = {f"file{number}": "x" * 1000 for number in range(20)}
    request = docker.request(text, files, no_cache=True)

    async def one(moment: float) -> BuildFinished:
        build = docker.engine.build(request)
        events: list[BuildEvent] = []

        async def read() -> None:
            async for event in build:
                events.append(event)

        reading = asyncio.create_task(read())
        await asyncio.sleep(moment)
        asked = time.monotonic()
        build.cancel()
        await reading
        assert time.monotonic() - asked < 5
        return finished(events)

    before, known_threads = 0, threads()
    try:
        for number in range(CANCELS // 2):
            ends = await asyncio.gather(*(one(chance.uniform(0, 1.2)) for _ in range(2)))
            assert {end.outcome for end in ends} == {"cancelled"}
            if number == 0:
                await docker.engine.close()  # the images' connections, one for each that asks at a time
                before = held(known_threads)[0]
        assert not processes_with(marker)
    finally:
        end_processes_with(marker)
    await docker.engine.close()
    files_held, more = await settled(before, known_threads)
    assert files_held <= before and not more
    ours = [it["Id"] for it in client.containers(all=True) if it["Id"] not in known and marker in it["Command"]]
    client.close()
    assert not ours
