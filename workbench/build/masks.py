"""What of a request may be kept: names always, values unless they are, or may well be, secrets."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from workbench.build.request import BuildRequest

MASK = "***"
_NEVER = frozenset({"--secret", "--ssh"})
_SPEAKS = re.compile(r"pass|secret|token|key|cred|auth|private|pwd", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_SHORTEST = 4
"""A value shorter than this is not looked for in other texts: it would be found everywhere."""


def speaks_of_secret(name: str) -> bool:
    """Whether an argument or a label of that name may well hold a secret."""
    return _SPEAKS.search(name) is not None


class Masked:
    """Masks texts that belong to a build of `request`: called with a text it gives the text to keep."""

    def __init__(self, request: BuildRequest) -> None:
        self._request = request
        hidden = {
            value
            for pairs in (request.build_args, request.labels)
            for name, value in pairs.items()
            if value is not None and len(value) >= _SHORTEST and _SPEAKS.search(name)
        }
        self._hidden = re.compile("|".join(map(re.escape, sorted(hidden, key=len, reverse=True)))) if hidden else None

    def __call__(self, text: str) -> str:
        return text if self._hidden is None else self._hidden.sub(MASK, text)

    def settings(self) -> tuple[tuple[str, str], ...]:
        """(flag, value) for each option that was given; a flag that is given again is there again."""
        found: list[tuple[str, str]] = []
        used = set(self._request.options_used())
        for spec in dataclasses.fields(self._request):
            flag = spec.metadata.get("flag")
            if flag in used:
                found += [(flag, value) for value in self._values(flag, getattr(self._request, spec.name))]
        return tuple(found)

    def _values(self, flag: str, value: Any) -> list[str]:
        if flag in _NEVER:
            return [MASK] * len(value)
        if isinstance(value, Mapping):
            return [self._pair(str(name), it) for name, it in value.items()]
        if isinstance(value, tuple):
            return [self._plain(str(it)) for it in value]
        return [str(value).lower() if isinstance(value, bool) else self._plain(str(value))]

    def _pair(self, name: str, value: str | None) -> str:
        if value is None:
            return name
        return f"{name}={MASK if _SPEAKS.search(name) else self._plain(value)}"

    def _plain(self, value: str) -> str:
        return _USER.sub(MASK, self(value))
