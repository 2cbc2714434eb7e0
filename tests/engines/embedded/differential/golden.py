"""What Docker was seen to make of the cases that were found: facts in a file, so that no Docker is needed to test them.

`python -m differential --record` in the folder above writes it anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from differential.builders import Outcome
from differential.found import FOUND
from differential.judge import Judge

GOLDEN = Path(__file__).parent / "golden.json"


def facts(outcome: Outcome) -> dict[str, Any]:
    """Without the base's own files and without times, which are not those of another day."""
    image = outcome.image
    if image is None:
        return {"fails": outcome.step}
    tree = {
        path: {name: value for name, value in facts.items() if name not in ("mtime", "layer")}
        for path, facts in image.tree.items()
        if facts.get("layer", 1)
    }
    made: dict[str, Any] = json.loads(
        json.dumps({"config": image.config, "history": image.history, "author": image.author, "layers": image.layers})
    )
    return {**made, "tree": tree, "kept": len(image.tree) - len(tree)}


def record(judge: Judge) -> None:
    """Builds the cases with Docker, and writes what came of them."""
    made = {}
    for name, case in FOUND.items():
        with judge.place.context(case) as context:
            made[name] = facts(judge.docker.build(case, context))
    GOLDEN.write_text(json.dumps(made, indent=1, sort_keys=True, ensure_ascii=True) + "\n")
