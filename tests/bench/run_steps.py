"""What a RUN costs beside its command: the embedded engine, in process, against Docker's classic builder and BuildKit.

Per step, it is what ten more RUN steps without cache cost, a tenth of it: process starts and the ends of a build are
in neither side. Goals: at most 1/25 of the classic builder, at most 1/8 of BuildKit.
Run it: python tests/bench/run_steps.py
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from rivals import BASE, TAG, among_rivals, make_base
from table import Row, medians_of, print_table

from workbench.build.events import BuildFinished
from workbench.build.request import BuildRequest
from workbench.engines.embedded.engine import EmbeddedEngine

RUNS = 5
FEW, MANY = 2, 12
GOALS = {"classic": 1 / 25, "BuildKit": 1 / 8}


def context_of(folder: Path, steps: int) -> Path:
    context = folder / f"context-{steps}"
    context.mkdir()
    lines = "".join(f"RUN echo {number} > /file{number}\n" for number in range(steps))
    (context / "Dockerfile").write_text(f"FROM {BASE}\n{lines}")
    return context


async def build(engine: EmbeddedEngine, context: Path) -> None:
    async for event in engine.build(BuildRequest(context=context, tags=(TAG,), no_cache=True)):
        if isinstance(event, BuildFinished) and event.outcome != "succeeded":
            sys.exit(f"the build failed: {event.error}")


def main() -> None:
    """Prints the table."""
    with among_rivals() as (folder, others):
        archive = make_base(folder)
        few, many = (context_of(folder, steps) for steps in (FEW, MANY))
        engine = EmbeddedEngine(folder / "store")
        asyncio.run(engine.images.load(archive))
        rows = []
        for rival in others:
            rival.load(archive)
            small, large = (
                medians_of(
                    lambda context=context: asyncio.run(build(engine, context)),  # type: ignore[misc]
                    lambda context=context, rival=rival: rival.build(context, "--no-cache"),  # type: ignore[misc]
                    RUNS,
                )
                for context in (few, many)
            )
            ours, theirs = ((more - less) / (MANY - FEW) for less, more in zip(small, large, strict=True))
            rows.append(Row(f"a RUN step / {rival.name}", ours, theirs, GOALS[rival.name]))
        print_table("RUN", rows)


if __name__ == "__main__":
    main()
