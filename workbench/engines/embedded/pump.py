"""What a command writes, as text, from its two pipes to a log."""

from __future__ import annotations

import codecs
import os
import selectors
from collections.abc import Callable

from workbench.build.events import Stream

_CHUNK = 1 << 16


def pump(stdout: int, stderr: int, log: Callable[[str, Stream], None]) -> None:
    """Hands on all output until both pipes are closed. Bytes that are not UTF-8 become U+FFFD."""
    make = codecs.getincrementaldecoder("utf-8")
    names: dict[int, Stream] = {stdout: "stdout", stderr: "stderr"}
    decoders = {descriptor: make(errors="replace") for descriptor in names}
    with selectors.DefaultSelector() as selector:
        for descriptor in names:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, _CHUNK)
                text = decoders[key.fd].decode(data, final=not data)
                if text:
                    log(text, names[key.fd])
                if not data:
                    selector.unregister(key.fd)
