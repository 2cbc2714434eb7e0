"""Every action that has a name for the key map, and its own keys, read off the classes: no screen is needed."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import KEY_NAME_REPLACEMENTS, Keys

import workbench.tui

_MODIFIERS = frozenset({"ctrl", "alt", "shift", "super", "hyper", "meta"})


def actions() -> Mapping[str, tuple[str, str]]:
    """`file.save` -> (its keys, what it does), in the order of the names. Imports every module of the screen."""
    for module in pkgutil.walk_packages(workbench.tui.__path__, "workbench.tui."):
        importlib.import_module(module.name)
    found = {it.id: (it.key, it.description or it.action.replace("_", " ")) for it in _bindings(DOMNode) if it.id}
    return {name: found[name] for name in sorted(found)}


def _bindings(cls: type[Any]) -> Iterator[Binding]:
    for sub in cls.__subclasses__():
        if sub.__module__.startswith("workbench."):
            yield from (it for it in vars(sub).get("BINDINGS", ()) if isinstance(it, Binding))
        yield from _bindings(sub)


def wrong_key(keys: str) -> str:
    """The first of `key,key` that no terminal can send by that name; "" where there is none."""
    for key in keys.split(","):
        *modifiers, name = key.strip().split("+") if key.strip() != "+" else ("+",)
        if not set(modifiers) <= _MODIFIERS or not _is_key(name):
            return key.strip() or "nothing"
    return ""


def key_names() -> Iterator[str]:
    """Names of keys, alone and with one modifier, for who meant one of them."""
    names = [*(key.value for key in Keys if not key.value.startswith("<")), *KEY_NAME_REPLACEMENTS.values()]
    yield from names
    yield from (f"{modifier}+{name}" for modifier in sorted(_MODIFIERS) for name in names if "+" not in name)


def _is_key(name: str) -> bool:
    if len(name) == 1:
        return name.isprintable()
    return name in {key.value for key in Keys} or name in KEY_NAME_REPLACEMENTS.values() or _is_character(name)


def _is_character(name: str) -> bool:
    """Whether it is what Unicode calls a character, as Textual writes that: `full_stop`."""
    import unicodedata

    try:
        unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return False
    return True
