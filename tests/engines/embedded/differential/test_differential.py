"""200 seeds, and every case that was found once: the embedded engine makes what Docker's classic builder makes.

What the generator leaves out, each place with its reason: what Docker hangs on (a FIFO that COPY names), what it is
wrong about (`builders._BROKEN`, `--chown=-1`), what 20.10's parser reads otherwise than today's (`[...]` with something
behind it, `--retries=0`, `--interval=0s`), what the embedded engine refuses before the first step (a trigger or a
global ARG that cannot be read) or does not do (stages that the target does not need), and an exception in an ignore
file for a folder that nothing excludes: Docker's client of 20.10 reads it as the embedded engine does, and those since
23 do not (`contexts._forgotten`).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from differential.builders import EmbeddedBuilder, Place
from differential.dockerfiles import generate
from differential.found import FOUND
from differential.golden import GOLDEN, facts
from differential.judge import Judge, describe
from tests.conftest import missing

SEEDS = 200
CHUNK = 20

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="owners that RUN and COPY --chown set need root"),
    pytest.mark.usefixtures("sandbox"),
]


@pytest.fixture(scope="module")
def embedded(static_busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedBuilder:
    return EmbeddedBuilder(Place.make(tmp_path_factory.mktemp("embedded"), static_busybox))


@pytest.fixture(scope="module")
def judge(docker_host: str, static_busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    if shutil.which("docker") is None:
        missing("no docker command on this machine")
    it = Judge(docker_host, static_busybox, tmp_path_factory.mktemp("judge"))
    yield it
    it.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_seeds(judge: Judge, first: int) -> None:
    for seed in range(first, first + CHUNK):
        case = generate(seed)
        if different := judge.differences(case):
            pytest.fail(f"seed {seed}\n{describe(judge, case, different)}", pytrace=False)


@pytest.mark.parametrize("name", FOUND)
def test_found_cases(embedded: EmbeddedBuilder, name: str) -> None:
    """As Docker was seen to make them."""
    with embedded.place.context(FOUND[name]) as context:
        assert facts(embedded.build(FOUND[name], context)) == json.loads(GOLDEN.read_text())[name]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_found_cases_with_docker(judge: Judge) -> None:
    """What was seen of Docker is still so."""
    assert {name: different for name, case in FOUND.items() if (different := judge.differences(case))} == {}
