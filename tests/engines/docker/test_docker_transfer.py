"""What a Docker Engine says of a pull, layer by layer, as lines and one count of bytes."""

from __future__ import annotations

from workbench.build.talk import Talk
from workbench.engines.docker.transfer import Told


def test_layers_are_added_up() -> None:
    lines: list[str] = []
    counts: list[tuple[int, int]] = []
    told = Told(Talk(lambda current, total: counts.append((current, total)), lines.append))
    for message in (
        {"status": "Pulling from library/x", "id": "1"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 10, "total": 100}, "progress": "[> ]"},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 5}},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 100, "total": 100}},
        {"status": "Extracting", "id": "a", "progressDetail": {"current": 7, "total": 100}},
        {"status": "Pull complete", "id": "a", "progressDetail": {}},
        {"aux": {"Tag": "1"}}, "nothing", {"status": 5},
        {"status": "Status: Downloaded newer image for x:1"},
    ):  # fmt: skip
        told.hear(message)
    assert counts == [(10, 100), (15, 105), (105, 105)]
    assert lines == ["1: Pulling from library/x", "a: Pull complete", "Status: Downloaded newer image for x:1"]
