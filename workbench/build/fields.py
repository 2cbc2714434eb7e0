"""`type=x,ref=y`: how the options that have parts of their own are written."""

from __future__ import annotations

from workbench.errors import UsageError


def read_fields(flag: str, text: str) -> dict[str, str]:
    """`type=x,ref=y` (comma-separated, quoted as in a CSV file). Raises UsageError."""
    import csv

    fields = {}
    for part in next(csv.reader([text]), []):
        name, separator, value = part.partition("=")
        if not separator:
            raise UsageError(f"{flag} {text!r}: {part!r} has no value", hint="Each part is NAME=VALUE.")
        fields[name.strip().lower()] = value
    return fields
