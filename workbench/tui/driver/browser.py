"""Textual's driver for a browser, in which the page that is closed is a line that drops."""

from __future__ import annotations

import asyncio
import os
import signal

from textual.drivers.web_driver import WebDriver


class BrowserDriver(WebDriver):
    """Where Textual would end the app at once, the app ends as after a hangup: unsaved text is put aside, and a running
    build goes on or is cancelled as the configuration says."""

    def start_application_mode(self) -> None:
        super().start_application_mode()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _hang_up)

    def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
        """As Textual has it, but for the end."""
        if packet_type == "quit":
            _hang_up()
        else:
            super().on_meta(packet_type, payload)


def _hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)
