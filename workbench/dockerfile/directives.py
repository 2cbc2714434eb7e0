"""Parser directives: `# syntax=`, `# escape=` and `# check=` on the very first lines."""

from __future__ import annotations

import re

from workbench.dockerfile.lexical import trim_left

DIRECTIVES = ("syntax", "escape", "check")

_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*\Z")


class DirectiveError(ValueError):
    """A directive given twice, or an escape character that is none."""


class Directives:
    """Reads directives line by line until the first line that is none; after that a directive is a plain comment."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.escape = "\\"
        self._done = False

    def read(self, line: str) -> bool:
        """Whether the line, without its leading spaces, is a directive. Raises DirectiveError."""
        if self._done:
            return False
        match = _DIRECTIVE.match(trim_left(line[1:])) if line.startswith("#") else None
        name = match[1].lower() if match else ""
        if match is None or name not in DIRECTIVES:
            self._done = True
            return False
        if name in self.found:
            raise DirectiveError(f"only one {name} parser directive can be used")
        self.found[name] = match[2]
        if name == "escape":
            if match[2] not in ("\\", "`"):
                raise DirectiveError(f"invalid escape token '{match[2]}' does not match ` or \\")
            self.escape = match[2]
        return True
