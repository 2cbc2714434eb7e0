"""The README's pictures are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.tui.pictures import FOLDER, PICTURES, draw

README = (REPOSITORY / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_is_what_the_screen_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    drawn = await draw(name, tmp_path)
    assert drawn == (FOLDER / f"{name}.svg").read_text(), "draw them again: python -m tests.tui.pictures"


def test_the_readme_shows_the_pictures_that_there_are() -> None:
    shown = re.findall(r"\(tests/pictures/(\w+)\.svg\)", README)
    assert sorted(shown) == sorted(PICTURES) == sorted(path.stem for path in FOLDER.glob("*.svg"))
