"""The `--flags` of an instruction, checked against those it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from workbench.dataclass import dataclass
from workbench.dockerfile.nodes import Node, Range
from workbench.dockerfile.suggest import did_you_mean

Kind = Literal["bool", "string", "strings"]


class InstructionError(ValueError):
    """An instruction that makes no sense; `place` is where, None for its keyword."""

    def __init__(self, message: str, place: Range | None = None) -> None:
        super().__init__(message)
        self.place = place


@dataclass(slots=True)
class Flags:
    """The values given, in order. A flag that may come once has at most one."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, [default])[0]

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self.values.get(name, ()))

    def true(self, name: str) -> bool:
        return self.text(name) == "true"

    def maybe(self, name: str) -> bool | None:
        """None where the flag was not given."""
        return self.true(name) if name in self.values else None


def flag_range(node: Node, flag: str) -> Range:
    """Where the flag stands; its name at least, where quotes or escapes hide the rest."""
    name = flag.partition("=")[0]
    place = node.find(flag)
    return place if place != node.keyword_range else node.find(name)


def parse_flags(node: Node, known: Mapping[str, Kind]) -> Flags:
    """Raises InstructionError for a flag that is unknown, given twice, or without the value it needs."""
    flags = Flags()
    for flag in node.flags:
        dashed, equals, value = flag.partition("=")
        name = dashed[2:]
        place = flag_range(node, flag)
        kind = known.get(name)
        if kind is None:
            raise InstructionError(f"unknown flag: {dashed}{did_you_mean(name, known)}", place)
        if name in flags.values and kind != "strings":
            raise InstructionError(f"duplicate flag specified: {dashed}", place)
        if (kind == "bool" and equals and not value) or (kind != "bool" and not equals):
            raise InstructionError(f"missing a value on flag: {dashed}", place)
        if kind == "bool":
            value = value.lower() or "true"
            if value not in ("true", "false"):
                raise InstructionError(f"expecting boolean value for flag {dashed}, not: {value}", place)
        flags.values.setdefault(name, []).append(value)
    return flags
