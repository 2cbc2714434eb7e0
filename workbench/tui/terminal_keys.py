"""What terminals send for alt and a digit, read as that.

Textual reads `ESC 1` as the character that macOS has on option+1 (an inverted exclamation mark), for the sake of one
terminal; to everybody in xterm, tmux or screen it is alt+1, which leads to a panel.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

AltDigit = Enum("AltDigit", [(f"ALT_{digit}", f"alt+{digit}") for digit in range(10)])


def install() -> None:
    """Corrects Textual's table; doing it again changes nothing."""
    table = cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)
    for key in AltDigit:
        table[f"\x1b{key.value[-1]}"] = (key,)
