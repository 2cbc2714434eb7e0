"""Which engine is taken, and why."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path

import pytest

from workbench.build.events import BuildFinished, StepStarted
from workbench.build.request import BuildRequest
from workbench.cli.engine import choose_engine
from workbench.config import Config
from workbench.engines.buildkit.engine import BuildKitEngine
from workbench.engines.choose import Choice, choose, decide, factories, make
from workbench.engines.docker.engine import DockerEngine
from workbench.engines.replay import ReplayEngine
from workbench.errors import EngineUnavailable, InputError, UsageError


def test_auto_falls_back_and_says_why(tmp_path: Path) -> None:
    choice = decide(Config(host=f"unix://{tmp_path}/none"))
    assert choice.name == "embedded" and choice.automatic
    assert choice.why == f"no Docker Engine answers at unix://{tmp_path}/none: no such file or directory"
    (tmp_path / "file").touch()
    assert "connection refused" in decide(Config(host=f"unix://{tmp_path}/file")).why


def test_auto_falls_back_from_an_engine_far_away() -> None:
    assert decide(Config(host="tcp://127.0.0.1:1")).name == "embedded"


@pytest.mark.parametrize(("head", "name"), [(b"Builder-Version: 2\r\n", "buildkit"), (b"", "docker")])
def test_auto_takes_the_builder_that_the_engine_names(tmp_path: Path, head: bytes, name: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\n" + head + b"Content-Length: 2\r\n\r\nOK"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        config = Config(host=f"unix://{tmp_path}/socket")
        choice = decide(config)
        assert (choice.name, choice.automatic) == (name, True)
        limited = choose_engine(config, request=BuildRequest(context=None, memory=1 << 26))
        assert limited.name == "docker"  # the classic builder of the same engine is the one that has it
        thread.join()


def test_what_was_asked_for_is_not_replaced(tmp_path: Path) -> None:
    assert decide(Config(engine="embedded")) == Choice("embedded", "as asked")
    for engine in ("docker", "buildkit"):
        with pytest.raises(EngineUnavailable) as unavailable:
            decide(Config(engine=engine, host=f"unix://{tmp_path}/none"))
        assert unavailable.value.hint


async def test_a_recording_is_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_REPLAY", str(tmp_path / "a.jsonl"))
    with pytest.raises(UsageError, match="WORKBENCH_REPLAY"):
        make("replay", Config())
    (tmp_path / "a.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"a\.jsonl:1: not a build event"):
        make("replay", Config())
    (tmp_path / "a.jsonl").write_text("")
    assert isinstance(await choose(Config(engine="replay")), ReplayEngine)
    monkeypatch.setenv("WORKBENCH_REPLAY_SPEED", "fast")
    with pytest.raises(UsageError, match="SPEED is not a number"):
        make("replay", Config())


def test_what_a_person_may_change_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert list(factories(Config())) == ["embedded", "docker", "buildkit"]
    assert "replay" in factories(Config(engine="replay"))


def test_every_docker_context_is_an_engine_to_change_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(b"lab").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text('{"Name": "lab", "Endpoints": {"docker": {"Host": "tcp://lab:1"}}}')
    offered = factories(Config())
    assert list(offered) == ["embedded", "docker", "buildkit", "docker (lab)", "buildkit (lab)"]
    for name in ("docker", "buildkit"):
        engine = offered[f"{name} (lab)"]()
        assert isinstance(engine, DockerEngine | BuildKitEngine)
        assert (engine.name, engine.address.host) == (name, "tcp://lab:1")
        assert engine.place == {"host": None, "docker_context": "lab"}  # so the owner of the builds finds it too
    assert "docker (default)" in factories(Config(docker_context="lab"))
    assert "docker (lab)" not in factories(Config(docker_context="lab"))


async def test_without_a_recording_the_packaged_one_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WORKBENCH_REPLAY", raising=False)
    monkeypatch.setenv("WORKBENCH_REPLAY_SPEED", "0")
    engine = make("replay", Config())
    events = [event async for event in engine.build(BuildRequest(context=tmp_path))]
    assert isinstance(events[-1], BuildFinished) and events[-1].outcome == "succeeded"
    assert next(event.text for event in events if isinstance(event, StepStarted)) == "FROM scratch"
