"""White space as Go sees it, which is what BuildKit trims and splits at.

Python's own idea has four control characters more.
"""

from __future__ import annotations

import re

SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
BLANKS = re.compile(r"[\t\v\f\r ]+")
"""What separates arguments; narrower than SPACES."""

_SPACES = frozenset(SPACES)


def is_space(character: str) -> bool:
    """Go's `unicode.IsSpace`."""
    return character in _SPACES


def trim(text: str) -> str:
    """Without white space at both ends."""
    return text.strip(SPACES)


def trim_left(text: str) -> str:
    """Without white space at the beginning."""
    return text.lstrip(SPACES)
