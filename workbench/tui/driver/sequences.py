"""Terminal output as tokens, and which control sequences leave the cells and the cursor alone."""

from __future__ import annotations

import re
from typing import Final

TOKEN: Final = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?:(?P<pen>[0-9;:]*)m|(?P<csi>[<=>?]?[0-9;:]*[ -/]*[@-~]))"
    r"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|(?P<other>\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~])"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])"
)
"""`text`; `pen`, the parameters of an SGR; `csi`, any other CSI without its introducer; `osc`, an OSC without what is
around it; `other` escape sequences; `control` characters. What matches none of it is no sequence at all."""

_UNFINISHED: Final = re.compile(r"\x1b(?:\[[<=>?]?[0-9;:]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)\Z")

_HARMLESS: Final = re.compile(
    r"""
      \?(?:1|7|9|12|25|100[0-7]|1015|1016|2004|2031|2048)(?:;(?:1|7|9|12|25|100[0-7]|1015|1016|2004|2031|2048))*[hl]
    | \??[0-9]+\$p          # is a mode set? (DECRQM)
    | [<=>?][0-9;]*u        # kitty's keyboard protocol
    | [0-9]*[ ]q            # shape of the cursor
    | [>=]?[0-9]*c          # which terminal is it? (DA)
    | >[0-9;]*m             # how keys with modifiers are told
    | >[0-9]*q              # and which version? (XTVERSION)
    | 5n                    # is it well? (DSR)
    | 1[468]t | 2[23](?:;[0-9]+)*t  # size of the text area, keeping of titles
    """,
    re.VERBOSE,
)


def cut_unfinished(data: str) -> tuple[str, str]:
    """The text, and the sequence at its end whose own end has not come yet."""
    start = data.rfind("\x1b")
    if start == len(data) - 1:  # may begin the end of a longer one
        before = data.rfind("\x1b", 0, max(start, 0))
        if before >= 0 and _UNFINISHED.match(data, before):
            start = before
    if start >= 0 and _UNFINISHED.match(data, start):
        return data[:start], data[start:]
    return data, ""


def is_harmless(csi: str) -> bool:
    """Whether a CSI sequence changes neither what stands on the screen nor where the cursor is."""
    return _HARMLESS.fullmatch(csi) is not None


def numbers(parameters: str, *defaults: int) -> list[int]:
    """The parameters as numbers; each that is missing or 0 is its default."""
    given = [int(part) if part else 0 for part in parameters.split(";")]
    given += [0] * (len(defaults) - len(given))
    return [value or default for value, default in zip(given, defaults, strict=False)]
