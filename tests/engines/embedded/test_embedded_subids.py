"""Without root, with a range of sub-UIDs: users in a RUN and owners in its layer, as root has them."""

from __future__ import annotations

import io
import json
import os
import pwd
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.conftest import missing
from workbench.engines.embedded.subids import enter_range, extents, find_range, has_range


def test_ranges_are_read_as_newuidmap_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_text("other:1:2000\nme:5:10\nme:100000:65536\n1001:300000:65536\nbad\nworse:x:y\n")
    assert find_range(file, "me", 7) == (100000, 65536)
    assert find_range(file, "nobody", 1001) == (300000, 65536)
    assert find_range(file, "nobody", 7) is None
    assert find_range(tmp_path / "missing", "me", 7) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="as root there is nothing to enter")
def test_root_enters_nothing() -> None:
    assert not enter_range()
    assert not has_range() or extents("uid") != [(0, 4294967295)]


@pytest.fixture
def ranged() -> None:
    if os.geteuid() == 0:
        pytest.skip("for an ordinary user")
    account = pwd.getpwuid(os.getuid())
    if shutil.which("newuidmap") is None or not find_range(Path("/etc/subuid"), account.pw_name, account.pw_uid):
        missing("no range of sub-UIDs: install uidmap, and give this user one in /etc/subuid and /etc/subgid")


def test_users_and_owners(ranged: None, tmp_path: Path, conformance: Path) -> None:
    """Built, saved, removed: nothing is left that the user could not remove."""
    store, context = tmp_path / "store", tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN mkdir /d && touch /d/f && chown 65:66 /d/f && chown 1000:1000 /d && chmod 700 /d\n"
        "VOLUME /v\nRUN ! rmdir /v 2>/dev/null && cp /bin/busybox /d/program && chmod 4755 /d/program\n"
        "USER 1000:1000\nRUN touch /d/mine && id -u && ! touch /root/x 2>/dev/null\n"
        "RUN grep NoNewPrivs /proc/self/status\n"
    )

    def workbench(*words: object) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "workbench", *map(str, words), "--engine", "embedded", "--root", store],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    workbench("load", "-q", "-i", conformance / "bases" / "busybox.tar")
    assert "sub-UIDs" in workbench("engines")
    said = workbench("build", "-t", "x", context)
    assert "\n1000\n" in said and "NoNewPrivs:\t0\n" in said  # a program may gain rights there
    archive = tmp_path / "x.tar"
    workbench("save", "-o", archive, "x")
    owners: dict[str, tuple[int, int]] = {}
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(tar.extractfile(layer).read())) as inner:  # type: ignore[union-attr]
                owners |= {info.name: (info.uid, info.gid) for info in inner}
    assert (owners["d"], owners["d/f"], owners["d/mine"]) == ((1000, 1000), (65, 66), (1000, 1000))
    assert {path.stat().st_uid for path in (store / "workbench" / "layers-subids").glob("*/root/d")} != {os.getuid()}
    workbench("rmi", "-f", "x")
    workbench("prune", "-af")
    assert not list((store / "workbench" / "layers-subids").glob("*/root/d"))
