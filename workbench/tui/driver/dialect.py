"""What each kind of terminal knows, by TERM: the modes, colours and characters that may be sent to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from workbench.dataclass import dataclass
from workbench.tui.driver.signs import locale_is_utf8

_SEQUENCE: Final = re.compile(
    r"\x1b\[(?P<mark>[<=>?]?)(?P<parameters>[0-9:;]*)(?P<end>[ -/]*[@-~])|\x1b[\]P_^][^\x07\x1b]*(?:\x07|\x1b\\)"
)
_PLAIN_MODES: Final = frozenset({"1", "7", "25"})
_SCREEN_MODES: Final = _PLAIN_MODES | {"1000", "1002", "1003", "1006", "1015", "1049", "2004"}
_CLEAR: Final = "\x1b[m\x1b[H\x1b[2J"
_MONO: Final = frozenset({"", "0", "1", "4", "5", "7", "22", "24", "25", "27"})
"""What a VT220 does with SGR (VT220 Programmer Reference, chapter 4)."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """`modes` are the private modes that are sent; None is every one, and what else Textual asks a terminal."""

    modes: frozenset[str] | None = None
    colour: bool = True
    rich: bool = True
    """256 colours or more, where COLORTERM says so; else 16."""
    ascii: bool = False
    blocks: bool = True
    """Whether its font has blocks of an eighth."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Dialect:
        """The dialect of TERM in that environment, in the characters of its locale."""
        term = environment.get("TERM", "")
        ascii = not locale_is_utf8(environment)
        if re.match(r"vt[1-5]\d\d", term):
            return cls(_PLAIN_MODES, colour=False, rich=False, ascii=ascii)
        if term == "linux" or term.startswith("linux-"):
            return cls(_PLAIN_MODES, rich=False, ascii=ascii, blocks=False)
        if term == "screen" or term.startswith("screen."):
            return cls(_SCREEN_MODES, rich=False, ascii=ascii)
        return cls(_SCREEN_MODES if term.startswith("screen-") else None, ascii=ascii)

    @property
    def mouse(self) -> bool:
        """Whether it reports a mouse."""
        return self.modes is None or "1000" in self.modes

    def speak(self, out: str) -> str:
        """The same without what the terminal does not know. One without a second screen is cleared instead."""
        return out if self.modes is None else _SEQUENCE.sub(self._sequence, out)

    def _sequence(self, found: re.Match[str]) -> str:
        mark, parameters, end = found["mark"], found["parameters"], found["end"]
        if end is None:  # a title, a link, a clipboard: not for a console
            return found[0] if self.mouse else ""
        if mark:
            assert self.modes is not None
            if mark != "?" or end not in ("h", "l"):
                return ""
            if parameters == "1049" and "1049" not in self.modes:
                return _CLEAR
            kept = [mode for mode in parameters.split(";") if mode in self.modes]
            return f"\x1b[?{';'.join(kept)}{end}" if kept else ""
        if end != "m" or self.colour:
            return found[0]
        known = [code for code in _without_colours(parameters) if code in _MONO]
        return f"\x1b[{';'.join(known)}m" if known else ""


def _without_colours(parameters: str) -> list[str]:
    codes = iter(parameters.split(";"))
    kept = []
    for code in codes:
        if code in ("38", "48", "58"):
            for _ in range({"5": 1, "2": 3}.get(next(codes, ""), 0)):
                next(codes, None)
        else:
            kept.append(code)
    return kept


def first_environment() -> Mapping[str, str]:
    """The environment as it is, with the locale as the user has it: Python itself sets LC_CTYPE to C.UTF-8 where it
    is C (PEP 538), whatever the terminal is."""
    try:
        pairs = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return os.environ
    first = dict(os.fsdecode(pair).partition("=")[::2] for pair in pairs)
    given = {key: value for key, value in os.environ.items() if key != "LC_CTYPE"}
    return {**given, "LC_CTYPE": first.get("LC_CTYPE", "")}


def tell_textual(environment: MutableMapping[str, str]) -> None:
    """Makes Textual draw in the colours that the terminal has; before it is imported."""
    dialect = Dialect.of(environment)
    if not dialect.rich:
        environment.pop("COLORTERM", None)
    if not dialect.colour:
        environment["NO_COLOR"] = "1"
