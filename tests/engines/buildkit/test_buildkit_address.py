"""Addresses of a buildkitd that stands alone: who may dial them, and what is said where nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config import Config
from workbench.engines.address import TLS, resolve
from workbench.engines.choose import decide, make
from workbench.errors import EngineError, EngineUnavailable, ImageNotFound, UsageError


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("buildkit://far", "buildkit://far:1234"),
        ("buildkit://far:99/x", "buildkit://far:99"),
        ("buildkit://[::1]", "buildkit://[::1]:1234"),
        ("buildkit+unix:///run/b.sock", "buildkit+unix:///run/b.sock"),
        ("buildkit+unix://run/b.sock", "buildkit+unix:///run/b.sock"),
    ],
)
def test_forms(given: str, host: str) -> None:
    address = resolve(given, environment={})
    assert (address.host, address.standalone, address.tls) == (host, True, None)
    assert not resolve("unix:///x", environment={}).standalone


def test_tls(tmp_path: Path) -> None:
    env = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    assert resolve("buildkit://far", environment=env).tls == TLS(
        tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    )
    assert resolve("buildkit+unix:///x", environment=env).tls is None


async def test_which_engine(tmp_path: Path) -> None:
    host = f"buildkit+unix://{tmp_path}/none"
    choice = decide(Config(host=host))
    assert (choice.name, choice.automatic) == ("buildkit", True)
    with pytest.raises(UsageError, match="not a Docker Engine"):
        decide(Config(host=host, engine="docker"))
    docker = make("docker", Config(host=host))
    with pytest.raises(EngineUnavailable, match="is a buildkitd, not a Docker Engine") as caught:
        await docker.check()
    assert "--engine buildkit" in caught.value.hint
    await docker.close()


async def test_nothing_is_there(tmp_path: Path) -> None:
    engine = make("buildkit", Config(host=f"buildkit+unix://{tmp_path}/none"))
    with pytest.raises(EngineUnavailable, match="no buildkitd") as caught:
        await engine.check()
    assert "Start buildkitd" in caught.value.hint
    assert await engine.images.list() == ()
    with pytest.raises(ImageNotFound):
        await engine.images.inspect("x")
    with pytest.raises(EngineError):
        await engine.images.usage()
    await engine.close()
