"""`workbench --tour`, and the offer at the very first start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.cli.tour import TourCopies, chosen_copy, first_start
from workbench.config import config_file, state_dir
from workbench.errors import UsageError


def test_the_first_start_is_one() -> None:
    assert first_start()
    assert not first_start()


def test_where_there_is_state_or_a_configuration_it_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config_file().parent.mkdir(parents=True)
    config_file().touch()
    assert not first_start() and not state_dir().exists()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    state_dir().mkdir(parents=True)
    assert not first_start()


def test_a_state_folder_that_cannot_be_written_is_no_first_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert not first_start()


@pytest.mark.slow
def test_copies_have_all_they_need_and_go(static_busybox: Path) -> None:
    with TourCopies() as copies:
        one, other = copies.make(), copies.make()
        assert one != other
        assert {it.name for it in one.iterdir()} >= {"Dockerfile", "busybox.tar.xz"}
    assert not one.parent.exists() and not other.parent.exists()


def test_a_folder_that_somebody_named_is_made_and_stays(
    static_busybox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = chosen_copy(tmp_path / "try")
    assert (folder / "busybox.tar.xz").is_file() and (folder / "Dockerfile").is_file()
    assert capsys.readouterr().out == ""
    with pytest.raises(UsageError, match="not empty"):
        chosen_copy(folder)


def test_without_a_terminal_nothing_is_copied(run: Run, tmp_path: Path) -> None:
    done = run("--tour", str(tmp_path / "try"))
    assert done.code == 2 and "terminal" in done.err
    assert not (tmp_path / "try").exists()


def test_help_and_completion_know_the_tour(run: Run) -> None:
    assert "workbench --tour" in run("--help").out
    assert "--tour" in run("completion", "answer", "--to").out
