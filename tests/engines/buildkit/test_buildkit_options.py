"""Options of a request in BuildKit's words, secrets, credentials, and what is refused by name."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from workbench.build.request import BuildRequest
from workbench.build.secrets import read_secrets
from workbench.engines.buildkit.credentials import Credentials
from workbench.engines.buildkit.exporters import Backend, plan_exports
from workbench.engines.buildkit.options import Solve, read_proxies, read_solve, refuse_for
from workbench.errors import Unsupported, UsageError


def solve(**options: Any) -> Solve:
    return read_solve(BuildRequest(context=None, **options), filename="Dockerfile", target="", proxies={})


def attributes(**options: Any) -> dict[str, str]:
    found = dict(solve(**options).attributes)
    assert found.pop("filename") == "Dockerfile"
    return found


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, {}),
        ({"build_args": {"A": "1", "NOT_SET_HERE": None}}, {"build-arg:A": "1"}),
        ({"labels": {"a.b": "c"}}, {"label:a.b": "c"}),
        ({"platform": "linux/arm64"}, {"platform": "linux/arm64"}),
        ({"no_cache": True}, {"no-cache": ""}),
        ({"no_cache_filter": ("one", "two")}, {"no-cache": "one,two"}),
        ({"add_hosts": ("a:1.2.3.4", "b=::1")}, {"add-hosts": "a=1.2.3.4,b=::1"}),
        ({"network": "default"}, {}),
        ({"network": "none"}, {"force-network-mode": "none"}),
        ({"network": "host"}, {"force-network-mode": "host"}),
        ({"ulimits": ("nofile=10:20", "core=0")}, {"ulimit": "nofile=10:20,core=0"}),
        ({"shm_size": 1 << 26}, {"shm-size": "67108864"}),
        ({"pull": True}, {"image-resolve-mode": "pull"}),
        (
            {"build_contexts": {"a": "/x", "b": "docker-image://c"}},
            {"context:a": "local:a", "context:b": "docker-image://c"},
        ),
    ],
)
def test_attributes(options: dict[str, Any], wanted: dict[str, str]) -> None:
    assert attributes(**options) == wanted


def test_a_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "from outside")
    assert attributes(build_args={"A": None}) == {"build-arg:A": "from outside"}


def test_the_message() -> None:
    options = {"tags": ("a", "b:1"), "network": "host", "cache_from": ("me/it",), "cache_to": ("type=inline",)}
    exports = plan_exports(BuildRequest(context=None, **options), (), Backend(""))
    message = solve(**options).message(exports, ref="r", session="s")
    assert (message.Ref, message.Session, message.Frontend) == ("r", "s", "dockerfile.v0")
    assert (message.ExporterDeprecated, dict(message.ExporterAttrsDeprecated)) == ("moby", {"name": "a:latest,b:1"})
    assert list(message.Entitlements) == ["network.host"]
    assert [(it.Type, dict(it.Attrs)) for it in message.Cache.Imports] == [("registry", {"ref": "me/it"})]
    assert [it.Type for it in message.Cache.Exports] == ["inline"]
    assert json.loads(message.FrontendAttrs["cache-imports"]) == [{"Type": "registry", "Attrs": {"ref": "me/it"}}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"network": "bridge"}, "--network bridge"),
        ({"cache_from": ("type=ftp,src=x",)}, "--cache-from type=ftp"),
        ({"cache_from": ("type=inline,src=x",)}, "--cache-from type=inline"),
        ({"cache_to": ("type=tape,ref=x",)}, "--cache-to type=tape"),
    ],
)
def test_what_is_refused_by_name(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Unsupported) as caught:
        solve(**options)
    assert caught.value.what == said


@pytest.mark.parametrize(
    ("flag", "options"),
    [
        ("--shm-size", {"shm_size": 1}),
        ("--ulimit", {"ulimits": ("core=0",)}),
        ("--cgroup-parent", {"cgroup_parent": "x"}),
        ("--build-context", {"build_contexts": {"a": "/x"}}),
    ],
)
def test_what_an_older_buildkit_passes_over_is_refused(flag: str, options: dict[str, Any]) -> None:
    request = BuildRequest(context=None, **options)
    refuse_for(request, "v0.12.5")
    with pytest.raises(Unsupported) as caught:
        refuse_for(request, "")
    assert caught.value.what == flag
    assert "Docker 24" in caught.value.hint


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_bytes(b"from a file\n")
    monkeypatch.setenv("TOKEN", "from outside")
    texts = (f"id=key,src={tmp_path}/key", "id=token,env=TOKEN", "type=env,id=other,src=TOKEN", "id=TOKEN")
    assert read_secrets(texts) == {
        "key": b"from a file\n", "token": b"from outside", "other": b"from outside", "TOKEN": b"from outside",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["src=x", "id=a,what=b", "id=a,type=vault", "id", "id=a,env=NOT_SET_HERE", "id=a,src=/no/such"]
)
def test_what_is_no_secret(text: str) -> None:
    with pytest.raises(UsageError):
        read_secrets((text,))


def test_a_secret_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"x" * 512_001)
    with pytest.raises(UsageError, match="larger"):
        read_secrets((f"id=key,src={tmp_path}/key",))


def test_proxies_of_the_docker_configuration() -> None:
    config = {"proxies": {"default": {"httpProxy": "http://p", "noProxy": "a"}, "unix:///x": {"allProxy": "http://q"}}}
    assert read_proxies(config, "tcp://y") == {
        "http_proxy": "http://p", "HTTP_PROXY": "http://p", "no_proxy": "a", "NO_PROXY": "a",
    }  # fmt: skip
    assert read_proxies(config, "unix:///x") == {"all_proxy": "http://q", "ALL_PROXY": "http://q"}
    assert read_proxies({}, "unix:///x") == {}


async def test_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(pair: str) -> dict[str, str]:
        return {"auth": base64.b64encode(pair.encode()).decode()}

    helper = tmp_path / "docker-credential-lab"
    helper.write_text('#!/bin/sh\nread server\necho "{\\"Username\\": \\"u\\", \\"Secret\\": \\"for $server\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    config = {
        "auths": {
            "https://index.docker.io/v1/": encode("me:pass:word"), "reg:5000": {"identitytoken": "t"},
            "broken": {"auth": "%"},
        },
        "credHelpers": {"helped": "lab", "missing": "nosuch"},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    credentials = Credentials(tmp_path)
    assert await credentials.get("registry-1.docker.io") == ("me", "pass:word")
    assert await credentials.get("reg:5000") == ("", "t")
    assert await credentials.get("helped") == ("u", "for helped")
    for host in ("broken", "missing", "elsewhere"):
        assert await credentials.get(host) == ("", "")
    assert await Credentials(tmp_path / "nosuch").get("reg:5000") == ("", "")
