"""Bytes over the line: the workbench at 120 by 40 with the stock driver and with its own, in the same scenes.

Goals: nothing while idle, a key in the editor under 300 bytes, and the ratios below.
Run it: python tests/bench/bytes.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.tui.driver.line import Line
from tests.tui.driver.scenes import GOALS, scenes


def measured(*, stock: bool) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Path(folder), stock=stock)
        try:
            return dict(scenes(line))
        finally:
            line.close()


def main() -> None:
    stock, ours = measured(stock=True), measured(stock=False)
    print(f"{'Bytes sent at 120 by 40':30} {'stock':>9} {'ours':>9} {'ratio':>8}  goal")
    for name, count in stock.items():
        ratio = f"1/{count / ours[name]:.1f}" if ours[name] else "-"
        met = ours[name] * GOALS.get(name, 0) <= count
        goal = f"1/{GOALS[name]} {'met' if met else 'NOT MET'}" if name in GOALS else ""
        print(f"{name:30} {count:9,} {ours[name]:9,} {ratio:>8}  {goal}".rstrip())


if __name__ == "__main__":
    main()
