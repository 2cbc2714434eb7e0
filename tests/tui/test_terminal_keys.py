"""The bytes that terminals send for alt and a digit or enter."""

from __future__ import annotations

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from workbench.tui import terminal_keys


@pytest.mark.parametrize("digit", "1234567890")
def test_escape_and_a_digit_is_alt_and_that_digit(digit: str) -> None:
    terminal_keys.install()
    keys = [it for it in XTermParser().feed(f"\x1b{digit}") if isinstance(it, events.Key)]
    assert [(it.key, it.character) for it in keys] == [(f"alt+{digit}", None)]


@pytest.mark.parametrize("sent", ["\x1b\r", "\x1b[13;3u"])
def test_escape_and_return_is_alt_and_enter(sent: str) -> None:
    terminal_keys.install()
    keys = [it for it in XTermParser().feed(f"{sent}x") if isinstance(it, events.Key)]
    assert [it.key for it in keys] == ["alt+enter", "x"]


@pytest.mark.parametrize(("sent", "key"), [("\x1b.", "alt+full_stop"), ("\x1b,", "alt+comma")])
def test_escape_and_a_sign_is_alt_and_that_sign(sent: str, key: str) -> None:
    terminal_keys.install()
    assert [it.key for it in XTermParser().feed(f"{sent}x") if isinstance(it, events.Key)] == [key, "x"]
