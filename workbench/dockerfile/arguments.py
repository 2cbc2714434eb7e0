"""The arguments of each instruction, in the form its keyword asks for: a string, words, pairs, or a JSON array."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import NamedTuple

from workbench.dockerfile.lexical import BLANKS, is_space, trim, trim_left


class ArgumentError(ValueError):
    """Arguments that cannot be read in that form."""


class Arguments(NamedTuple):
    """The flat arguments, and whether they were a JSON array."""

    values: tuple[str, ...] = ()
    json: bool = False


def split_command(line: str, escape: str) -> tuple[str, tuple[str, ...], str]:
    """Keyword, `--flags`, and the rest of the line, of which it is the end but for white space."""
    parts = BLANKS.split(trim(line), maxsplit=1)
    if len(parts) < 2:
        return parts[0], (), ""
    rest = trim_left(parts[1])
    flags: list[str] = []
    while rest.startswith("--"):
        flag, rest = _flag(rest, escape)
        if flag == "--":
            break
        flags.append(flag)
        rest = trim_left(rest)
    return parts[0], tuple(flags), trim(rest)


def _flag(text: str, escape: str) -> tuple[str, str]:
    """The first word without its quotes and escapes, and what follows it."""
    out: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        if not quote and is_space(character):
            break
        position += 1
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character != escape:
            out.append(character)
        elif position < len(text):
            out.append(text[position])
            position += 1
    return "".join(out), text[position:]


def parse_arguments(keyword: str, rest: str, escape: str) -> Arguments:
    """Reads `rest` as the instruction wants it. Raises ArgumentError. An unknown keyword has one empty argument."""
    form = _FORMS.get(keyword.lower())
    return Arguments(("",)) if form is None else form(rest, escape)


def parse_words(rest: str, escape: str) -> list[str]:
    """Words separated by white space; quotes group, and they and the escapes stay in the words."""
    if escape not in rest and "'" not in rest and '"' not in rest:
        return [word for word in _spaced(rest) if word]
    words: list[str] = []
    word: list[str] = []
    quote = ""
    position = 0
    while position < len(rest):
        character = rest[position]
        position += 1
        if not quote and is_space(character):
            if word:
                words.append("".join(word))
                word = []
            continue
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == escape and quote != "'":
            if position == len(rest):  # an escape at the very end is dropped
                break
            word.append(character)
            character = rest[position]
            position += 1
        word.append(character)
    if word:
        words.append("".join(word))
    return words


def _spaced(text: str) -> list[str]:
    # str.split() also splits at four control characters that Go takes for plain ones.
    if text.isascii() and not any(control in text for control in "\x1c\x1d\x1e\x1f"):
        return text.split()
    return "".join(" " if is_space(character) else character for character in text).split(" ")


def parse_json(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array, None if it is not JSON. Raises ArgumentError for an array of anything else."""
    rest = trim_left(rest)
    if not rest.startswith("["):
        return None
    try:
        values = json.loads(rest, parse_int=_number, parse_float=_number, parse_constant=_constant)
    except RecursionError:
        values = [None]
    except ValueError:
        return None
    if not all(isinstance(value, str) for value in values):
        raise ArgumentError("when using JSON array syntax, arrays must be comprised of strings only")
    # Go reads half a surrogate pair as the replacement character.
    return tuple(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for value in values)


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("out of range")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _string(rest: str, escape: str) -> Arguments:
    return Arguments((rest,) if rest else ())


def _strings(rest: str, escape: str) -> Arguments:
    return Arguments(tuple(BLANKS.split(rest)) if rest else ())


def _maybe_json(rest: str, escape: str) -> Arguments:
    values = parse_json(rest)
    return _string(rest, escape) if values is None else Arguments(values, json=True)


def _maybe_json_list(rest: str, escape: str) -> Arguments:
    values = parse_json(rest)
    return _strings(rest, escape) if values is None else Arguments(values, json=True)


def _names(rest: str, escape: str) -> Arguments:
    return Arguments(tuple(parse_words(rest, escape)))


def _pairs(keyword: str) -> Callable[[str, str], Arguments]:
    def form(rest: str, escape: str) -> Arguments:
        words = parse_words(rest, escape)
        if not words:
            return Arguments()
        # The first word decides: with "=" these are pairs, without it is the old form, one name and the rest as value.
        if "=" not in words[0]:
            parts = BLANKS.split(rest, maxsplit=1)
            if len(parts) < 2:
                raise ArgumentError(f"{keyword} must have two arguments")
            return Arguments((parts[0], parts[1], ""))
        values: list[str] = []
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                raise ArgumentError(f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value')
            values += (name, value, "=")
        return Arguments(tuple(values))

    return form


def _health(rest: str, escape: str) -> Arguments:
    end = next((index for index, character in enumerate(rest) if is_space(character)), len(rest))
    if not end:
        return Arguments()
    command = _maybe_json(trim_left(rest[end:]), escape)
    return Arguments((rest[:end], *command.values), command.json)


_FORMS: dict[str, Callable[[str, str], Arguments]] = {
    "add": _maybe_json_list,
    "arg": _names,
    "cmd": _maybe_json,
    "copy": _maybe_json_list,
    "entrypoint": _maybe_json,
    "env": _pairs("ENV"),
    "expose": _strings,
    "from": _strings,
    "healthcheck": _health,
    "label": _pairs("LABEL"),
    "maintainer": _string,
    "run": _maybe_json,
    "shell": _maybe_json,
    "stopsignal": _string,
    "user": _string,
    "volume": _maybe_json_list,
    "workdir": _string,
}

KEYWORDS = (*_FORMS, "onbuild")
"""Every instruction there is, in lower case."""
