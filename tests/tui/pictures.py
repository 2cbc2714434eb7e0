"""Draws the pictures of the README from recorded builds, so that they show the real screen.

    python -m tests.tui.pictures

writes `tests/pictures/*.svg`; a test holds them against what the screen shows.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.tui.stage import images, make_app, make_context, recording
from tests.tui.test_snapshots import TWO_WEEKS, settled
from workbench.engines.replay import ReplayEngine

FOLDER = REPOSITORY / "tests" / "pictures"
GENESIS = 'FROM scratch\nADD busybox.tar.xz /\nCMD ["sh"]\n'


@dataclass(frozen=True, slots=True)
class Picture:
    """A recorded build, the keys pressed after it, what is then on the screen, and the screen's columns and rows."""

    recording: str
    keys: tuple[str, ...] = ()
    shows: str = ""
    size: tuple[int, int] = (128, 34)
    dockerfile: str = GENESIS


PICTURES: Mapping[str, Picture] = {
    "built": Picture("genesis"),
    "failed": Picture(
        "failing",
        shows="no such tool",
        dockerfile='FROM busybox\nWORKDIR /srv\nRUN echo "checking" && sleep 0.2 && exit 7\nCMD ["sh"]\n',
    ),
    "delete": Picture("genesis", ("alt+4", "j", "d"), "Delete app", (100, 26)),
}


async def draw(name: str, home: Path) -> str:
    """The picture as SVG. `home` is an empty folder that HOME names; nothing else of the machine is in the picture."""
    picture = PICTURES[name]
    context = make_context(home / "lab" / "genesis", picture.dockerfile)
    events = recording(picture.recording)
    events[-1] = replace(events[-1], at=time.time() - TWO_WEEKS + 60)
    app = make_app(context, ReplayEngine(events, images=images(2)))
    async with app.run_test(size=picture.size) as pilot:
        await settled(*picture.keys, shows=picture.shows)(pilot)
        drawn = app.export_screenshot(title="workbench", simplify=True)
        assert app.live is not None
        await app.live.loop.stop()
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in PICTURES:
        with tempfile.TemporaryDirectory(prefix="workbench-pictures-") as home:
            os.environ["HOME"] = home
            (FOLDER / f"{name}.svg").write_text(asyncio.run(draw(name, Path(home))))
        print(f"tests/pictures/{name}.svg")


if __name__ == "__main__":
    main()
