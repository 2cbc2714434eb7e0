"""`--chmod`: octal, or symbolic as chmod(1) has it, and what it makes of a mode.

Source: tonistiigi/dchapes-mode, which BuildKit's Dockerfile 1.14 and later read it with (a umask of 0).
"""

from __future__ import annotations

import re

from workbench.dataclass import dataclass

_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o0007, "a": 0o6777}
_ALL = 0o6777
_SET_ID, _STICKY, _EXECUTE = 0o6000, 0o1000, 0o111
_BITS = {"r": 0o444, "w": 0o222, "x": _EXECUTE}
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")


@dataclass(frozen=True, slots=True)
class _Action:
    who: int
    """The bits that may change; 0 where nobody was named, which is everybody."""
    sign: str
    letters: str


@dataclass(frozen=True, slots=True)
class ModeChange:
    """What `--chmod` says: `absolute`, or the changes of a symbolic mode."""

    absolute: int | None
    actions: tuple[_Action, ...] = ()

    def apply(self, mode: int, *, directory: bool) -> int:
        """The mode (12 bits) that a file or folder of `mode` gets."""
        if self.absolute is not None:
            return self.absolute
        executable = directory or bool(mode & _EXECUTE)
        for action in self.actions:
            mode = _changed(mode, action, executable=executable)
        return mode


def parse_mode(text: str) -> ModeChange:
    """Raises ValueError, in BuildKit's words for a number."""
    if text[:1].isdigit():
        if not re.fullmatch(r"[0-7]{1,11}", text) or int(text, 8) > 0o7777:
            raise ValueError(f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")
        return ModeChange(int(text, 8))
    actions: list[_Action] = []
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise ValueError(f"invalid chmod parameter: '{text}'. it should be octal, or symbolic as in u=rwX,go=rX")
        who = 0
        for letter in match[1]:
            who |= _WHO[letter]
        actions += [_Action(who, sign, letters) for sign, letters in _ACTION.findall(match[2])]
    return ModeChange(None, tuple(actions))


def _changed(mode: int, action: _Action, *, executable: bool) -> int:
    who = action.who or _ALL
    bits = 0
    for letter in action.letters:
        if letter in _SHIFTS:
            copied = mode >> _SHIFTS[letter] & 0o7
            bits |= copied << 6 | copied << 3 | copied
        elif letter == "X":
            bits |= _EXECUTE if executable or action.sign == "-" else 0
        elif letter in _BITS:
            bits |= _BITS[letter]
        elif action.who != 0o0007:  # neither set-ID nor sticky is for the others
            bits |= _SET_ID if letter == "s" else _STICKY
            who |= _STICKY if letter == "t" else 0
    if action.sign == "-":
        return mode & ~(bits & who)
    if action.sign == "=":
        mode &= ~who
    return mode | bits & who
