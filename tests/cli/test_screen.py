"""Where no screen can be shown that is said, with what to do instead."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.cli import screen
from workbench.errors import UsageError


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_move_its_cursor(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Tty())
    monkeypatch.setattr(sys, "stdout", _Tty())
    monkeypatch.setenv("TERM", term)
    with pytest.raises(UsageError, match="TERM is unset or dumb") as refused:
        screen.refuse_without_terminal()
    assert "workbench build PATH" in refused.value.hint


def test_no_terminal_at_all(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    done = run(str(tmp_path))
    assert done.code == 2 and "needs a terminal, and this is none" in done.err and not done.out
