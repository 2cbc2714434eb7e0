"""One repository of a registry: requests that are authorised, tried again where that helps, and refused in words."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Mapping

from workbench.build.text import clean
from workbench.dataclass import dataclass
from workbench.engines.embedded.registry.auth import Authorisation
from workbench.engines.embedded.registry.credentials import Credentials, credentials_for
from workbench.engines.embedded.registry.dial import Address, Unreachable, address_of
from workbench.engines.embedded.registry.reference import Reference
from workbench.engines.embedded.registry.retry import ATTEMPTS, TRANSIENT, delay, pause, too_long
from workbench.engines.embedded.registry.settings import Registries, api_host, is_loopback
from workbench.engines.embedded.registry.transport import PATIENCE, Answer, Body, Broken, Transport
from workbench.engines.worker import Cancel
from workbench.errors import ImageError, ImageNotFound

_WORDS = 1 << 16


class NotReached(ImageError):
    """The registry could not be reached at all."""


class Refused(ImageError):
    """The registry answered with another status than it should. `wait` is its Retry-After."""

    def __init__(self, message: str, *, hint: str = "", status: int = 0, wait: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a request is tried, and how many seconds a silence may last."""

    attempts: int = ATTEMPTS
    connections: int = ATTEMPTS
    """How often where there is no connection."""
    patience: float = PATIENCE


USUAL = Limits()
FIRST = Limits(connections=1, patience=10.0)
"""For the first word with a registry: without a network it ends within seconds."""


class Access:
    """`with Access(...) as access`: requests to `/v2/REPOSITORY/...` of one host, from any number of threads."""

    def __init__(
        self, reference: Reference, host: str, settings: Registries, cancel: Cancel, *, push: bool = False,
        mount_from: str = "",
    ) -> None:  # fmt: skip
        self.reference = reference
        self.host = host
        self.shown = reference.domain if host == api_host(reference.domain) else host
        self.cancel = cancel
        self._settings = settings
        self._scheme = ""
        self._lock = threading.Lock()
        self._transport = Transport(cancel, verify=self._verify)
        actions = "pull,push" if push else "pull"
        scope = f"repository:{reference.repository}:{actions}"
        if mount_from:
            scope += f" repository:{mount_from}:pull"
        self._auth = Authorisation(
            self._transport, self.shown, self._credentials, scope, plain_allowed=self._plain_allowed
        )

    def _verify(self, address: Address) -> bool:
        return not (self._settings.is_insecure(address.netloc) or self._settings.is_insecure(_with_port(address)))

    def _plain_allowed(self, netloc: str) -> bool:
        return is_loopback(netloc) or self._settings.is_insecure(netloc)

    def _credentials(self) -> Credentials | None:
        return credentials_for(self.shown)

    # -- requests ------------------------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Body | None = None,
        expect: tuple[int, ...] = (200,), limits: Limits = USUAL, what: str = "",
    ) -> Answer:  # fmt: skip
        """An answer with an expected status; `path` is below `/v2/REPOSITORY/`, or a whole URL that the registry gave.

        Raises NotReached, ImageNotFound (404), ImageError for any other refusal; `what` says in it what was asked for.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._authorised(method, self.url(path, limits), headers or {}, body, limits)
            except Unreachable as error:
                if attempt >= limits.connections:
                    raise NotReached(f"{self.shown} could not be reached: {error}", hint=error.hint) from error
                pause(delay(attempt), self.cancel)
                continue
            except Broken as error:
                if attempt >= min(limits.attempts, limits.connections + 1):
                    raise NotReached(f"{self.shown} does not answer: {error}", hint=_LATER) from error
                pause(delay(attempt), self.cancel)
                continue
            if answer.status in expect:
                return answer
            with answer:
                asked = answer.headers.get("Retry-After") or ""
                if answer.status not in TRANSIENT or attempt >= limits.attempts or too_long(asked):
                    raise self._refusal(answer, what)
                wait = delay(attempt, asked)
            pause(wait, self.cancel)

    def url(self, path: str, limits: Limits = USUAL) -> str:
        """The whole address. Raises Unreachable where it is not yet known how the host is to be spoken to, and it
        does not answer."""
        if path.startswith(("http://", "https://")):
            return path
        base = f"{self._find_scheme(limits)}://{self.host}"
        return f"{base}{path}" if path.startswith("/") else f"{base}/v2/{self.reference.repository}/{path}"

    def at(self, answer: Answer, location: str) -> str:
        """A `Location` of an answer as a whole URL."""
        return urllib.parse.urljoin(answer.url, location)

    def _authorised(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, limits: Limits
    ) -> Answer:
        try:
            ours = address_of(url) == address_of(self.url("/", limits))
        except ValueError as error:
            raise Broken("it names an address that is no http(s) URL") from error
        for _ in range(3):
            sent = {**headers, **(self._auth.header() if ours else {})}
            answer = self._transport.send(method, url, sent, body, patience=limits.patience)
            if answer.status != 401 or not ours:
                return answer
            asked = answer.headers.get("WWW-Authenticate") or ""
            if not self._auth.answer(asked, sent, url):
                return answer
            answer.close()
        return answer

    def _find_scheme(self, limits: Limits) -> str:
        with self._lock:
            if not self._scheme:
                schemes = self._settings.schemes(self.host)
                self._scheme = schemes[0] if len(schemes) == 1 else self._probe(schemes, limits)
            return self._scheme

    def _probe(self, schemes: tuple[str, ...], limits: Limits) -> str:
        """The first scheme in which the host answers; a server for TLS answers plain HTTP with 400 or not at all."""
        problem: Exception | None = None
        for scheme in schemes:
            try:
                with self._transport.send("GET", f"{scheme}://{self.host}/v2/", {}, patience=limits.patience) as answer:
                    if scheme == "https" or answer.status != 400:
                        return scheme
            except Broken as error:
                problem = problem or Unreachable(str(error))
            except Unreachable as error:
                if isinstance(error.__cause__, ConnectionRefusedError) and is_loopback(self.host):
                    raise  # nobody there, in whatever language
                problem = error if problem is None or error.hint else problem
        if isinstance(problem, Unreachable):
            raise problem
        raise Unreachable("it speaks neither HTTP nor TLS")

    # -- refusals ------------------------------------------------------------------------------------------------

    def _refusal(self, answer: Answer, what: str) -> ImageError:
        what = what or self.reference.short
        said = self._said(answer)
        if answer.status == 404:
            return ImageNotFound(f"{self.shown} has no {what}{said}", hint="Check the name and the tag.")
        if answer.status in (401, 403):
            return Refused(
                f"{self.shown} refuses access to {what}, or has no such image{said}",
                hint=f"Check the name, or `docker login {self.shown}`.", status=answer.status,
            )  # fmt: skip
        if answer.status == 429:
            message = f"{self.shown} has had too many requests{said}"
        else:
            message = f"{self.shown} answers {answer.status} for {what}{said}"
        wait = answer.headers.get("Retry-After") or ""
        hint = f"It asks to wait for {too_long(wait):.0f} seconds." if too_long(wait) else _LATER
        return Refused(message, hint=hint, status=answer.status, wait=wait)

    def _said(self, answer: Answer) -> str:
        try:
            errors = json.loads(answer.read_all(_WORDS))["errors"]
            words = "; ".join(str(error.get("message") or error.get("code")) for error in errors)
        except (Broken, ValueError, KeyError, TypeError, AttributeError):
            return ""
        return f": {clean(self._auth.clean(words))[:200]}" if words else ""

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Access:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()


_LATER = "Try again later."


def _with_port(address: Address) -> str:
    return f"{address.host}:{address.port}"
