"""`--secret` and `--ssh`, read as docker buildx reads them. What a secret holds is in no error."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import Unsupported, UsageError

_SECRET_BOUND = 500 * 1024
"""Bytes of a secret (moby/buildkit, session/secrets: MaxSecretSize)."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a build may see at its `RUN --mount=type=secret` and `type=ssh`, by ID."""

    values: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    agents: Mapping[str, Path] = field(default_factory=dict)
    """The sockets of ssh agents."""


def read_secrets(texts: tuple[str, ...]) -> dict[str, bytes]:
    """`--secret id=key,src=file` and `id=key,env=NAME`, read. Blocks. Raises UsageError, never with the secret."""
    secrets: dict[str, bytes] = {}
    for text in texts:
        fields = read_fields("--secret", text)
        name = fields.pop("id", "")
        kind = fields.pop("type", "")
        file = fields.pop("src", "") or fields.pop("source", "")
        variable = fields.pop("env", "") or (file if kind == "env" else "")
        if not name or fields or kind not in ("", "file", "env"):
            raise UsageError(f"{text!r} is not a secret", hint="It is id=NAME,src=FILE or id=NAME,env=VARIABLE.")
        if variable or (not file and kind != "file" and name in os.environ):
            value = os.environ.get(variable or name)
            if value is None:
                raise UsageError(f"--secret id={name}: there is no variable {variable or name} in the environment")
            data = value.encode("utf-8", "surrogateescape")
        else:
            try:
                data = Path(file or name).expanduser().read_bytes()
            except OSError as error:
                raise UsageError(f"--secret id={name}: {file or name}: {error.strerror}") from error
        if len(data) > _SECRET_BOUND:
            raise UsageError(f"--secret id={name} is larger than BuildKit's {_SECRET_BOUND // 1024} kB")
        secrets[name] = data
    return secrets


def read_agents(texts: tuple[str, ...], *, engine: str) -> dict[str, Path]:
    """`--ssh default`, `--ssh ID=SOCKET`: the agents' sockets. Raises UsageError where one is not there, Unsupported
    for a key file, which only an agent can sign with."""
    agents: dict[str, Path] = {}
    for text in texts:
        name, _, place = text.partition("=")
        place = place or os.environ.get("SSH_AUTH_SOCK", "")
        if not name or name in agents:
            raise UsageError(f"--ssh {text!r} {'is given twice' if name else 'has no ID'}", hint="It is ID[=SOCKET].")
        if not place:
            raise UsageError(
                f"--ssh {text}: no ssh agent: SSH_AUTH_SOCK is not set",
                hint='Start one with `eval "$(ssh-agent)"` and give it a key with `ssh-add`, or name its socket.',
            )
        for part in place.split(","):
            _refuse_key(text, part, engine)
        agents[name] = Path(place).expanduser()
    return agents


def _refuse_key(text: str, place: str, engine: str) -> None:
    try:
        mode = Path(place).expanduser().stat().st_mode
    except OSError as error:
        raise UsageError(f"--ssh {text}: {place}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise Unsupported(
            f"--ssh {text}: {place} is a key file, no agent's socket", engine=engine,
            hint=f"Give the key to an agent with `ssh-add {place}`, then use `--ssh {text.partition('=')[0]}`.",
        )  # fmt: skip


def read_fields(flag: str, text: str) -> dict[str, str]:
    """`type=x,ref=y` (comma-separated, quoted as in a CSV file). Raises UsageError."""
    fields = {}
    for part in next(csv.reader([text]), []):
        name, separator, value = part.partition("=")
        if not separator:
            raise UsageError(f"{flag} {text!r}: {part!r} has no value", hint="Each part is NAME=VALUE.")
        fields[name.strip().lower()] = value
    return fields
