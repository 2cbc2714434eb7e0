"""Tokens, the proof of who may use a kept one, by the rules that buildx keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engines.buildkit.front import PASSWORD, USER, Front
from workbench.engines.buildkit import ed25519
from workbench.engines.buildkit.auth import Auth, token_seed
from workbench.engines.buildkit.credentials import Credentials
from workbench.engines.buildkit.messages import messages
from workbench.engines.buildkit.tokens import TokenRefused, fetch_token

VECTORS = [  # RFC 8032, section 7.1, tests 1 to 3
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
     "655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
     "b00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
     "c027beceea1ec40a"),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_signatures(seed: str, public: str, message: str, signature: str) -> None:
    assert ed25519.public_key(bytes.fromhex(seed)).hex() == public
    assert ed25519.sign(bytes.fromhex(seed), bytes.fromhex(message)).hex() == signature


class Call:
    """One unary call."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self.answer: Any = None

    async def recv_message(self) -> Any:
        return self._request

    async def send_message(self, answer: Any) -> None:
        self.answer = answer


async def ask(auth: Auth, name: str, **fields: Any) -> Any:
    call = Call(getattr(messages(), f"{name}Request")(**fields))
    await auth.handlers()[f"/moby.filesync.v1.Auth/{name}"].func(call)
    return call.answer


async def test_the_proof(tmp_path: Path) -> None:
    """The key is another for another salt, another registry, and for who has no password."""
    config = {"auths": {"r:1": {"username": "u", "password": "p"}, "r:2": {"username": "u", "password": "p"}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    auth = Auth(Credentials(tmp_path))
    keys = [
        (await ask(auth, "GetTokenAuthority", Host=host, Salt=salt)).PublicKey
        for host, salt in [("r:1", b"a"), ("r:1", b"a"), ("r:1", b"b"), ("r:2", b"a"), ("r:3", b"a"), ("r:4", b"a")]
    ]
    assert keys[0] == keys[1] and len(set(keys)) == 4
    assert keys[4] == keys[5], "without a password it is the salt's alone"
    signed = (await ask(auth, "VerifyTokenAuthority", Host="r:1", Salt=b"a", Payload=b"payload")).Signed
    assert len(signed) == 64 + len(b"payload") and signed.endswith(b"payload")
    assert (tmp_path / ".token_seed").stat().st_mode & 0o777 == 0o600
    assert token_seed(tmp_path, "r:1") == token_seed(tmp_path, "r:1") != token_seed(tmp_path, "r:2")


@pytest.mark.parametrize(("post", "asked"), [(True, ["POST"]), (False, ["POST", "GET"])])
def test_a_token(post: bool, asked: list[str]) -> None:
    front = Front("127.0.0.1:1", tokens=True, post=post)
    try:
        token = fetch_token(f"http://{front.host}/token", "door", ("repository:x:pull",), (USER, PASSWORD), 1000.0)
        assert token.text and token.seconds == (120 if post else 60)
        assert [method for method, _, _ in front.asked] == asked
        assert front.asked[-1][2] == ("repository:x:pull",)
        for pair in (("", ""), (USER, "wrong")):
            with pytest.raises(TokenRefused) as caught:
                fetch_token(f"http://{front.host}/token", "door", (), pair, 0.0)
            assert "wrong" not in str(caught.value)
    finally:
        front.close()
    with pytest.raises(TokenRefused, match="names no address"):
        fetch_token("file:///etc/passwd", "door", (), (USER, PASSWORD), 0.0)
