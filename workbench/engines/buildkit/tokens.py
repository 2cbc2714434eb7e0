"""Bearer tokens of a registry: asked for with OAuth2's POST, and where the registry has none, with a GET.

Sources: distribution's "Token Authentication" and "Oauth2 Token Authentication"; containerd, remotes/docker/auth.
"""

from __future__ import annotations

import base64
import calendar
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from workbench.dataclass import dataclass
from workbench.engines.buildkit.credentials import Pair

_CLIENT = "workbench"
_LIFE = 60
"""Seconds that a token counts where the registry does not say."""
_PATIENCE = 20.0
_NO_POST = (401, 404, 405)
"""Answers by which registries say that they know GET alone (GCR 404, Artifactory 401, others 405)."""


class TokenRefused(Exception):
    """The registry gave no token. The text has no secret."""


@dataclass(frozen=True, slots=True)
class Token:
    """`seconds` is its life from `issued`, seconds since the epoch."""

    text: str
    seconds: int
    issued: int


def fetch_token(realm: str, service: str, scopes: tuple[str, ...], pair: Pair, now: float) -> Token:
    """A token for these scopes; `pair` is user and secret as Credentials has it, empty for an anonymous one. Blocks.

    Raises TokenRefused.
    """
    user, secret = pair
    if urllib.parse.urlsplit(realm).scheme not in ("http", "https"):
        raise TokenRefused(f"the registry names no address for tokens: {realm!r}")
    try:
        if not secret:
            return _read(_get(realm, service, scopes, ("", "")), now)
        try:
            return _read(_post(realm, service, scopes, pair), now)
        except urllib.error.HTTPError as error:
            if error.code not in _NO_POST or not user:
                raise
            return _read(_get(realm, service, scopes, pair), now)
    except urllib.error.HTTPError as error:
        raise TokenRefused(f"{realm} answers {error.code} {error.reason} to the wish for a token") from error
    except (OSError, ValueError) as error:
        raise TokenRefused(f"no token from {realm}: {getattr(error, 'reason', None) or error}") from error


def _post(realm: str, service: str, scopes: tuple[str, ...], pair: Pair) -> Any:
    user, secret = pair
    form = {"client_id": _CLIENT, "service": service, "scope": " ".join(scopes)}
    if user:
        form |= {"grant_type": "password", "username": user, "password": secret}
    else:
        form |= {"grant_type": "refresh_token", "refresh_token": secret}
    return _ask(urllib.request.Request(realm, urllib.parse.urlencode(form).encode()))


def _get(realm: str, service: str, scopes: tuple[str, ...], pair: Pair) -> Any:
    query = urllib.parse.urlencode([("service", service), *(("scope", scope) for scope in scopes)])
    request = urllib.request.Request(f"{realm}{'&' if '?' in realm else '?'}{query}")
    if pair[1]:
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(":".join(pair).encode()).decode())
    return _ask(request)


def _ask(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
        return json.loads(answer.read(1 << 20))


def _read(answer: Any, now: float) -> Token:
    text = answer.get("access_token") or answer.get("token") if isinstance(answer, dict) else None
    if not isinstance(text, str) or not text:
        raise ValueError("the answer has none")
    seconds = answer.get("expires_in")
    issued = int(now)
    if isinstance(stamp := answer.get("issued_at"), str):
        try:
            issued = calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))
        except ValueError:
            issued = int(now)
    return Token(text, seconds if isinstance(seconds, int) and seconds > 0 else _LIFE, issued)
