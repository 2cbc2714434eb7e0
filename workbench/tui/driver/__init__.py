"""How the screen's bytes get to the terminal: a shadow of what it shows, and only the cells that changed are sent."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from textual.driver import Driver


_BROWSER = "textual.drivers.web_driver:WebDriver"
"""What textual-serve names as TEXTUAL_DRIVER."""


def in_browser(environment: Mapping[str, str]) -> bool:
    """Whether the screen goes to a browser, by way of textual-serve."""
    return environment.get("TEXTUAL_DRIVER") == _BROWSER


def has_signs() -> bool:
    """Whether this terminal has more signs than those of ASCII and lines: a console's font lacks the blocks of an
    eighth and what is printed on keys."""
    from workbench.tui.driver.dialect import Dialect, first_environment

    if in_browser(os.environ):
        return True
    dialect = Dialect.of(first_environment())
    return dialect.blocks and not dialect.ascii


def bars() -> str:
    """The characters of a sparkline that this terminal has."""
    from workbench.build.format import ASCII_BARS, BARS

    return BARS if has_signs() else ASCII_BARS


def choose() -> type[Driver] | None:
    """The driver for this terminal, or for a browser; None leaves it to Textual: by `WORKBENCH_DRIVER=stock` or
    `TEXTUAL_DRIVER`, on another system than Linux, and where there is no terminal."""
    if in_browser(os.environ):
        from workbench.tui.driver.browser import BrowserDriver

        return BrowserDriver
    if terminal() is None:
        return None
    from workbench.tui.driver.linux import ShadowDriver

    return ShadowDriver


def terminal() -> tuple[TextIO, TextIO] | None:
    """Where Textual reads keys and where it draws, if `choose` gives the driver of a terminal that is ours."""
    if os.environ.get("WORKBENCH_DRIVER") == "stock" or "TEXTUAL_DRIVER" in os.environ or sys.platform != "linux":
        return None
    keys, screen = sys.__stdin__, sys.__stderr__
    if keys is None or screen is None or keys.closed or screen.closed or not (keys.isatty() and screen.isatty()):
        return None
    return keys, screen
