"""The one composition root: flags, engine choice, terminal UI or headless command."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    raise NotImplementedError
