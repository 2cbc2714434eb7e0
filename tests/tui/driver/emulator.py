"""A terminal to replay bytes in: pyte, with what it has wrong of wide and combining characters put right."""

from __future__ import annotations

import re
from typing import Any

import pyte
from pyte.screens import Char
from rich.cells import get_character_cell_size, split_graphemes

_UNREAD = re.compile(r"\x1b\[(?:[<=>][0-9;]*u|\?[0-9]+\$p)")
"""The keyboard protocol and questions, which pyte shows as text."""


class Terminal(pyte.Screen):
    """Shows bytes. Other than pyte itself: a cluster (a character with its marks, joined emoji) is one cell, as wide as
    Textual lays it out; writing onto half of a wide character blanks its other half, as xterm and VTE do; and text goes
    on after a zero-width character, which pyte drops together with the rest of its text."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self.reset_mode(7, private=True)  # as Textual has it: lines do not wrap
        self._stream = pyte.Stream(self)

    def show(self, data: str) -> None:
        """Takes output as a program wrote it: the terminal driver puts a carriage return before a line feed."""
        self._stream.feed(_UNREAD.sub("", data).replace("\n", "\r\n"))

    def set_mode(self, *modes: int, private: bool = False, **other: Any) -> None:
        """The alternate screen is a blank one."""
        if private and 1049 in modes:
            self.cursor.attrs = self.default_char
            self.erase_in_display(2)
        super().set_mode(*modes, private=private, **other)

    def cells(self) -> list[list[Char]]:
        return [[self.buffer[y][x] for x in range(self.columns)] for y in range(self.lines)]

    def texts(self) -> list[str]:
        return ["".join(cell.data for cell in row) for row in self.cells()]

    def at(self) -> tuple[int, int]:
        return min(self.cursor.x, self.columns - 1), self.cursor.y

    def split(self, data: str) -> list[tuple[str, int]]:
        """Text as pairs of what one cell shows and how many cells it takes."""
        return [(data[start:end], width) for start, end, width in split_graphemes(data)[0]]

    def draw(self, data: str) -> None:
        line = self.buffer[self.cursor.y]
        for text, width in self.split(data):
            if width == 0:
                x = self.cursor.x - 1
                if x > 0 and line[x].data == "":
                    x -= 1
                if x >= 0:
                    line[x] = line[x]._replace(data=line[x].data + text)
                continue
            x = self.cursor.x = max(0, min(self.cursor.x, self.columns - width))
            if line[x].data == "" and x > 0:
                line[x - 1] = line[x - 1]._replace(data=" ")
            if x + width < self.columns and line[x + width].data == "":
                line[x + width] = line[x + width]._replace(data=" ")
            line[x] = self.cursor.attrs._replace(data=text)
            if width == 2:
                line[x + 1] = self.cursor.attrs._replace(data="")
            self.cursor.x = x + width
        self.dirty.add(self.cursor.y)


class OldTerminal(Terminal):
    """Knows nothing of clusters: each character has its own cells, joined emoji stand side by side."""

    def split(self, data: str) -> list[tuple[str, int]]:
        return [(character, get_character_cell_size(character)) for character in data]
