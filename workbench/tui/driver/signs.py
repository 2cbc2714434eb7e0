"""What stands for a character where the terminal's character set does not have it: the one place that maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from workbench.tui.driver.clusters import clusters

_SIGNS: Final = {
    "·": ".", "…": "~", "✔": "+", "✘": "x", "×": "x", "●": "*", "○": "o", "◆": "#", "•": "*", "▾": "v", "▸": ">",
    "▴": "^", "▶": ">", "▼": "v", "→": ">", "←": "<", "↑": "^", "↓": "v", "–": "-", "—": "-", "“": '"', "”": '"',
    "‘": "'", "’": "'", "µ": "u", "μ": "u", "▏": "|", "▎": "|", "▍": "|", "▌": "|", "▊": "|", "▐": "|", "▕": "|",
    "█": "#", "▇": "#", "▆": "=", "▅": "=", "▄": "-", "▃": "-", "▂": "_", "▁": "_", "▔": "-", "▀": "-",
    "░": ".", "▒": ":", "▓": "#", "━": "-", "┃": "|", "─": "-", "│": "|", "═": "=", "║": "|", "╸": "-", "╺": "-",
}  # fmt: skip


def locale_is_utf8(environment: Mapping[str, str]) -> bool:
    """Whether text goes to the terminal as UTF-8, by POSIX: the first of LC_ALL, LC_CTYPE and LANG that is not empty.
    Where none says anything (a container, an SSH session that passes none on) it does, as Python has it."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := environment.get(name):
            return "utf8" in value.lower().replace("-", "")
    return True


def fit_for(encoding: str) -> Callable[[str], str] | None:
    """Replaces what an encoding does not have: lines and signs by what looks like them, the rest by question marks,
    as wide as it was. None where the encoding has everything."""
    if _has(encoding, "\u2500\u6f22\U0001f600"):
        return None

    @lru_cache(4096)
    def fit(text: str) -> str:
        if _has(encoding, text):
            return text
        return "".join(_fitting(cluster, width, encoding) for cluster, width in clusters(text))

    return fit


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _fitting(cluster: str, width: int, encoding: str) -> str:
    if _has(encoding, cluster):
        return cluster
    if sign := _SIGNS.get(cluster):
        return sign
    return "+" if "\u2500" <= cluster <= "\u257f" else "?" * width
