"""A transfer's words go to stderr; its bytes only to a terminal, on one line that is gone at the end."""

from __future__ import annotations

import io
import sys

import pytest

from workbench.cli.transfer import Teller


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (io.StringIO, "1: Pulling from a\nabc: \\x1b[31mdone\n"),
        (
            Terminal,
            "1: Pulling from a\n500B of 2kB (25%)\r\x1b[2K"
            "2kB of 2kB (100%)\r\x1b[2Kabc: \\x1b[31mdone\n3B of 0B\r\x1b[2K",
        ),
    ],
)
def test_lines_and_bytes(monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], said: str) -> None:
    monkeypatch.setattr(sys, "stderr", stream())
    teller = Teller(quiet=False)
    teller.talk.say("1: Pulling from a")
    teller.talk.progress(500, 2000)
    teller.talk.progress(2000, 2000)
    teller.talk.say("abc: \x1b[31mdone")
    teller.talk.progress(3, 0)
    teller.close()
    teller.close()
    assert sys.stderr.getvalue() == said  # type: ignore[attr-defined]


def test_quiet_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    teller = Teller(quiet=True)
    teller.talk.say("x")
    teller.talk.progress(1, 2)
    teller.close()
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


def test_a_stderr_that_is_gone_ends_no_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    Teller(quiet=False).talk.say("x")
