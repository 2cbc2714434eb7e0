"""`--secret`, read as docker buildx reads it. What a secret holds is in no error."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.build.fields import read_fields
from workbench.errors import UsageError

_SECRET_BOUND = 500 * 1024
"""Bytes of a secret (moby/buildkit, session/secrets: MaxSecretSize)."""


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
