"""The folder outside that no attack may read or change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from attack_tools import SECRET, Outside, snapshot

from workbench.engines.embedded.view import ImageView

_AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="without root there is one way into a sandbox")


@pytest.fixture(params=["started", pytest.param("entered", marks=[pytest.mark.slow, _AS_ROOT])])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How a command comes into its sandbox: it is started by bwrap, or, where the image has programs that give rights,
    by what enters it."""
    if request.param == "entered":
        monkeypatch.setattr(ImageView, "gives_rights", True)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    folder = tmp_path / "outside"
    (folder / "folder").mkdir(parents=True)
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "folder" / "kept").write_text("kept\n")
    there = Outside(folder, snapshot(folder), [tmp_path / "store"])
    yield there
    there.check()
