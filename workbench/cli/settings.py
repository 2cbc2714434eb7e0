"""`workbench config`: the one file of settings, as it takes effect, and a new one with all of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from workbench.cli.parser import Parser
from workbench.config import ENVIRONMENT, LISTS, Config, config_file
from workbench.config.about import ABOUT, EXAMPLES
from workbench.config.writing import commented, toml_value
from workbench.errors import InputError

_TABLES = ("mirrors", "keys")
_FLAGS = {"engine": "--engine", "host": "--host", "docker_context": "--docker-context", "root": "--root"}
_ORDER = [it.name for it in fields(Config) if it.name in ABOUT and it.name not in _TABLES]


def add_arguments(parser: Parser, name: str) -> None:
    parser.add_switch("--init", dest="init", help="write a file with every setting, its default and what it means")


def run(args: argparse.Namespace, config: Config) -> int:
    path = config_file()
    if args.init:
        _write(path)
        print(path)
    elif args.format == "json":
        settings = {name: getattr(config, name) for name in (*_ORDER, *_TABLES)}
        print(json.dumps({"path": str(path), "exists": path.exists(), "settings": settings, "remarks": config.remarks},
                         default=_plain))  # fmt: skip
    else:
        sys.stdout.write("\n".join([*_head(path), *_in_effect(config, args)]) + "\n")
    return 0


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else str(value)


def _write(path: Path) -> None:
    """Raises InputError where there is one already."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError(
            f"{path} is there already", hint="`workbench config` shows what of it takes effect."
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}", hint="WORKBENCH_CONFIG names another place."
        ) from error
    with os.fdopen(file, "w", encoding="utf-8") as out:
        out.write("\n".join(default_lines()) + "\n")


def default_lines() -> Iterator[str]:
    """The file with every setting at its default, what has none commented out."""
    default = Config()
    yield "# Settings of workbench. Flags outweigh the environment, the environment outweighs this file."
    for name in _ORDER:
        value = getattr(default, name)
        yield from ("", *commented([ABOUT[name]]))
        yield f"{name} = {toml_value(value)}" if value is not None else f"# {name} = {toml_value(EXAMPLES[name])}"
    from workbench.tui.actions import actions

    yield from ("", *commented([ABOUT["mirrors"]]), "[mirrors]", "", *commented([ABOUT["keys"]]), "[keys]")
    for name, (keys, does) in actions().items():
        yield f"# {toml_value(name)} = {toml_value(keys)}  # {does}"


def _head(path: Path) -> Iterator[str]:
    yield f"# {path}" if path.exists() else f"# {path} (not there: `workbench config --init` writes it)"
    yield "# Flags outweigh the environment, the environment outweighs the file. What takes effect:"


def _in_effect(config: Config, args: argparse.Namespace) -> Iterator[str]:
    for name in _ORDER:
        value = getattr(config, name)
        shown = f"{name} = {toml_value(value)}" if value is not None else f"# {name} is not set"
        yield f"{shown:<40}  # {_source(name, config, args)}".rstrip()
    for table in _TABLES:
        entries: dict[str, Any] = getattr(config, table)
        yield from ("", f"[{table}]" if entries else f"# [{table}] is empty")
        for name, value in entries.items():
            entry = f"{toml_value(name)} = {toml_value(value)}"
            yield f"{entry:<40}  # {_source(f'{table}.{name}', config, args)}"


def _source(name: str, config: Config, args: argparse.Namespace) -> str:
    """Where the value comes from."""
    table = name.partition(".")[0]
    if getattr(args, name, None) is not None and name in _FLAGS:
        return _FLAGS[name]
    variable = ENVIRONMENT.get(name) or LISTS.get(table)
    if variable and os.environ.get(variable):
        return variable
    place = config.places.get(name)
    if place is None or any(remark.startswith(f"{place.rpartition(':')[0]}:") for remark in config.remarks):
        return "default"
    return f"line {place.split(':')[-2]}"
