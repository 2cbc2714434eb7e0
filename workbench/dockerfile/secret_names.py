"""Which names speak of a secret, as BuildKit's rule SecretsUsedInArgOrEnv reads them."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_HARMLESS = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """`NPM_TOKEN` is one, `TOKEN_FILE` and `PUBLIC_KEY` are not."""
    return _SECRET.search(name) is not None and _HARMLESS.search(name) is None
