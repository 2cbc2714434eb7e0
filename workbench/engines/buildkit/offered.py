"""The one error that another way in is tried for."""

from __future__ import annotations

from workbench.errors import EngineUnavailable


class NotOffered(EngineUnavailable):
    """The engine answers, and has no such thing."""
