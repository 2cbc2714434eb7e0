"""Which engine is taken, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config import Config
from workbench.engines.choose import Choice, choose, decide, factories, make
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


def test_what_a_person_may_change_to() -> None:
    assert list(factories(Config())) == ["embedded", "docker", "buildkit"]
    assert "replay" in factories(Config(engine="replay"))
