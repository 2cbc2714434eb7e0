"""The file `config.toml`: what is understood takes effect, the rest is a remark with its place and no error."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from workbench.config.checks import SETTINGS, TABLES, near
from workbench.config.places import error_place, statements
from workbench.config.writing import toml_value
from workbench.dataclass import dataclass


@dataclass(slots=True)
class Read:
    """`values` by the names of Config; `remarks` are lines for a person; `places` say where each setting stands, as
    file:line:column, an entry of a table as `keys.NAME`."""

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)


def read_file(path: Path) -> Read:
    """Never raises for what is in the file, nor for one that cannot be read: that is a remark too, and nothing of it
    takes effect."""
    read = Read(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return read
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        read.remarks.append(f"{path}:{line}:{column}: this is not UTF-8; nothing of the file takes effect")
        return read
    except OSError as error:
        read.remarks.append(f"{path}: {error.strerror}; nothing of the file takes effect")
        return read
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, column, what = error_place(error, text)
        read.remarks.append(f"{path}:{line}:{column}: {what}; nothing of the file takes effect")
        return read
    where, at_value = _places(path, text)
    for name, value in values.items():
        if name in TABLES:
            _read_table(read, name, value, where, at_value)
        elif name in SETTINGS:
            _read_setting(read, name, value, where, at_value)
        else:
            known = near(name, [*SETTINGS, *TABLES])
            read.remarks.append(f"{where[name]}: there is no setting {name!r}{known}")
    return read


def _places(path: Path, text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Where keys stand, and where their values do. A path's beginning stands where the first of it does."""
    keys: dict[str, str] = {}
    values: dict[str, str] = {}
    for it in statements(text):
        for length in range(1, len(it.path) + 1):
            name = ".".join(it.path[:length])
            keys.setdefault(name, f"{path}:{it.line}:{it.column}")
            values.setdefault(name, f"{path}:{it.line}:{it.value_column}")
    return keys, values


def _read_setting(read: Read, name: str, value: Any, where: Mapping[str, str], at_value: Mapping[str, str]) -> None:
    read.places[name] = where[name]
    try:
        read.values[name] = SETTINGS[name](value)
    except ValueError as error:
        read.remarks.append(f"{at_value[name]}: {name} cannot be {_shown(value)}. {error}")


def _read_table(read: Read, name: str, table: Any, where: Mapping[str, str], at_value: Mapping[str, str]) -> None:
    if not isinstance(table, dict):
        read.remarks.append(f"{at_value[name]}: {name} is a table: [{name}], and its entries below")
        return
    kept: dict[str, Any] = {}
    for entry, value in _entries(table):
        place = f"{name}.{entry}"
        read.places[place] = where.get(place, where[name])
        try:
            kept[entry] = TABLES[name](value)
        except ValueError as error:
            read.remarks.append(f"{at_value.get(place, where[name])}: {place} cannot be {_shown(value)}. {error}")
    read.values[name] = kept


def _entries(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """`file.save = ...` without quotes is a table in a table, and means the same."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _entries(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _shown(value: Any) -> str:
    text = toml_value(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
