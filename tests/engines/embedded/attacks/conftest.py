"""The folder outside that no attack may read or change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attack_tools import SECRET, Outside, snapshot


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    folder = tmp_path / "outside"
    (folder / "folder").mkdir(parents=True)
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "folder" / "kept").write_text("kept\n")
    there = Outside(folder, snapshot(folder), [tmp_path / "store"])
    yield there
    there.check()
