"""Opens the workbench on a recorded build and made-up images, to look at it without any engine.

    python tests/tui/look.py [genesis|failing|multistage|noisy|cached|cancelled] [--speed 1] [--files 100000]
    python tests/tui/look.py failing --shot /tmp/failing --size 80x24 --keys alt+3,j

With `--shot` nothing is opened: after the keys the screen is printed as text, and written as a picture (SVG).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conftest import REPOSITORY
from tests.tui.stage import images, make_app, recording, running, screen_text
from workbench.engines.replay import ReplayEngine
from workbench.tui.app import WorkbenchApp

DOCKERFILES = {
    "failing": 'FROM busybox\nWORKDIR /srv\nRUN echo "checking" && sleep 0.2 && exit 7\nCMD ["sh"]\n',
    "noisy": "FROM busybox\nRUN printf '[bold]not markup[/bold]'\nRUN i=0; while [ $i -lt 400 ]; do echo $i; done\n",
}


def make(name: str, speed: float, files: int, folder: Path) -> WorkbenchApp:
    """The app on a copy of a sample context with some files more."""
    context = shutil.copytree(REPOSITORY / "sample_contexts" / "genesis", folder / "genesis")
    if name in DOCKERFILES:
        (context / "Dockerfile").write_text(DOCKERFILES[name])
    (context / ".dockerignore").write_text("# what is installed, and what was logged\nnode_modules\n*.log\n!keep.log\n")
    (context / "src" / "[bold]markup").mkdir(parents=True)
    (context / "node_modules" / "left-pad").mkdir(parents=True)
    for path, size in {
        "src/app.py": 4000,
        "keep.log": 10,
        "build.log": 88_000,
        "node_modules/left-pad/a.js": 9,
    }.items():
        (context / path).write_bytes(b"x" * size)
    for number in range(files):
        place = context / "many" / f"{number // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").touch()
    return make_app(context, ReplayEngine(recording(name), images=images(), speed=speed))


async def shoot(app: WorkbenchApp, size: tuple[int, int], keys: list[str], picture: Path) -> None:
    """Presses the keys once the first build ended, then prints and draws the screen."""
    async with running(app, size) as pilot:
        for key in filter(None, keys):
            await pilot.press(key)
            await pilot.pause(0.3)
        await pilot.pause(0.5)
        print(screen_text(app))
        app.save_screenshot(str(picture.with_suffix(".svg")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", default="genesis")
    parser.add_argument("--speed", type=float, default=1.0, help="1 is as it was, 0 at once")
    parser.add_argument("--files", type=int, default=0, help="so many files more in the context")
    parser.add_argument("--shot", type=Path, help="where the picture goes")
    parser.add_argument("--size", default="140x45")
    parser.add_argument("--keys", default="", help="with commas between them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="workbench-look-") as folder:
        speed = 0.0 if args.shot else args.speed
        app = make(args.recording, speed, args.files, Path(folder))
        if args.shot is None:
            return int(app.run() or 0)
        columns, rows = map(int, args.size.split("x"))
        asyncio.run(shoot(app, (columns, rows), args.keys.split(","), args.shot))
    return 0


if __name__ == "__main__":
    sys.exit(main())
