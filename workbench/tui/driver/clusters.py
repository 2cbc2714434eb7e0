"""Text as the cells it takes: which characters every terminal draws alike, and how wide the others are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from rich.cells import get_character_cell_size, split_graphemes

_NARROW: Final = " -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027\u2190-\u21ff\u2500-\u25fc\u2800-\u28ff"
_WIDE: Final = "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60"

narrow_only: Final = re.compile(f"[{_NARROW}]+").fullmatch
"""Matches text in which each character is one code point and one cell."""

alike: Final = re.compile(f"[{_NARROW}{_WIDE}]+").fullmatch
"""Matches text of whose widths all terminals think alike."""


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """Pairs of what a cell shows and its width in cells, by the same measure as Textual lays out with.

    A width of 0 comes only first: that text joins what stands before.
    """
    for start, end, width in split_graphemes(text)[0]:
        yield text[start:end], width


@lru_cache(4096)
def widest(cluster: str) -> int:
    """As many cells as a terminal could take for the cluster that draws its parts one by one."""
    cells = sum(get_character_cell_size(character) for character in cluster)
    return max(cells, 2 if "\ufe0f" in cluster else 1)
