from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from workbench.engines.address import TLS, list_contexts, resolve
from workbench.errors import UsageError


def write_context(home: Path, name: str, host: str, *, files: tuple[str, ...] = (), **endpoint: Any) -> None:
    """A context as `docker context create` writes it."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker" / "contexts" / "meta" / digest
    meta.mkdir(parents=True)
    data = {
        "Name": name,
        "Metadata": {"Description": f"about {name}"},
        "Endpoints": {"docker": {"Host": host, **endpoint}},
    }
    (meta / "meta.json").write_text(json.dumps(data))
    for file in files:
        path = home / ".docker" / "contexts" / "tls" / digest / "docker" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("pem")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def found(*args: str | None, env: dict[str, str]) -> tuple[str, str]:
    address = resolve(*args, environment=env)
    return address.host, address.origin


def test_the_local_socket_by_default(env: dict[str, str]) -> None:
    assert found(env=env) == ("unix:///var/run/docker.sock", "default")


def test_order_is_that_of_the_docker_cli(env: dict[str, str], tmp_path: Path) -> None:
    for name in ("lab", "other", "current"):
        write_context(tmp_path, name, f"tcp://{name}:1")
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "current"}')
    assert found(env=env) == ("tcp://current:1", "context current")
    env["DOCKER_CONTEXT"] = "other"
    assert found(env=env) == ("tcp://other:1", "context other")
    env["DOCKER_HOST"] = "tcp://variable:1"
    assert found(env=env) == ("tcp://variable:1", "DOCKER_HOST")
    assert found(None, "lab", env=env) == ("tcp://lab:1", "context lab")
    assert found("tcp://flag:1", env=env) == ("tcp://flag:1", "--host")
    assert found("tcp://variable:1", env=env) == ("tcp://variable:1", "DOCKER_HOST")


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("/run/x.sock", "unix:///run/x.sock"),
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("unix://run/x.sock", "unix:///run/x.sock"),
        ("engine", "tcp://engine:2375"),
        ("engine:99", "tcp://engine:99"),
        ("tcp://engine", "tcp://engine:2375"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
        ("tcp://[::1]:99", "tcp://[::1]:99"),
        ("http://engine:99/", "tcp://engine:99"),
        ("ssh://me@engine:22", "ssh://me@engine:22"),
    ],
)
def test_forms_of_an_address(env: dict[str, str], given: str, host: str) -> None:
    assert found(given, env=env)[0] == host


@pytest.mark.parametrize("given", ["ftp://engine", "unix://", "npipe:////./pipe/docker"])
def test_what_is_no_address(env: dict[str, str], given: str) -> None:
    with pytest.raises(UsageError, match="not the address"):
        resolve(given, environment=env)


def test_tls_by_variables(env: dict[str, str], tmp_path: Path) -> None:
    env |= {"DOCKER_HOST": "tcp://engine", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    address = resolve(environment=env)
    assert address.host == "tcp://engine:2376"
    assert address.tls == TLS(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")


def test_tls_of_a_context(env: dict[str, str], tmp_path: Path) -> None:
    write_context(tmp_path, "lab", "tcp://engine:2376", files=("ca.pem", "cert.pem"), SkipTLSVerify=True)
    tls = resolve(None, "lab", env).tls
    assert tls is not None
    assert (tls.ca is not None, tls.cert is not None, tls.key, tls.verify) == (True, True, None, False)


def test_an_unknown_context_names_the_known_ones(env: dict[str, str], tmp_path: Path) -> None:
    write_context(tmp_path, "lab", "tcp://engine:1")
    with pytest.raises(UsageError, match="no Docker context called 'nosuch'") as caught:
        resolve(None, "nosuch", env)
    assert "default, lab" in caught.value.hint


def test_listing_contexts(env: dict[str, str], tmp_path: Path) -> None:
    write_context(tmp_path, "zoo", "ssh://zoo")
    write_context(tmp_path, "lab", "tcp://lab:1")
    damaged = tmp_path / ".docker" / "contexts" / "meta" / "x"
    damaged.mkdir()
    (damaged / "meta.json").write_text("{")
    env["DOCKER_CONTEXT"] = "lab"
    contexts = list_contexts(env)
    assert [(it.name, it.host, it.current) for it in contexts] == [
        ("default", "unix:///var/run/docker.sock", False),
        ("lab", "tcp://lab:1", True),
        ("zoo", "ssh://zoo", False),
    ]
    assert contexts[1].description == "about lab"


def test_a_damaged_configuration_counts_as_none(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_bytes(b"\xff{")
    assert found(env=env)[1] == "default"


def test_sockets_of_rootless_engines_where_docker_has_none(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.engines.address.DEFAULT_HOST", f"unix://{tmp_path}/system.sock")
    monkeypatch.setattr("workbench.engines.address.PODMAN_SOCKET", f"{tmp_path}/podman.sock")
    env["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    assert found(env=env) == (f"unix://{tmp_path}/system.sock", "default")
    (tmp_path / "run" / "podman").mkdir(parents=True)
    for path, origin in (
        ("podman.sock", "Podman"), ("run/podman/podman.sock", "rootless Podman"),
        ("run/docker.sock", "rootless Docker"), ("system.sock", "default"),
    ):  # fmt: skip
        (tmp_path / path).touch()
        assert found(env=env) == (f"unix://{tmp_path}/{path}", origin)
