"""The bytes that terminals send for the keys of the workbench."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from tests.tui.stage import make_app, make_context, running
from workbench.tui import keys, terminal_keys


@pytest.mark.parametrize("sign", string.digits + string.ascii_lowercase)
def test_escape_and_a_sign_of_a_name_is_alt_and_that_sign_and_types_nothing(sign: str) -> None:
    terminal_keys.install()
    heard = [it for it in XTermParser().feed(f"\x1b{sign}") if isinstance(it, events.Key)]
    assert [(it.key, it.character) for it in heard] == [(f"alt+{sign}", None)]


def sent(key: str) -> str:
    """What xterm, tmux and screen send for a key, as Textual calls it."""
    *modifiers, name = key.split("+")
    modifier = 1 + 2 * ("alt" in modifiers) + 4 * ("ctrl" in modifiers)
    if name in _ARROWS:
        return f"\x1b[{_ARROWS[name]}" if modifier == 1 else f"\x1b[1;{modifier}{_ARROWS[name]}"
    if name in _NUMBERED:
        return f"\x1b[{_NUMBERED[name]}{'' if modifier == 1 else f';{modifier}'}~"
    sign = _SIGNS.get(name, name)
    if "ctrl" in modifiers:
        sign = chr(ord(sign.upper()) & 0x1F)
    return f"\x1b{sign}" if "alt" in modifiers else sign


_ARROWS = {"up": "A", "down": "B", "right": "C", "left": "D", "end": "F", "home": "H"}
_NUMBERED = {"delete": 3, "pageup": 5, "pagedown": 6} | {
    f"f{number}": code for number, code in enumerate((11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 23, 24), 1)
}
_SIGNS = {
    "enter": "\r", "escape": "\x1b", "tab": "\t", "backspace": "\x7f", "space": " ", "question_mark": "?", "slash": "/",
    "asterisk": "*", "ampersand": "&", "full_stop": ".", "comma": ",", "underscore": "_",
}  # fmt: skip


async def test_every_key_of_a_panel_is_what_terminals_send_for_it(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    async with running(app, built=False):
        owners = [app, *(widget for _, widgets in keys._panels(app) for widget in widgets)]
        wanted = {key for owner in owners for it in keys._bindings(owner) if it.id for key in it.key.split(",")}
    assert {"alt+b", "alt+f", "ctrl+pagedown", "f9", "asterisk"} <= wanted
    wrong = {}
    for key in sorted(wanted - {"escape"}):
        heard = [it.key for it in XTermParser().feed(f"{sent(key)}\r") if isinstance(it, events.Key)]
        if heard != [key, "enter"]:
            wrong[key] = heard
    assert wrong == {}
