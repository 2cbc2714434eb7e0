"""What removing takes, of an engine that has hundreds of images."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from workbench.engines.docker import removal


class Engine:
    """Images on one base; each has a layer of its own. It answers of layers only where it is asked of two at once."""

    def __init__(self, count: int) -> None:
        self.asked: Counter[str] = Counter()
        self._rows = [
            {"Id": f"sha256:{at:064x}", "RepoTags": [f"app{at}:1"], "Size": 100 + at} for at in range(count)
        ]  # fmt: skip
        self._two = threading.Barrier(2, timeout=10)

    def images(self, *, all: bool) -> list[dict[str, Any]]:
        return self._rows

    def containers(self, *, all: bool) -> list[dict[str, Any]]:
        return []

    def rows(self, reference: str) -> list[dict[str, Any]]:
        return [{"Size": self._row(reference)["Size"] - 100}, {"Size": 100}]

    def facts(self, reference: str) -> dict[str, Any]:
        row = self._row(reference)
        if reference == row["Id"]:
            self._two.wait()
            self.asked[reference] += 1
        return {"Id": row["Id"], "RootFS": {"Layers": ["sha256:base", row["Id"]]}}

    def _row(self, reference: str) -> dict[str, Any]:
        return next(it for it in self._rows if reference in (it["Id"], *it["RepoTags"]))


def test_layers_are_asked_of_several_images_at_once_and_once_for_all() -> None:
    engine, graph = Engine(60), removal.Graph()
    for number in (7, 9):
        planned = removal.plan(engine, graph, [f"app{number}:1"])  # type: ignore[arg-type]
        assert planned.bytes_freed == number, "its own layer alone"
    assert len(engine.asked) == 60 and set(engine.asked.values()) == {1}
