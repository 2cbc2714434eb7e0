"""Variables, quotes and words of instruction arguments, as BuildKit's shell lexer treats them.

`$name`, `${name}`, `${name:-word}` `:+` `:?` (and each without the colon), `${name#pattern}` `##` `%` `%%`,
`${name/pattern/text}` and `//`. Quotes and the escape character work as in a shell, simplified.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from workbench.dockerfile.lexical import is_space
from workbench.dockerfile.patterns import PatternError, replace, trim_prefix, trim_suffix

Environment = Mapping[str, str] | Callable[[str], str | None]

_ACTIVE = re.compile(r"[$'\"\\`<\s]")
"""A text without any of these is one word and stays as it is."""
_SPECIAL = "@*#?-$!0"
_DEEPEST = 100


class WordError(ValueError):
    """A word that cannot be expanded: an open quote or brace, an unknown modifier, `${name:?message}` of an unset name.

    Those who know the place turn it into a DockerfileError.
    """


class Words(NamedTuple):
    """One text, expanded: as a whole, split at spaces, and the names it spoke of (set ones and unset ones)."""

    text: str
    words: tuple[str, ...]
    matched: frozenset[str]
    unmatched: frozenset[str]

    @property
    def used(self) -> frozenset[str]:
        """Every name that the text referred to."""
        return self.matched | self.unmatched


class Lexer(NamedTuple):
    """How to read: keep quotes or escapes, take quotes for plain text, leave unset variables as written."""

    escape: str = "\\"
    raw_quotes: bool = False
    raw_escapes: bool = False
    plain_quotes: bool = False
    keep_unset: bool = False

    def process(self, source: str, env: Environment) -> Words:
        """Expands. Raises WordError, which quotes the source."""
        reader = _Reader(self, source, env)
        try:
            text, words = reader.until("", raw_escapes=self.raw_escapes)
        except (WordError, PatternError) as error:
            raise WordError(f'failed to process "{source}": {error}') from error
        return Words(text, tuple(words), frozenset(reader.matched), frozenset(reader.unmatched))


def process(source: str, env: Environment, escape: str = "\\") -> Words:
    """The word expanded, with the names it used. Raises WordError."""
    if not _ACTIVE.search(source):
        return Words(source, (source,) if source else (), frozenset(), frozenset())
    return Lexer(escape).process(source, env)


def process_word(word: str, env: Environment, escape: str = "\\") -> str:
    """The word with its variables filled in and its quotes removed; spaces stay. Raises WordError."""
    return process(word, env, escape).text


def process_words(word: str, env: Environment, escape: str = "\\") -> list[str]:
    """The same, split at spaces outside quotes after the variables are filled in. Raises WordError."""
    return list(Lexer(escape).process(word, env).words)


class _Splitter:
    """Collects characters into words; spaces end a word unless they came quoted or escaped."""

    __slots__ = ("current", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.current: list[str] = []

    def add(self, text: str) -> None:
        for character in text:
            if not is_space(character):
                self.current.append(character)
            elif self.current:
                self.finish()

    def add_raw(self, text: str) -> None:
        if text:
            self.current.append(text)

    def finish(self) -> list[str]:
        if self.current:
            self.words.append("".join(self.current))
            self.current = []
        return self.words


class _Reader:
    """One pass over one source. The empty string stands for its end."""

    def __init__(self, lexer: Lexer, source: str, env: Environment) -> None:
        self.lexer = lexer
        self.source = source
        self.position = 0
        self.get: Callable[[str], str | None] = env.get if isinstance(env, Mapping) else env
        self.raw_escapes = lexer.raw_escapes
        self.depth = 0
        self.matched: set[str] = set()
        self.unmatched: set[str] = set()

    def peek(self) -> str:
        return self.source[self.position : self.position + 1]

    def next(self) -> str:
        character = self.source[self.position : self.position + 1]
        self.position += 1
        return character

    def until(self, stop: str, *, raw_escapes: bool) -> tuple[str, list[str]]:
        """Everything up to `stop` ("" is the end of the source), as one text and as words."""
        before, self.raw_escapes = self.raw_escapes, raw_escapes
        self.depth += 1
        if self.depth > _DEEPEST:
            raise WordError("substitutions are nested too deep")
        out: list[str] = []
        words = _Splitter()
        while character := self.peek():
            if character == stop:
                self.next()
                break
            if character == "$":
                value = self._dollar()
                words.add(value)
                out.append(value)
            elif character in "'\"" and not self.lexer.plain_quotes:
                value = self._single_quoted() if character == "'" else self._double_quoted()
                words.add_raw(value)
                out.append(value)
            elif character == "<":
                value = self._angle()
                words.add_raw(value)
                out.append(value)
            else:
                self._plain(out, words)
        else:
            if stop:
                raise WordError(f"unexpected end of statement while looking for matching {stop}")
        self.raw_escapes = before
        self.depth -= 1
        return "".join(out), words.finish()

    def _plain(self, out: list[str], words: _Splitter) -> None:
        character = self.next()
        if character != self.lexer.escape:
            words.add(character)
            out.append(character)
            return
        if self.raw_escapes:
            words.add_raw(character)
            out.append(character)
        escaped = self.next()
        words.add_raw(escaped)
        out.append(escaped)

    def _single_quoted(self) -> str:
        end = self.source.find("'", self.position + 1)
        if end < 0:
            raise WordError("unexpected end of statement while looking for matching single-quote")
        text = self.source[self.position + 1 : end]
        self.position = end + 1
        return f"'{text}'" if self.lexer.raw_quotes else text

    def _double_quoted(self) -> str:
        quote = self.next() if self.lexer.raw_quotes else self.next()[:0]
        out = [quote]
        while True:
            character = self.peek()
            if not character:
                raise WordError("unexpected end of statement while looking for matching double-quote")
            if character == "$":
                out.append(self._dollar())
                continue
            self.next()
            if character == '"':
                return "".join(out) + quote
            if character == self.lexer.escape:
                if self.raw_escapes:
                    out.append(character)
                following = self.peek()
                if not following:
                    continue
                # Only these can be escaped here; before anything else the escape character is plain text.
                if following in ('"', "$", self.lexer.escape):
                    character = self.next()
            out.append(character)

    def _angle(self) -> str:
        """`<<` and the blanks behind it stay together, so that `<< EOF` is one word."""
        self.next()
        if self.peek() != "<":
            return "<"
        start = self.position
        self.next()
        while self.peek() in ("\t", "\r", " "):
            self.next()
        return "<" + self.source[start : self.position]

    def _dollar(self) -> str:
        self.next()
        if self.peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._lookup(name)
            return f"${name}" if value is None and self.lexer.keep_unset else value or ""
        self.next()
        if not self.peek():
            raise WordError("syntax error: missing '}'")
        if self.peek() in "{}:":
            raise WordError("syntax error: bad substitution")
        name = self._name()
        modifier = self.next()
        if modifier == "}":
            value = self._lookup(name)
            return f"${{{name}}}" if value is None and self.lexer.keep_unset else value or ""
        if modifier == "/":
            return self._replaced(name)
        return self._modified(name, modifier)

    def _modified(self, name: str, modifier: str) -> str:
        sign = modifier
        if modifier == ":":
            sign = self.next()
            modifier += sign
        if not sign:
            raise WordError("syntax error: missing '}'")
        if sign not in "+-?#%" or modifier in (":#", ":%"):
            raise WordError(f"unsupported modifier ({modifier}) in substitution")
        word = self._part("}", raw_escapes=sign in "#%")
        value = self._lookup(name)
        if value is None and self.lexer.keep_unset:
            return f"${{{name}{modifier}{word}}}"
        missing = value is None or (modifier[0] == ":" and value == "")
        if sign == "-":
            return word if missing else value or ""
        if sign == "+":
            return "" if missing else word
        if sign == "?":
            if missing:
                state = "unset" if value is None else "empty"
                raise WordError(f"{name}: {word or f'is not allowed to be {state}'}")
            return value or ""
        trim = trim_prefix if sign == "#" else trim_suffix
        longest = word.startswith(sign)
        return self._matching(word[1:] if longest else word, lambda it: trim(it, value or "", longest=longest))

    def _replaced(self, name: str) -> str:
        everywhere = self.peek() == "/"
        if everywhere:
            self.next()
        pattern = self._part("/", raw_escapes=True)
        text = self._part("}", raw_escapes=True)
        value = self._lookup(name)
        if value is None and self.lexer.keep_unset:
            return f"${{{name}/{pattern}/{text}}}"
        return self._matching(pattern, lambda it: replace(it, value or "", text, everywhere=everywhere))

    def _matching(self, pattern: str, apply: Callable[[str], str]) -> str:
        try:
            return apply(pattern)
        except PatternError as error:
            raise WordError(f"invalid pattern ({pattern}) in substitution: {error}") from error

    def _part(self, stop: str, *, raw_escapes: bool) -> str:
        try:
            return self.until(stop, raw_escapes=raw_escapes)[0]
        except WordError as error:
            if not self.peek():
                where = " in ${}" if stop == "/" else ""
                raise WordError(f"syntax error: missing '{stop}'{where}") from error
            raise

    def _name(self) -> str:
        """A name, a number, or one of the shell's special parameters; empty if there is none."""
        start = self.position
        first = self.peek()
        if first.isdecimal():
            while self.peek().isdecimal():
                self.next()
        elif first and first in _SPECIAL:
            self.next()
        else:
            while (character := self.peek()) and (character.isalpha() or character.isdecimal() or character == "_"):
                self.next()
        return self.source[start : self.position]

    def _lookup(self, name: str) -> str | None:
        value = self.get(name)
        (self.unmatched if value is None else self.matched).add(name)
        return value
