"""The text of a log: whole, whatever the pieces, in memory and beyond it on disk."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from workbench.build.log_text import CHUNK, LogText, Spill

ODD = "\u4e16\U0001f600\udcff\ud800\u2028\r\n"


def descriptors_named(folder: Path) -> list[int]:
    """Open files of this process that are or were in the folder."""
    own = Path("/proc/self/fd")
    found = []
    for it in own.iterdir():
        try:
            if str(folder) in os.readlink(it):
                found.append(int(it.name))
        except OSError:
            continue  # the descriptor of the listing itself
    return found


def test_a_log_gives_each_piece_once() -> None:
    log = LogText()
    shown, seen = "", 0
    for piece in ("one\n", "tw", "o\nthree"):
        log.append(piece)
        shown += log.since(seen)
        seen = log.total
    assert shown == str(log) == "one\ntwo\nthree"
    assert log.since(seen) == "" == log.read(5, 5)


@pytest.mark.parametrize("bound", [0, 3 * CHUNK, 100 * CHUNK])
def test_text_of_any_pieces_is_whole_in_memory_and_on_disk(
    bound: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.build.log_text.state_dir", lambda: tmp_path / "state")
    spill = Spill(bound)
    logs, wholes, dice = (LogText(spill), LogText(spill)), ["", ""], random.Random(7)
    for _ in range(60):
        which = dice.randrange(2)
        piece = dice.choice(("x", ODD, "word\n")) * dice.choice((1, 7, 5_000, 30_000))
        logs[which].append(piece)
        wholes[which] += piece
    spill.settle()
    for log, whole in zip(logs, wholes, strict=True):
        assert log.total == len(whole) and str(log) == whole
        for _ in range(50):
            start = dice.randrange(len(whole))
            end = start + dice.choice((1, 100, 3 * CHUNK))
            assert log.read(start, end) == whole[start:end]
    assert bool(spill.on_disk) == (bound < 100 * CHUNK)
    bytes_of_all = sum(len(whole.encode("utf-8", "surrogatepass")) for whole in wholes)
    assert bytes_of_all - spill.on_disk < bound + 2 * CHUNK * 4 or not spill.on_disk


def test_what_is_on_disk_is_for_nobody_else_and_gone_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.build.log_text.state_dir", lambda: tmp_path)
    spill = Spill(0)
    log = LogText(spill)
    log.append("secret\n" * CHUNK)
    spill.settle()
    assert spill.on_disk > CHUNK
    (descriptor,) = descriptors_named(tmp_path)
    assert os.fstat(descriptor).st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [], "it has no name"
    del log, spill
    assert descriptors_named(tmp_path) == []


def test_a_disk_that_takes_nothing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("workbench.build.log_text.state_dir", lambda: tmp_path / "file" / "state")
    spill = Spill(0)
    log = LogText(spill)
    for number in range(3):
        log.append(f"{number}" * CHUNK)
        spill.settle()
    assert spill.on_disk == 0
    assert str(log) == "0" * CHUNK + "1" * CHUNK + "2" * CHUNK
