"""What stands beside an instruction in the editor's gutter, and how much of it there is room for."""

from __future__ import annotations

from typing import Literal

from rich.cells import set_cell_size

from workbench.dataclass import dataclass

_WIDTHS = ((90, 18), (44, 9), (0, 2))
"""From that width of the editor on, so many cells left of the line numbers: a sign, a short word and what else there is
to say (`✔    0.8s +1.1MB`); a sign and a word (`✔ +1.1MB`); a sign."""

MarkState = Literal["pending", "running", "done", "cached", "failed", "cancelled", "reuse", "rerun"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands beside an instruction: its state, a word of at most seven cells, and one more where there is room."""

    state: MarkState
    sign: str
    word: str
    more: str = ""

    def text(self, width: int) -> str:
        """All that fits into so many cells, the last one empty."""
        said = self.sign if width <= 3 else f"{self.sign} {self.word}"
        if width >= 18:
            said = f"{self.sign} {self.more:>7} {self.word}" if self.more else said
        return set_cell_size(said, width - 1) + " "


def mark_width(width: int) -> int:
    """The cells that marks take in an editor of that width."""
    return next(cells for least, cells in _WIDTHS if width >= least)
