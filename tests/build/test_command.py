"""A request in the words of `docker build`, shown, copied and kept."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.build import command
from workbench.build.command import docker_command, keep_options, kept_options, words_of
from workbench.build.request import BuildRequest
from workbench.cli.request import read_options

FULL = BuildRequest(
    context=Path("/a b"),
    dockerfile="docker/x.Dockerfile",
    tags=("app:1",),
    build_args={"MSG": "it's; $HOME", "API_TOKEN": "hunter2", "PLAIN": None},
    labels={"who": "two words"},
    target="test",
    no_cache=True,
    rm=False,
    memory=64 * 1024 * 1024,
    memory_swap=-1,
    ulimits=("nofile=10:20",),
    secrets=("id=npm,env=NPM",),
)


def test_the_command_is_quoted_for_a_shell_and_has_no_secret() -> None:
    text = docker_command(FULL)
    assert "hunter2" not in text
    words = shlex.split(text)
    assert words[:2] == ["docker", "build"] and words[-3:] == ["-f", "/a b/docker/x.Dockerfile", "/a b"]
    for word in ("--build-arg=MSG=it's; $HOME", "--build-arg=API_TOKEN", "--build-arg=PLAIN", "--no-cache",
                 "--rm=false", "--memory-swap=-1", "--label=who=two words"):  # fmt: skip
        assert word in words


def test_the_words_are_read_as_the_command_line_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIN", "from here")
    made = replace(FULL, **read_options(words_of(FULL, hide=False)))
    assert made == replace(FULL, build_args={**FULL.build_args, "PLAIN": "from here"})


def test_options_are_kept_by_context_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "state_dir", lambda: tmp_path / "state")
    assert kept_options(tmp_path) == []
    keep_options(replace(FULL, context=tmp_path))
    assert kept_options(tmp_path) == words_of(FULL)
    assert kept_options(tmp_path / "other") == []
    (file,) = (tmp_path / "state" / "options").iterdir()
    assert "hunter2" not in file.read_text() and file.stat().st_mode & 0o077 == 0
    file.write_text("{")
    assert kept_options(tmp_path) == []
