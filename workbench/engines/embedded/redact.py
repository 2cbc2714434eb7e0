"""Keeps the secrets of a step out of its output."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workbench.build.events import Stream

MASK = "****"
_SHORTEST = 4
"""Characters: what is shorter would take innocent text with it."""
_LINE = 8
"""Characters from which on a line of a secret (of a key file) counts by itself."""


class Redacted:
    """A log that shows `****` in place of a secret, also where its text comes in pieces. `flush` it at the end."""

    def __init__(self, log: Callable[[str, Stream], None], secrets: Iterable[bytes]) -> None:
        self._log = log
        texts = [secret.decode("utf-8", "replace").strip() for secret in secrets]
        lines = [line.strip() for text in texts for line in text.splitlines() if len(line.strip()) >= _LINE]
        known = {text for text in (*texts, *lines) if len(text) >= _SHORTEST}
        self._secrets = sorted(known, key=len, reverse=True)
        self._held: dict[Stream, str] = {}

    def __call__(self, text: str, stream: Stream) -> None:
        text = self._held.pop(stream, "") + text
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        kept = max((self._begun(text, secret) for secret in self._secrets), default=0)
        if kept:
            self._held[stream] = text[-kept:]
            text = text[:-kept]
        if text:
            self._log(text, stream)

    @staticmethod
    def _begun(text: str, secret: str) -> int:
        """How many characters at the end of the text may be the beginning of the secret."""
        for size in range(min(len(text), len(secret) - 1), 0, -1):
            if secret.startswith(text[-size:]):
                return size
        return 0

    def flush(self) -> None:
        """What was held back and turned out to be nothing."""
        for stream, text in self._held.items():
            self._log(text, stream)
        self._held.clear()
