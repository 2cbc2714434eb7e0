"""Names, paths and words with variables, quotes and escapes, as a Dockerfile has them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import TypeVar

_Some = TypeVar("_Some")

VARIABLES = ("A", "B", "X", "BASED", "EMPTY", "UNDEFINED", "a", "PATH", "WD")
NAMES = ("a", "b", "c.txt", "d", "e", "f", "sub", "x", "lnk", "z.tar")
ODD_NAMES = (
    "sp ace", "quo'te", 'dou"ble', "-dash", "ünï", "new\nline", "raw\udcff", "back\\slash", "st*r", "[br]", "$A", "#h",
    "tab\t", " lead", "trail ", "q?", "!ex", "a:b", "x=y", ".hidden", "n" * 101, "é" * 60,
)  # fmt: skip
PLACES = (
    "/", "/a", "/a/", "/d", "/d/", "/d/sub", "/d/sub/", "/e", "/e/", "/lnk", "/lnk/", "/lnk/sub/new", "/abs/", "/abs/n",
    "/e/chain/k", "/d/up/up2/", "/dangling", "/dangling/", "/loop", "/loop/x", "/f", "/f/", "/flink", "/h1", "/suid",
    "/o/p/q/", "/new", "/new/", "/new/er/", "/out/x", "/d/sub/x", "/basevol/", "/basevol/in", "/vol/", "/w x/",
    "/tmp/", "/x",
    "/x/", "/b", "/c/../g", "//twice//", "/./dot/.", "/q/.", "/e/..", "/abs/..", "/lnk/../k",
)  # fmt: skip
_DOUBLE = ("", "two words", "$A", "${B:-x y}", "it's", 'a\\"b', "\\$A", "\\\\", "\\n", "#", "é")
_SINGLE = ("", "two words", "$A", 'say "x"', "\\", "\\n", "${B}")
RELATIVE = (".", "./", "rel", "rel/", "..", "../up/", "sub", "sub/", "../lnk/", "x/../y/", "./a/", "", "../../../far")


class Dice:
    """What the generators ask: one source of randomness, from one seed. A `careful` one makes nothing that is known to
    be an error, so that most cases get to their last step."""

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(seed)
        self.careful = self.chance(0.75)

    def one(self, of: Sequence[_Some]) -> _Some:
        return of[int(self.random.random() * len(of))]

    def some(self, of: Sequence[_Some], most: int, least: int = 0) -> list[_Some]:
        return [self.one(of) for _ in range(self.upto(most, least))]

    def upto(self, most: int, least: int = 0) -> int:
        """`least` to `most`, both included."""
        return least + int(self.random.random() * (most - least + 1))

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def bad(self, share: float) -> bool:
        """Whether to make an error here."""
        return self.chance(share) and not self.careful

    def weighted(self, weights: dict[_Some, float]) -> _Some:
        return self.random.choices(list(weights), list(weights.values()))[0]


def variable(dice: Dice) -> str:
    """`$A`, `${A}`, `${A:-word}`, `${A:+word}`."""
    name = dice.one(VARIABLES)
    form = dice.weighted({"$%": 4, "${%}": 3, "${%:-": 3, "${%:+": 3})
    if not form.endswith(("-", "+")):
        return form.replace("%", name)
    inner = dice.one(
        ("", "w", "two words", "${B}", "$B", "${B:-deep}", '"q"', "'s'", "/p", "${B:+${X:-y}}", "\\}", "a:b")
    )
    return f"{form.replace('%', name)}{inner}}}"


def word(dice: Dice, parts: int = 3, errors: float = 0.04) -> str:
    """One value: no blank that is not quoted or escaped. A share of `errors` cannot be read."""
    if dice.bad(errors):
        return dice.one(('"open', "'open", "${A", "${}", "${A:?no}", "${A:", "$", "${A:=x}", '${A:-"}'))
    return "".join(_part(dice) for _ in range(dice.upto(parts, 1)))


def _part(dice: Dice) -> str:
    match dice.upto(9):
        case 0 | 1 | 2:
            return dice.one(
                ("v", "1", "long", "/p", "a=b", "=", "#", "ü", "-", ".", ":", ",", "*", "~", "%s", "{}", "a;b")
            )
        case 3 | 4 | 5:
            text = variable(dice)
            return text if " " not in text else f'"{text}"'
        case 6:
            return f'"{dice.one(_DOUBLE)}"'
        case 7:
            return f"'{dice.one(_SINGLE)}'"
        case 8:
            return dice.one(("\\ ", "\\$A", "\\\\", "\\'", '\\"', "\\x", "\\#", "\\${A}"))
    return dice.one(("$A$B", "${A}${B}", "$A-$B", "${A}x", "$Ax", "${A}/${B:-c}", "$$A", "$1", "$A.txt"))


def key(dice: Dice) -> str:
    """The name of a variable or a label."""
    return dice.one((*VARIABLES[:6], "N", "lower", "with.dot", "with-dash", "_u", "N2"))


def listed(words: Sequence[str], dice: Dice) -> str:
    """The exec form."""
    blank = dice.one((" ", "", "  "))
    return f"[{blank}" + f",{blank}".join(json.dumps(it, ensure_ascii=dice.chance(0.3)) for it in words) + f"{blank}]"
