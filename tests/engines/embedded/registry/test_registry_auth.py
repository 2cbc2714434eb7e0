"""Logins: Docker's file, credential stores, Basic, tokens; and that no secret is ever seen."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_registry import Fake, Request, fake_registry
from test_registry_transfer import get, login

from workbench.engines.embedded.registry.auth import challenges
from workbench.engines.embedded.registry.credentials import Credentials, credentials_for
from workbench.engines.embedded.store import Store
from workbench.errors import ImageError, UsageError

SECRET = "0pen-Sesame"


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fake_registry() as fake:
        yield fake


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('Bearer realm="https://a/token",service="s",scope="repository:x:pull,push"',
         [("bearer", {"realm": "https://a/token", "service": "s", "scope": "repository:x:pull,push"})]),
        ('Basic realm="say \\"x\\", Bearer y"', [("basic", {"realm": 'say "x", Bearer y'})]),
        ('Negotiate, Basic realm=x', [("negotiate", {}), ("basic", {"realm": "x"})]),
        ('basic realm="a", Bearer realm="b"', [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})]),
        ("", []),
    ],
)  # fmt: skip
def test_challenges(header: str, wanted: list[tuple[str, dict[str, str]]]) -> None:
    assert [(one.scheme, dict(one.parameters)) for one in challenges(header)] == wanted


# -- the file ------------------------------------------------------------------------------------------------------


def packed(user: str = "ali", password: str = SECRET) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("key", "domain"),
    [("r.example", "r.example"), ("https://r.example/v1/", "r.example"), ("r.example:5000", "r.example:5000"),
     ("https://index.docker.io/v1/", "docker.io")],
)  # fmt: skip
def test_a_login_in_the_file(config: Path, key: str, domain: str) -> None:
    config.write_text(json.dumps({"auths": {"other": {"auth": packed("no", "no")}, key: {"auth": packed()}}}))
    assert credentials_for(domain, config) == Credentials("ali", SECRET)
    assert credentials_for("elsewhere.example", config) is None


def test_no_file_is_anonymous(tmp_path: Path) -> None:
    assert credentials_for("r.example", tmp_path / "none.json") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"auths": {"r": {"auth": "' + SECRET + '"}}}', "not base64"), ('{"auths": "x"}', "auths is not"),
     ('{"auths": {"r": "' + SECRET + '"}}', "not a JSON object"), (SECRET, "not JSON"), ("[]", "not a JSON object"),
     ('{"credsStore": "nosuch"}', "no docker-credential-nosuch"), ('{"credsStore": "../x"}', "no docker-credential-")],
)  # fmt: skip
def test_a_file_that_is_none(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        credentials_for("r", config)
    assert SECRET not in str(caught.value) + caught.value.hint and caught.value.__cause__ is None


def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    script_file = folder / "docker-credential-test"
    script_file.write_text(f"#!/bin/sh\n{script}\n")
    script_file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize("setting", [{"credsStore": "test"}, {"credHelpers": {"r.example": "test"}}])
def test_a_program(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, object]) -> None:
    said = json.dumps({"ServerURL": "r.example", "Username": "ali", "Secret": SECRET})
    program(tmp_path, monkeypatch, f'[ "$1" = get ] && [ "$(cat)" = r.example ] && echo \'{said}\'')
    config.write_text(json.dumps(setting))
    assert credentials_for("r.example", config) == Credentials("ali", SECRET)


def test_a_program_with_an_identity_token(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, f"""echo '{{"Username": "<token>", "Secret": "{SECRET}"}}'""")
    config.write_text('{"credsStore": "test"}')
    assert credentials_for("r.example", config) == Credentials(identity_token=SECRET)


def test_a_program_that_has_nothing_leaves_the_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, "echo credentials not found in native keychain; exit 1")
    config.write_text(json.dumps({"credsStore": "test", "auths": {"r.example": {"auth": packed()}}}))
    assert credentials_for("r.example", config) == Credentials("ali", SECRET)


@pytest.mark.parametrize("script", [f"echo {SECRET}; exit 3", f"echo {SECRET}"])
def test_a_program_that_fails(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program(tmp_path, monkeypatch, script)
    config.write_text('{"credsStore": "test"}')
    with pytest.raises(UsageError, match="docker-credential-test") as caught:
        credentials_for("r.example", config)
    assert SECRET not in str(caught.value) + caught.value.hint


def test_credentials_do_not_show_themselves() -> None:
    assert SECRET not in repr(Credentials("ali", SECRET, SECRET))


# -- tokens --------------------------------------------------------------------------------------------------------


def bearer(fake: Fake, *, good: str = "good-token", status: int = 200, expires: float = 300) -> list[Request]:
    """Makes the registry want a token of its own token server; what that was asked."""
    seen: list[Request] = []

    def rule(request: Request) -> bool:
        if request.path.startswith("/token"):
            seen.append(request)
            request.reply(status, json.dumps({"access_token": good, "expires_in": expires}).encode())
            return True
        if request.headers.get("Authorization") != f"Bearer {good}":
            realm = f'Bearer realm="http://{fake.host}/token",service="test",scope="ignored"'
            request.reply(401, WWW_Authenticate=realm)
            return True
        return False

    fake.rules.append(rule)
    return seen


def test_an_anonymous_token(store: Store, fake: Fake) -> None:
    identifier = fake.image(b"x")
    seen = bearer(fake)
    assert get(store, fake) == identifier
    assert len(seen) == 1 and "Authorization" not in seen[0].headers
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(seen[0].path).query)
    assert query == {"service": ["test"], "scope": ["repository:a/x:pull"]}


def test_a_token_for_a_login(store: Store, fake: Fake, tmp_path: Path) -> None:
    fake.image(b"x")
    login(tmp_path, fake.host)
    seen = bearer(fake)
    get(store, fake)
    assert seen[0].headers["Authorization"] == f"Basic {packed('ali', 'opensesame')}"
    assert "account=ali" in seen[0].path and "opensesame" not in seen[0].path


def test_an_identity_token_is_posted(store: Store, fake: Fake, tmp_path: Path) -> None:
    fake.image(b"x")
    path = tmp_path / "home" / ".docker" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"auths": {fake.host: {"identitytoken": SECRET}}}))
    seen = bearer(fake)
    get(store, fake)
    assert seen[0].command == "POST" and SECRET not in seen[0].path
    form = urllib.parse.parse_qs(seen[0].body.decode())
    assert form["grant_type"] == ["refresh_token"] and form["refresh_token"] == [SECRET]


def test_a_token_that_ends_is_asked_for_again(store: Store, fake: Fake) -> None:
    identifier = fake.image(b"x")
    seen = bearer(fake, expires=1e-9)
    assert get(store, fake) == identifier
    assert len(seen) > 1


@pytest.mark.parametrize(("status", "said"), [(401, "wants a login"), (500, "answers 500")])
def test_a_token_server_that_refuses(store: Store, fake: Fake, status: int, said: str) -> None:
    bearer(fake, status=status)
    with pytest.raises(ImageError, match=said):
        get(store, fake)


def test_a_token_that_does_not_help(store: Store, fake: Fake) -> None:
    def rule(request: Request) -> bool:
        if request.path.startswith("/token"):
            request.reply(200, b'{"token": "useless"}')
        else:
            request.reply(401, WWW_Authenticate=f'Bearer realm="http://{fake.host}/token"')
        return True

    fake.rules.append(rule)
    with pytest.raises(ImageError, match="refuses access"):
        get(store, fake)
    assert len(fake.asked) < 10


def test_a_registry_that_repeats_a_secret(store: Store, fake: Fake, tmp_path: Path) -> None:
    login(tmp_path, fake.host)

    def rule(request: Request) -> bool:
        sent = request.headers.get("Authorization", "")
        if not sent:
            request.reply(401, WWW_Authenticate='Basic realm="x"')
        else:
            words = f"you said {sent}, which is opensesame \x1b[31m"
            request.reply(403, json.dumps({"errors": [{"message": words}]}).encode())
        return True

    fake.rules.append(rule)
    with pytest.raises(ImageError, match="you said Basic") as caught:
        get(store, fake)
    said = str(caught.value)
    assert "opensesame" not in said and packed("ali", "opensesame") not in said and "\x1b" not in said


def test_a_password_does_not_go_over_plain_http_to_elsewhere(store: Store, fake: Fake, tmp_path: Path) -> None:
    login(tmp_path, fake.host)
    realm = 'Bearer realm="http://token.example/token"'
    fake.rules.append(lambda it: not it.reply(401, WWW_Authenticate=realm))
    with pytest.raises(ImageError, match="without encryption"):
        get(store, fake)
