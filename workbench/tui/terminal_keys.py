"""What terminals send for alt and a letter, a digit or enter, read as that.

Textual reads `ESC 1` as the character that macOS has on option+1 (an inverted exclamation mark), for the sake of one
terminal; to everybody in xterm, tmux or screen it is alt+1, which leads to a panel. So with `ESC b` and `ESC f`, which
it takes for a word to the left and to the right (ctrl and an arrow are that too). A letter it gives to an input line as
if it were typed without alt. `ESC CR` it does not know at all; of `ESC .` and `ESC ,` it forgets the alt.
"""

from __future__ import annotations

from string import ascii_lowercase, digits
from typing import Any, NamedTuple, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS


class _Key(NamedTuple):
    """As much of `textual.keys.Keys` as the parser looks at."""

    value: str


def install() -> None:
    """Corrects Textual's table; doing it again changes nothing."""
    table = cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)
    for sign in ascii_lowercase + digits:
        table[f"\x1b{sign}"] = (_Key(f"alt+{sign}"),)
    for sign, name in {".": "full_stop", ",": "comma"}.items():
        table[f"\x1b{sign}"] = (_Key(f"alt+{name}"),)
    table["\x1b\r"] = (_Key("alt+enter"),)
