"""The file `config.toml` as text: every setting with what it means, and one setting changed in what a person wrote."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.config.places import statements
from workbench.errors import InputError
from workbench.files import read_text, replace_file


def toml_value(value: Any) -> str:
    """A value of a setting as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{toml_value(name)} = {toml_value(it)}' for name, it in value.items())}}}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def with_setting(text: str, name: str, value: Any) -> str:
    """The text with that setting on the top level, everything else as it was; a line that was commented out is used
    again. Raises `tomllib.TOMLDecodeError` for what is no TOML."""
    tomllib.loads(text)
    lines = text.splitlines(keepends=True)
    line = f"{name} = {toml_value(value)}\n"
    first_table = len(lines)
    for it in statements(text):
        if it.path == (name,) and not it.header:
            return "".join([*lines[: it.line - 1], line, *lines[it.end - 1 :]])
        if it.header:
            first_table = min(first_table, it.line - 1)
    for at, old in enumerate(lines[:first_table]):
        if old.lstrip("# ").startswith((f"{name} =", f"{name}=")):
            return "".join([*lines[:at], line, *lines[at + 1 :]])
    above = lines[:first_table]
    if above and not above[-1].endswith("\n"):
        above[-1] += "\n"
    return "".join([*above, line, *(["\n"] if lines[first_table:] else []), *lines[first_table:]])


def keep_setting(path: Path, name: str, value: Any) -> None:
    """Writes that setting into the file, which is made where there is none; a link stays one. Blocks. Raises InputError
    where the file is no TOML or cannot be read, StoreError or OSError where it cannot be written."""
    path = path.resolve()
    old = read_text(path)
    try:
        new = with_setting(old.text, name, value)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: {error}", hint="Mend the file: then what is chosen here can be kept.") from error
    if not old.writable:
        raise InputError(f"{path} is not UTF-8", hint="Mend the file: then what is chosen here can be kept.")
    if new != old.text:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, new.encode(), path.stat().st_mode & 0o777 if old.exists else 0o600)


def commented(lines: Sequence[str], width: int = 116) -> list[str]:
    """Sentences as comment lines of that width."""
    import textwrap

    return [f"# {line}" for text in lines for line in textwrap.wrap(text, width)]
