"""What a registry wants to see before it answers: nothing, Basic, or a Bearer token that another server hands out.

Source: https://distribution.github.io/distribution/spec/auth/token/ and RFC 9110, 11.6.1 (WWW-Authenticate).
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping

from workbench.dataclass import dataclass
from workbench.engines.embedded.registry.credentials import Credentials
from workbench.engines.embedded.registry.dial import Unreachable, address_of
from workbench.engines.embedded.registry.transport import Broken, Transport
from workbench.errors import ImageError

_LONGEST = 1 << 20
_LIFETIME = 60.0
_EARLY = 5.0
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s+[\w-]+\s*=|\s*(?:,|$))")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in. `scheme` is in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def challenges(header: str) -> list[Challenge]:
    """The challenges of a `WWW-Authenticate` header, in its order."""
    starts = [match for match in _SCHEME.finditer(header) if not _quoted(header, match.start(1))]
    ends = [*(match.start() for match in starts[1:]), len(header)][: len(starts)]
    return [
        Challenge(
            start[1].lower(),
            {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare
                for name, quoted, bare in _PARAMETER.findall(header[start.end() : end])
            },
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def _quoted(header: str, place: int) -> bool:
    return len(re.findall(r'(?<!\\)"', header[:place])) % 2 == 1


class Authorisation:
    """The `Authorization` header for one repository of one registry. Safe to use from several threads."""

    def __init__(
        self, transport: Transport, host: str, credentials: Callable[[], Credentials | None], scope: str, *,
        plain_allowed: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._transport = transport
        self._host = host
        self._find = credentials
        self._scope = scope
        self._plain_allowed = plain_allowed
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        self._looked = False
        self._value = ""
        self._until = float("inf")
        self._challenge: Challenge | None = None

    def header(self) -> dict[str, str]:
        """For the next request; empty before a registry has asked."""
        with self._lock:
            if self._challenge is not None and time.monotonic() > self._until:
                self._get_token(self._challenge)
            return {"Authorization": self._value} if self._value else {}

    def answer(self, header: str, sent: Mapping[str, str], url: str) -> bool:
        """Makes ready what a 401 asks for. False where nothing more can be shown. Raises ImageError, UsageError."""
        with self._lock:
            if self._value and sent.get("Authorization") != self._value:
                return True  # another thread has it already
            known = challenges(header)
            bearer = next((one for one in known if one.scheme == "bearer" and "realm" in one.parameters), None)
            if bearer is not None:
                self._challenge = bearer
                self._get_token(bearer)
                return True
            who = self._who() if any(one.scheme == "basic" for one in known) else None
            if who is None or not who.password or self._value:
                return False
            self._guard(url)
            self._value = f"Basic {who.basic}"
            return True

    def clean(self, text: str) -> str:
        """A registry's words without any of the secrets that it was told."""
        secrets = list(self._credentials.secrets) if self._credentials is not None else []
        for secret in [*secrets, self._value.partition(" ")[2]]:
            if secret:
                text = text.replace(secret, "***")
        return text

    def _who(self) -> Credentials | None:
        if not self._looked:
            self._credentials = self._find()
            self._looked = True
        return self._credentials

    def _guard(self, url: str) -> None:
        address = address_of(url)
        if address.scheme != "https" and not self._plain_allowed(address.netloc):
            raise ImageError(
                f"{self._host} wants a password sent to {address.netloc} without encryption, which is refused",
                hint="A registry in your own network can be listed as insecure in the configuration.",
            )

    # -- tokens --------------------------------------------------------------------------------------------------

    def _get_token(self, challenge: Challenge) -> None:
        realm = challenge.parameters["realm"]
        who = self._who()
        try:
            if who is not None:
                self._guard(realm)
            status, data = self._ask(realm, challenge, who)
        except ValueError as error:
            raise ImageError(f"{self._host} names a token server that is no http(s) URL") from error
        except (Unreachable, Broken) as error:
            raise ImageError(f"the token server of {self._host} could not be reached: {error}") from error
        if status in (401, 403):
            raise ImageError(
                f"{self._host} refuses the login" if who else f"{self._host} wants a login",
                hint=f"`docker login {self._host}` puts one into ~/.docker/config.json.",
            )
        if status != 200:
            raise ImageError(f"the token server of {self._host} answers {status}", hint="Try again later.")
        self._take_token(data)

    def _ask(self, realm: str, challenge: Challenge, who: Credentials | None) -> tuple[int, bytes]:
        fields = {"service": challenge.parameters.get("service", ""), "scope": self._scope}
        fields = {name: value for name, value in fields.items() if value}
        if who is not None and who.identity_token:
            form = {**fields, "grant_type": "refresh_token", "refresh_token": who.identity_token,
                    "client_id": "workbench"}  # fmt: skip
            body = urllib.parse.urlencode(form).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
            with self._transport.send("POST", realm, headers, lambda: [body]) as answer:
                return answer.status, answer.read_all(_LONGEST)
        headers = {}
        if who is not None:
            fields["account"] = who.user
            headers["Authorization"] = f"Basic {who.basic}"
        mark = "&" if "?" in realm else "?"
        with self._transport.send("GET", realm + mark + urllib.parse.urlencode(fields), headers) as answer:
            return answer.status, answer.read_all(_LONGEST)

    def _take_token(self, data: bytes) -> None:
        try:
            said = json.loads(data)
            token = str(said.get("token") or said.get("access_token") or "")
            lifetime = float(said.get("expires_in") or _LIFETIME)
        except (ValueError, TypeError, AttributeError):
            token = ""
        if not token or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ImageError(f"the token server of {self._host} gives no token")
        self._value = f"Bearer {token}"
        self._until = time.monotonic() + max(lifetime - _EARLY, lifetime / 2)
