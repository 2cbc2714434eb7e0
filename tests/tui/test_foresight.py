"""The forecast beside the text: what the next build will reuse, and why not, before there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tui.stage import make_app, running, until
from workbench.build.change import Change
from workbench.build.forecast import Forecast, StepForecast
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.tui.app import WorkbenchApp
from workbench.tui.foresight import Foresight
from workbench.tui.widgets.marks import Mark
from workbench.tui.widgets.note import Note

DOCKERFILE = "FROM scratch\nCOPY src /src\nLABEL a=b\nLABEL c=d \\\n  e=f\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[WorkbenchApp]:
    context = tmp_path / "lab"
    (context / "src").mkdir(parents=True)
    (context / "src" / "app.py").write_text("print()\n")
    (context / "Dockerfile").write_text(DOCKERFILE)
    yield make_app(context, EmbeddedEngine(tmp_path / "store"))


def words(app: Any) -> list[str]:
    """What the gutter says, by line."""
    marks: dict[int, Mark] = app.editor_panel.editor._marks
    return [marks[line].word for line in sorted(marks)]


def said(app: WorkbenchApp) -> str:
    """The line below the editor."""
    return str(app.editor_panel.query_one("#editor-note", Note).content)


async def test_typing_shows_what_will_be_rebuilt_and_why(lab: WorkbenchApp) -> None:
    async with running(lab) as pilot:
        assert lab.editor_panel.foresight is None, "it is as it was built"
        lab.editor_panel.editor.go_to(3, 9)
        lab.activate("dockerfile")
        await pilot.press("x", "x")
        await until(pilot, lambda: words(lab) == ["reuse", "reuse", "rerun", "rerun"], "the forecast")
        assert "step 3: the first to be rebuilt: the instruction changed" in said(lab)
        lab.editor_panel.editor.go_to(5)
        await until(pilot, lambda: "step 4: will be rebuilt: step 3 before it" in said(lab), "why")
        lab.editor_panel.editor.go_to(2)
        await until(pilot, lambda: "step 2: the next build reuses it" in said(lab), "the reused one")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: lab._live.state.built == 2, "the save is built")
        await until(pilot, lambda: lab.editor_panel.foresight is None, "the record is there again")
        assert words(lab)[1] == "cached"
        lab.editor_panel.editor.go_to(3)
        await until(pilot, lambda: "the instruction changed" in said(lab), "why it was not reused")


@pytest.mark.slow
async def test_what_is_saved_while_nobody_watches_is_foreseen(lab: WorkbenchApp) -> None:
    async with running(lab) as pilot:
        await pilot.press("f6")
        (lab.context / "src" / "app.py").write_text("print(1)\n")
        await until(pilot, lambda: words(lab) == ["reuse", "rerun", "rerun", "rerun"], "the forecast")
        lab.editor_panel.editor.go_to(2)
        await until(pilot, lambda: "src/app.py changed" in said(lab), "which file")
        await pilot.press("f5")
        await until(pilot, lambda: lab._live.state.settled, "it is built")
        assert lab.editor_panel.foresight is None


def test_several_steps_of_a_line_and_what_is_not_known() -> None:
    steps = (
        StepForecast(1, 1, "reuse"),
        StepForecast(2, 1, "rerun", (Change("no-cache"),)),
        StepForecast(3, 2, "unknown"),
    )
    foresight = Foresight("", Forecast(steps), {2: 4})
    assert [foresight.marks()[line].word for line in (1, 2)] == ["rerun", ""]
    assert foresight.said(1) == "step 2: the first to be rebuilt: --no-cache"
    assert foresight.said(4) == "step 3: known only when it is built"
    assert foresight.said(5) == ""
