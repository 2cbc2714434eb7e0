"""The images panel with 10,000 images against ten: the first page, a key of the filter, a sort, the cursor.

Goal: the first page as fast as with ten; a filter key under 30 ms ("theirs" is the bound then). Run it:
python tests/bench/images_panel.py
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from table import Row, medians_of, print_table, seconds_of
from textual.app import App, ComposeResult

from workbench.build.images import Image
from workbench.tui.widgets.image_rows import rows_of
from workbench.tui.widgets.images_panel import ImagesPanel

_KEY = 0.030
_RUNS = 9


def images(count: int) -> list[Image]:
    now = time.time()
    return [
        Image(
            f"sha256:{number * 2654435761 % 2**256:064x}",
            tags=(f"registry.lan:5000/team{number % 37}/app{number}:v{number % 9}",),
            created=now - number * 61, size=number * 1009 % 900_000_000,
        )
        for number in range(count)
    ]  # fmt: skip


class Bare(App[None]):
    def compose(self) -> ComposeResult:
        yield ImagesPanel()


def shown(app: Bare, what: Callable[[], object]) -> None:
    """Does it, and draws what is on the screen then."""
    panel = app.query_one(ImagesPanel)
    what()
    for line in range(panel.size.height):
        panel.render_line(line)


async def measure() -> list[Row]:
    many, few, rows = images(10_000), images(10), []
    app = Bare()
    async with app.run_test(size=(140, 45)) as pilot:
        panel = app.query_one(ImagesPanel)
        panel.focus()
        now = time.time()

        def first(images: list[Image]) -> None:
            panel._listed = False  # as a panel that was never shown any
            panel.show(images, now)

        ours, theirs = medians_of(
            lambda: shown(app, lambda: first(many)), lambda: shown(app, lambda: first(few)), _RUNS
        )
        rows.append(Row("first page, 10,000 (40 rows) against 10", ours, theirs, 4.0))
        ours, theirs = medians_of(
            lambda: shown(app, lambda: first(many)), lambda: shown(app, lambda: first(many[:40])), _RUNS
        )
        rows.append(Row("first page, 10,000 against 40: as many rows drawn", ours, theirs, 1.1))
        ours, _ = medians_of(lambda: shown(app, lambda: panel.show(many, now)), lambda: None, _RUNS)
        rows.append(Row("the list again, all of it (theirs: 30 ms)", ours, _KEY, 1.0))
        ours, _ = medians_of(lambda: rows_of(many), lambda: None, _RUNS)
        rows.append(Row("of that: the rows alone", ours, _KEY, 1.0))
        panel.show(many, now)
        await pilot.pause()
        for text in ("a", "ap", "app", "app9", "app99", "team3 v1"):
            times = sorted(seconds_of(lambda text=text: shown(app, lambda: panel.typed(text))) for _ in range(_RUNS))  # type: ignore[misc]
            rows.append(Row(f"filter “{text}” (theirs: 30 ms)", times[_RUNS // 2], _KEY, 1.0))
        panel.typed("")
        ours, _ = medians_of(lambda: shown(app, panel.action_sort), lambda: None, _RUNS)
        rows.append(Row("sort (theirs: 30 ms)", ours, _KEY, 1.0))
        ours, _ = medians_of(lambda: shown(app, lambda: panel.action_move(1)), lambda: None, _RUNS)
        rows.append(Row("cursor down (theirs: 30 ms)", ours, _KEY, 1.0))
    return rows


if __name__ == "__main__":
    print_table("images panel, 10,000 images", asyncio.run(measure()))
