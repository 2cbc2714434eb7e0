"""`workbench config`: where the file is, what takes effect, and a new one with everything in it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.config import Config, load_config
from workbench.tui.actions import actions, wrong_key


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "folder" / "config.toml"
    monkeypatch.setenv("WORKBENCH_CONFIG", str(path))
    return path


def test_a_new_file_has_every_setting_with_its_default(run: Run, path: Path) -> None:
    done = run("config", "--init")
    assert (done.code, done.out) == (0, f"{path}\n")
    text = path.read_text()
    for name in {it.name for it in fields(Config)} - {"remarks", "places", "keys", "mirrors"}:
        assert f"\n{name} = " in text or f"\n# {name} = " in text, name
    assert load_config({}, path) == Config() and load_config({}, path).remarks == ()
    bare = (
        text.replace('# "', '"').replace("# host", "host").replace("# docker_c", "docker_c").replace("# root", "root")
    )
    read = tomllib.loads(bare)
    assert set(read["keys"]) == set(actions()) and read["host"].startswith("unix://")
    assert read["keys"]["file.save"] == "ctrl+s" and not any(map(wrong_key, read["keys"].values()))
    again = run("config", "--init")
    assert again.code == 2 and f"{path} is there already" in again.err and path.read_text() == text


def test_what_takes_effect_and_why(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("config").out.startswith(f"# {path} (not there: `workbench config --init` writes it)\n")
    path.parent.mkdir()
    path.write_text('theme = "nord"\nengine = "docker"\nquiet = "x"\n[keys]\nfile.save = "f2"\n')
    monkeypatch.setenv("WORKBENCH_ENGINE", "embedded")
    monkeypatch.setenv("WORKBENCH_REGISTRY_MIRRORS", "a=b")
    done = run("config", "--root", "/r")
    lines = {line.partition("  ")[0]: line.rpartition("# ")[2] for line in done.out.splitlines()}
    assert done.code == 0 and done.out.startswith(f"# {path}\n")
    assert lines['engine = "embedded"'] == "WORKBENCH_ENGINE" and lines['theme = "nord"'] == "line 1"
    assert lines['root = "/r"'] == "--root" and lines["quiet = 0.05"] == "default"
    assert lines['"file.save" = "f2"'] == "line 5" and lines['"a" = ["b"]'] == "WORKBENCH_REGISTRY_MIRRORS"
    assert f"workbench: {path}:3:9: quiet cannot be" in done.err
    tomllib.loads(done.out)


def test_as_json(run: Run, path: Path) -> None:
    path.parent.mkdir()
    path.write_text('thme = 1\ninsecure = "a:1"\n')
    said = json.loads(run("config", "--format", "json").out)
    assert said["path"] == str(path) and said["exists"] and said["settings"]["insecure"] == ["a:1"]
    assert "did you mean 'theme'?" in said["remarks"][0]
    assert set(said["settings"]) == {it.name for it in fields(Config)} - {"remarks", "places"}


def test_a_file_full_of_mistakes_keeps_no_command_from_its_work(run: Run, path: Path, context: Path) -> None:
    path.parent.mkdir()
    path.write_text('engine = "nope"\nmirrors = 3\nwhat = 1\n')
    done = run("context", "--format", "json", str(context))
    assert done.code == 0 and done.err.count(f"workbench: {path}:") == 3
    path.write_text("a = [")
    assert run("context", str(context)).code == 0
