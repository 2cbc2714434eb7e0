"""Unsaved text comes back exactly, only where it differs, and only to its owner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.build import recovery
from workbench.config import state_dir


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM scratch\n")
    return path


def kept() -> list[Path]:
    return list((state_dir() / "recovery").iterdir())


def test_what_was_put_aside_is_offered_with_its_time(dockerfile: Path) -> None:
    recovery.save(dockerfile, "FROM busybox\nRUN é 'x'\r\n")
    offer = recovery.offered(dockerfile)
    assert offer is not None
    assert offer.text == "FROM busybox\nRUN é 'x'\r\n"
    assert abs(offer.when - time.time()) < 60


def test_nothing_is_offered_where_nothing_was_put_aside(dockerfile: Path) -> None:
    assert recovery.offered(dockerfile) is None
    recovery.forget(dockerfile)


def test_text_that_is_on_disk_by_now_is_not_offered(dockerfile: Path) -> None:
    recovery.save(dockerfile, "FROM busybox\n")
    dockerfile.write_text("FROM busybox\n")
    assert recovery.offered(dockerfile) is None


def test_text_of_a_file_that_is_gone_is_offered(dockerfile: Path) -> None:
    recovery.save(dockerfile, "FROM busybox\n")
    dockerfile.unlink()
    offer = recovery.offered(dockerfile)
    assert offer is not None and offer.text == "FROM busybox\n"


def test_text_that_somebody_still_edits_is_not_offered_to_others(dockerfile: Path) -> None:
    code = (
        "import sys, pathlib; from workbench.build import recovery; "
        "recovery.save(pathlib.Path(sys.argv[1]), 'FROM busybox\\n'); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(dockerfile)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"\n"
        assert recovery.offered(dockerfile) is None
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        offer = recovery.offered(dockerfile)
        assert offer is not None and offer.text == "FROM busybox\n", "it is dead, and nobody has waited for it yet"
    assert recovery.offered(dockerfile) is not None


def test_text_of_an_earlier_version_is_offered(dockerfile: Path) -> None:
    recovery.save(dockerfile, "FROM busybox\n")
    (file,) = kept()
    content = json.loads(file.read_text())
    for process in (None, [], ["elsewhere", 1, "1"], [content["process"][0], 1, ""], "1"):
        file.write_text(json.dumps({**content, "process": process}))
        assert recovery.offered(dockerfile) is not None


def test_the_newest_text_counts_and_forgetting_ends_it(dockerfile: Path) -> None:
    recovery.save(dockerfile, "one")
    recovery.save(dockerfile, "two")
    assert len(kept()) == 1
    offer = recovery.offered(dockerfile)
    assert offer is not None and offer.text == "two"
    recovery.forget(dockerfile)
    assert recovery.offered(dockerfile) is None and kept() == []


def test_only_the_owner_reads_it(dockerfile: Path) -> None:
    recovery.save(dockerfile, "ARG token=secret")
    assert [path.stat().st_mode & 0o777 for path in kept()] == [0o600]


def test_a_link_to_the_folder_is_the_same_file(dockerfile: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(dockerfile.parent)
    recovery.save(link / "Dockerfile", "FROM busybox\n")
    assert recovery.offered(dockerfile) is not None


def test_names_and_text_that_are_not_utf8_come_back(tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/Docker\xff"))
    recovery.save(path, "LABEL x=\udcff")
    offer = recovery.offered(path)
    assert offer is not None and offer.text == "LABEL x=\udcff"


def test_a_damaged_recovery_file_is_none(dockerfile: Path) -> None:
    recovery.save(dockerfile, "FROM busybox\n")
    for damage in (b"", b"\xff", b"[]", b'{"text": 1}'):
        kept()[0].write_bytes(damage)
        assert recovery.offered(dockerfile) is None


def test_a_write_that_fails_leaves_the_one_before(dockerfile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recovery.save(dockerfile, "one")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        recovery.save(dockerfile, "two")
    offer = recovery.offered(dockerfile)
    assert offer is not None and offer.text == "one"
    assert len(kept()) == 1
