"""From a key to its diagnostics: a Dockerfile of 300 lines, read and checked whole, and its completion.

Goal: under 50 ms. Run it: python tests/bench/diagnose.py
"""

from __future__ import annotations

import statistics
import time

from workbench.dockerfile.complete import complete
from workbench.tui.diagnose import diagnose

RUNS = 21
PART = """\
RUN apt-get update && apt-get install -y package{n} \\
    && rm -rf /var/lib/apt/lists/*
ENV NAME{n}="$PATH:/opt/{n}" OTHER{n}=${{NAME{n}:-none}}
COPY --chown=1:1 source{n} /opt/{n}/
WORKDIR /opt/{n}
"""


def main() -> None:
    text = "FROM debian AS base\n" + "".join(PART.format(n=n) for n in range(60)) + "CMD run it\n"
    lines = text.count("\n")
    for name, work in (
        ("diagnostics", lambda number: diagnose(f"{text}# {number}\n")),
        ("completion", lambda number: complete(text + "COPY $N", lines + 1, 8)),
    ):
        took = []
        for number in range(RUNS):
            start = time.perf_counter()
            work(number)
            took.append((time.perf_counter() - start) * 1000)
        print(f"{name:12} {lines} lines: median {statistics.median(took):5.1f} ms, worst {max(took):5.1f} ms")


if __name__ == "__main__":
    main()
