"""Every option of the lab's `docker build --help` on every engine: taken all together, or refused by name with who has
it. That each takes effect is seen one by one in test_options_seen.py and the rooms of the engines."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from workbench.build.engine import OPTIONS
from workbench.cli import main

pytestmark = pytest.mark.slow

PLATFORM = f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }"
GIVEN: dict[str, list[str]] = {
    "--add-host": ["--add-host", "there:192.0.2.7"],
    "--build-arg": ["--build-arg", "WORD=heard"],
    "--cache-from": ["--cache-from", "busybox:latest"],
    "--cgroup-parent": ["--cgroup-parent", "/workbench-test"],
    "--compress": ["--compress"],
    "--cpu-period": ["--cpu-period", "50000"],
    "--cpu-quota": ["--cpu-quota", "25000"],
    "--cpu-shares": ["-c", "512"],
    "--cpuset-cpus": ["--cpuset-cpus", "0"],
    "--cpuset-mems": ["--cpuset-mems", "0"],
    "--disable-content-trust": ["--disable-content-trust=false"],
    "--file": ["-f", "{context}/other/Dockerfile"],
    "--force-rm": ["--force-rm"],
    "--iidfile": ["--iidfile", "{context}.id"],
    "--isolation": ["--isolation", "default"],
    "--label": ["--label", "asked=for"],
    "--memory": ["-m", "64m"],
    "--memory-swap": ["--memory-swap", "128m"],
    "--network": ["--network", "none"],
    "--no-cache": ["--no-cache"],
    "--platform": ["--platform", "{platform}"],
    "--pull": ["--pull"],
    "--quiet": ["-q"],
    "--rm": ["--rm=false"],
    "--security-opt": ["--security-opt", "seccomp=unconfined"],
    "--shm-size": ["--shm-size", "8m"],
    "--tag": ["-t", "{tag}"],
    "--target": ["--target", "early"],
    "--ulimit": ["--ulimit", "nofile=512:1024"],
}
"""Each option, as it is given."""
OF_THE_COMMAND = {"--file", "--iidfile", "--quiet"}
"""What no engine needs to know of."""
APART = {"--pull", "--rm", "--cgroup-parent"}
"""What is not given together with the others: no registry is in reach, containers would stay, and a group that has
another's container in it takes no CPU set. test_options_seen.py has them."""


@pytest.fixture(
    params=["docker_20", "docker_26", "docker_28", "buildkit_20", "buildkit_26", "buildkit_28", "docker_podman"]
)
def engine(request: pytest.FixtureRequest, conformance: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Name, generation, and the arguments that choose it."""
    name, _, generation = request.param.partition("_")
    words = ["--engine", name, "-H", request.getfixturevalue(f"docker_{generation}")]
    assert main(["load", *words, "-q", "-i", str(conformance / "bases" / "busybox.tar")]) == 0
    yield name, generation, words


def test_the_table_has_every_option_of_the_lab() -> None:
    if shutil.which("docker") is None:
        missing("no docker command on this machine")
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    told = subprocess.run(["docker", "build", "--help"], env=environment, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", told.stdout, re.MULTILINE)) == set(GIVEN)


def test_each_is_taken_or_refused_by_name(
    engine: tuple[str, str, list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name, generation, words = engine
    context, tag = tmp_path / "context", f"whole-{uuid.uuid4().hex[:8]}:latest"
    (context / "other").mkdir(parents=True)
    (context / "other" / "Dockerfile").write_text("FROM busybox AS early\nRUN true\nFROM busybox\nRUN exit 3\n")
    refused = {option for option in GIVEN if option not in OPTIONS[name] | OF_THE_COMMAND}
    if name == "docker":
        refused |= {"--network"} if generation == "podman" else {"--security-opt"}

    elif generation == "20":
        refused |= {"--shm-size", "--ulimit", "--cgroup-parent"}

    def build(*options: str) -> int:
        given = [
            word.format(context=context, tag=tag, platform=PLATFORM) for option in options for word in GIVEN[option]
        ]
        capfd.readouterr()
        return main(["build", *words, *given, str(context)])

    for option in sorted(refused):
        assert build("--file", option) == 2, option
        assert option in capfd.readouterr().err, option
    together = [option for option in GIVEN if option not in refused | APART]
    assert build(*together) == 0, capfd.readouterr().err
    identifier = capfd.readouterr().out.strip()
    assert identifier == (tmp_path / "context.id").read_text().strip() and identifier.startswith("sha256:")
    assert main(["rmi", *words, "-f", tag]) == 0
