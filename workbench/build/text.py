"""Text of strangers made safe to show: build output, file names and image names cannot move the cursor, set the
clipboard or the title, or turn the direction of a line.

Markup is not this module's business: a display that has markup escapes it.
"""

from __future__ import annotations

import re

# ECMA-48: CSI with parameters, intermediates and a final byte; the string controls (DCS, SOS, OSC, PM, APC) up to
# their terminator. One that is never terminated ends with its line, so that it cannot swallow the rest of a log.
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_UNFINISHED = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*\x1b?"
    r"|\x1b[ -/]*"
    r"|\r)\Z"
)
# Marks, embeddings, overrides and isolates of direction; the line separators that are not \n; undecodable bytes.
_SHOWN = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_HELD_BOUND = 64 * 1024


def clean(text: str, *, keep_colour: bool = False) -> str:
    """`text` without control sequences and control characters, except `\\n` and `\\t`.

    With `keep_colour` the SGR sequences (colour, bold) stay. Overrides of direction and undecodable bytes are shown
    escaped. A lone `\\r` is dropped: apply `settle` before, where a line draws over itself.
    """
    if not _SUSPECT.search(text):
        return text
    if keep_colour:
        text = _SEQUENCE.sub(lambda found: found[0] if _SGR.fullmatch(found[0]) else "", text)
    else:
        text = _SEQUENCE.sub("", text)
    return _SHOWN.sub(_escape, text)


def one_line(text: str) -> str:
    """A name on one line: every control character is shown escaped (`\\n`, `\\x1b`), nothing is dropped."""
    if not _SUSPECT.search(text) and "\n" not in text and "\t" not in text:
        return text
    return _SHOWN.sub(_escape, _CONTROL.sub(_escape, text))


def settle(text: str) -> str:
    """What a terminal would still show of lines that draw over themselves with `\\r`, as progress bars do."""
    if "\r" not in text:
        return text
    return "\n".join(_overwrite(line) for line in text.split("\n"))


def _overwrite(line: str) -> str:
    shown = ""
    for piece in line.split("\r"):
        shown = piece + shown[len(piece) :]
    return shown


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(
        character, f"\\x{ord(character):02x}" if character < "\x80" else f"\\u{ord(character):04x}"
    )


class Cleaner:
    """`clean` for a stream: a sequence that is cut in two by the pieces it came in is still dropped whole.

    A lone `\\r` becomes `\\n`, so that nothing a progress bar said is lost.
    """

    def __init__(self, *, keep_colour: bool = False) -> None:
        self._keep_colour = keep_colour
        self._held = ""

    def feed(self, text: str) -> str:
        """The clean text so far; the start of an unfinished sequence waits for the next piece."""
        text = self._held + text
        self._held = ""
        unfinished = _UNFINISHED.search(text)
        if unfinished and len(text) - unfinished.start() <= _HELD_BOUND:
            self._held = text[unfinished.start() :]
            text = text[: unfinished.start()]
        return clean(text.replace("\r\n", "\n").replace("\r", "\n"), keep_colour=self._keep_colour)

    def finish(self) -> str:
        """What was held back and can be shown at the end."""
        held, self._held = self._held, ""
        return clean(held.replace("\r", "\n"), keep_colour=self._keep_colour)
