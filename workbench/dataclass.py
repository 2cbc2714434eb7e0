"""`dataclass` as the standard library's, whose methods cost nothing until they are called.

The standard library compiles up to six methods of each class while a module is imported; of a program with some
two hundred such classes, a command uses a handful, and waits for all. Here the fields, the slots and `__match_args__`
are the standard library's own; `__init__` is compiled once a few instances were made, and the other methods are shared
by all classes. `dataclasses.fields`, `replace`, `asdict`, `field` and `copy` work with them as ever.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, eq=True):
        """What `dataclasses.dataclass` promises of these options, except that an instance is the first to pay.

        A method that the class itself defines stays. A frozen instance refuses every assignment.
        """
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, slots=slots, kw_only=kw_only, eq=eq)
        methods = {"__init__": _first_init, "__repr__": _repr}
        if eq:
            methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        if frozen:
            methods |= {"__setattr__": _frozen_setattr, "__delattr__": _frozen_delattr}
            methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
        own = vars(cls)
        kept = set(own)
        if "__eq__" in own and own["__hash__"] is None:
            kept.remove("__hash__")  # Python's own mark of a class that has `__eq__` alone
        if cls.__doc__ is None:
            cls.__doc__ = cls.__name__  # else its signature is made, which takes `inspect` and the time
        made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
        for name, method in methods.items():
            if name not in kept:
                setattr(made, name, method(made) if method is _first_init else method)
        return made


_FEW = 2
"""Instances that are made in five times the time, which is still a tenth of what compiling takes."""


def _first_init(cls: type) -> Callable[..., None]:
    """An `__init__` for the first few instances; then it puts the compiled one in its own place, and calls it."""
    made = 0

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        nonlocal made
        made += 1
        if made <= _FEW and _fill(self, cls, args, kwargs):
            return
        if vars(cls)["__init__"] is __init__:
            setattr(cls, "__init__", _compiled_init(cls))  # noqa: B010  # assigning it is unsound to a type checker
        vars(cls)["__init__"](self, *args, **kwargs)

    return __init__


def _fill(self: Any, cls: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Sets the fields, where the arguments are those that the class takes; else the compiled `__init__` says what is
    wrong with them."""
    values: dict[str, Any] = {}
    by_place = by_name = 0
    for it in dataclasses.fields(cls):
        if it.init and not it.kw_only and by_place < len(args):
            values[it.name] = args[by_place]
            by_place += 1
        elif it.init and it.name in kwargs:
            values[it.name] = kwargs[it.name]
            by_name += 1
        elif it.default_factory is not dataclasses.MISSING:
            values[it.name] = it.default_factory()
        elif it.default is not dataclasses.MISSING:
            values[it.name] = it.default
        elif it.init:
            return False
    if (by_place, by_name) != (len(args), len(kwargs)):
        return False
    for name, value in values.items():
        object.__setattr__(self, name, value)
    if hasattr(cls, "__post_init__"):
        self.__post_init__()
    return True


def _compiled_init(cls: type) -> Callable[..., None]:
    parameters: list[str] = []
    by_name: list[str] = []
    body: list[str] = []
    names: dict[str, Any] = {"_absent": dataclasses.MISSING, "_set": object.__setattr__}
    frozen = vars(cls).get("__setattr__") is _frozen_setattr
    for it in dataclasses.fields(cls):
        value = it.name
        default = ""
        if it.default_factory is not dataclasses.MISSING:
            names[f"_new_{it.name}"] = it.default_factory
            value = f"_new_{it.name}()" + (f" if {it.name} is _absent else {it.name}" if it.init else "")
            default = "=_absent"
        elif it.default is not dataclasses.MISSING:
            names[f"_default_{it.name}"] = it.default
            default = f"=_default_{it.name}"
            if not it.init:
                value = f"_default_{it.name}"
        elif not it.init:
            continue
        if it.init:
            (by_name if it.kw_only else parameters).append(it.name + default)
        body.append(f"_set(self, {it.name!r}, {value})" if frozen else f"self.{it.name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    signature = ", ".join(["self", *parameters, *(["*", *by_name] if by_name else [])])
    exec(f"def __init__({signature}):\n  " + ("\n  ".join(body) or "pass"), names)
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


_Values = dict[type, "Callable[[Any], Any]"]
_compared: _Values = {}
_hashed: _Values = {}
_all: _Values = {}


def _values_of(cls: type, known: _Values, taken: Callable[[dataclasses.Field[Any]], bool | None]) -> Any:
    """Remembers and returns what reads the values of the fields that are `taken`: of one field it is its value."""
    names = [it.name for it in dataclasses.fields(cls) if taken(it)]
    known[cls] = found = attrgetter(*names) if names else lambda _: ()
    return found


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{it.name}={getattr(self, it.name)!r}" for it in dataclasses.fields(self) if it.repr)
    return f"{type(self).__qualname__}({shown})"


def _eq(self: Any, other: object) -> Any:
    cls = type(self)
    if type(other) is not cls:
        return NotImplemented
    if self is other:
        return True
    values = _compared.get(cls) or _values_of(cls, _compared, lambda it: it.compare)
    return values(self) == values(other)


def _hash(self: Any) -> int:
    cls = type(self)
    values = _hashed.get(cls) or _values_of(cls, _hashed, lambda it: it.compare if it.hash is None else it.hash)
    return hash(values(self))


def _frozen_setattr(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _frozen_delattr(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, it.name) for it in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for it, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, it.name, value)
