"""What terminals send for alt and a digit, and for alt and enter, read as that.

Textual reads `ESC 1` as the character that macOS has on option+1 (an inverted exclamation mark), for the sake of one
terminal; to everybody in xterm, tmux or screen it is alt+1, which leads to a panel. `ESC CR` it does not know at all;
of `ESC .` and `ESC ,` it forgets the alt.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS


class _Key(NamedTuple):
    """As much of `textual.keys.Keys` as the parser looks at."""

    value: str


def install() -> None:
    """Corrects Textual's table; doing it again changes nothing."""
    table = cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)
    for digit in "0123456789":
        table[f"\x1b{digit}"] = (_Key(f"alt+{digit}"),)
    for sign, name in {".": "full_stop", ",": "comma"}.items():
        table[f"\x1b{sign}"] = (_Key(f"alt+{name}"),)
    table["\x1b\r"] = (_Key("alt+enter"),)
