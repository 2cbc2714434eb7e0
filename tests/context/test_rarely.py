"""What should rarely be sent is found, and what only looks like it is not; what is not sent is weighed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.context.ignore import IgnoreRules
from workbench.context.rarely import rarely_sent
from workbench.context.scan import Cancelled, scan
from workbench.context.weigh import Weigher

PEM = "-----BEGIN {}-----\nMIIB\n"


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_should_rarely_be_sent(tmp_path: Path) -> None:
    put(tmp_path, {
        ".git/HEAD": "x", "web/node_modules/a/b.js": "x", ".env": "A=1", ".env.example": "A=", "id_rsa": "key",
        "tls.pem": PEM.format("RSA PRIVATE KEY"), "chain.pem": PEM.format("CERTIFICATE"), "src/app.py": "x",
        "src/__pycache__/app.pyc": "x", "words.key": "",
    })  # fmt: skip
    with (tmp_path / "disk.img").open("wb") as file:
        file.truncate(100_000_001)
    found = {it.path: it.why for it in rarely_sent(scan(tmp_path, IgnoreRules()))}
    assert list(found) == [
        ".env", ".git", "disk.img", "id_rsa", "src/__pycache__", "tls.pem", "web/node_modules",
    ]  # fmt: skip
    assert found["tls.pem"] == found["id_rsa"] == "a private key"
    rules = IgnoreRules([".git", "**/node_modules", ".env", "id_rsa", "*.pem", "disk.img", "**/__pycache__"])
    assert list(rarely_sent(scan(tmp_path, rules))) == []


def test_a_key_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(PEM.format("PRIVATE KEY"))
    (tmp_path / "a.pem").symlink_to("other")
    assert list(rarely_sent(scan(tmp_path, IgnoreRules()))) == []


def test_closed_folders_are_weighed_and_remembered(tmp_path: Path) -> None:
    put(tmp_path, {"big/a": "12345", "big/deep/b": "123", "half/keep": "1", "half/no": "1", "sent/c": "1"})
    found = scan(tmp_path, IgnoreRules(["big", "half", "!half/keep"]))
    weigher = Weigher()
    weights = weigher.weigh(found, lambda: False)
    assert {path: (it.files, it.bytes) for path, it in weights.items()} == {"big": (2, 8)}
    os.truncate(tmp_path / "big" / "a", 100)
    assert weigher.weigh(found, lambda: False) == weights, "for a while"
    with pytest.raises(Cancelled):
        Weigher().weigh(found, lambda: True)
