"""The context panel on 100,000 files: all of them shown, against the scan alone; and one changed file, to the screen.

Goals: at most 3 times the scan, and under 50 ms from the moment that the change is told, whether the file changed, came
or went. `at once` is the part in which no key is answered. Run it: python tests/bench/context_tree.py [--files N]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from scan import fill
from table import Row, human_seconds, print_table, seconds_of
from textual.app import App, ComposeResult

from workbench.context.ignore import load_rules
from workbench.context.scan import scan
from workbench.tui.widgets.context_model import Model
from workbench.tui.widgets.context_panel import ContextPanel

ROUNDS = 7
REST = 0.3
GOAL = 0.05
"""Seconds for one changed file."""


class Host(App[None]):
    """The panel alone; it says when it has drawn a model that was not drawn before."""

    def __init__(self, context: Path) -> None:
        super().__init__()
        self.panel = ContextPanel(context)
        self.drawn = asyncio.Event()
        self.model: Model | None = None

    def compose(self) -> ComposeResult:
        yield self.panel

    def on_mount(self) -> None:
        show = self.panel.context_tree.show_model
        self.longest = 0.0

        def shown(*args: object) -> None:
            start = time.perf_counter()
            show(*args)  # type: ignore[arg-type]
            self.longest = time.perf_counter() - start
            self.call_after_refresh(self.drawn.set)

        self.panel.context_tree.show_model = shown  # type: ignore[method-assign]

    async def rest(self) -> None:
        """What was begun has ended, as between two saves of a person."""
        await asyncio.sleep(REST)
        while any(worker.is_running for worker in self.workers):
            await asyncio.sleep(REST)

    async def seconds(self, changed: str = "") -> tuple[float, float]:
        """From the telling to the drawing: wall time, and time of the processor."""
        self.drawn.clear()
        start, used = time.perf_counter(), time.process_time()
        if changed:
            self.panel.follow({changed})
        else:
            self.panel.look("Dockerfile")
        await self.drawn.wait()
        return time.perf_counter() - start, time.process_time() - used


def change(file: Path, what: str, number: int) -> None:
    if what == "gone":
        file.unlink()
    else:
        file.write_bytes(b"x" * (number + 1))


async def measure(context: Path, files: int) -> None:
    app = Host(context)
    whole, bare = [], []
    times: dict[str, list[tuple[float, float, float]]] = {}
    async with app.run_test(size=(140, 45)):
        for _ in range(ROUNDS):
            await app.rest()
            bare.append(await asyncio.to_thread(seconds_of, lambda: scan(context, load_rules(context)).sent_bytes))
            await app.rest()
            whole.append((await app.seconds())[0])
        for state in ("closed", "open"):
            app.panel.context_tree._open = set() if state == "closed" else {it.name for it in context.glob("d*")}
            app.panel.context_tree._flatten()
            for number in range(ROUNDS):
                for what, name in (("changed", "d050/f500.py"), ("came", "d050/new.py"), ("gone", "d050/new.py")):
                    change(context / name, what, number)
                    await app.rest()
                    times.setdefault(f"{what}, folders {state}", []).append((*await app.seconds(name), app.longest))
    row = Row("shown / scanned", statistics.median(whole), statistics.median(bare), 3)
    print_table(f"The context panel, {files:,} files, median of {ROUNDS}", [row])
    print(f"One file, told to drawn, median of {ROUNDS}; goal {human_seconds(GOAL)}")
    for name, triples in times.items():
        taken, used, at_once = (statistics.median(column) for column in zip(*triples, strict=True))
        met = "met" if taken < GOAL else "NOT MET"
        cells = (
            f"{human_seconds(taken):>9}",
            f"processor {human_seconds(used):>9}",
            f"at once {human_seconds(at_once):>9}",
        )
        print(f"  {name:<24} {'   '.join(cells)}   {met}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        fill(context, options.files)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        asyncio.run(measure(context, options.files))


if __name__ == "__main__":
    main()
