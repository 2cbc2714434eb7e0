"""Build arguments: which names an instruction may see, and with which value.

As the classic builder's BuildArgs (moby 20.10, builder/dockerfile/buildargs.go): what the person gives wins over a
default, a name counts from its ARG to the end of the stage, ENV hides it, and proxies need no ARG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from workbench.dataclass import dataclass

PREDEFINED = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)
"""Names that need no ARG, and that leave no trace in the history."""


@dataclass(slots=True)
class BuildArguments:
    """The arguments of one stage. `given` are the person's, `global_args` the ARGs before the first FROM."""

    given: Mapping[str, str]
    global_args: Mapping[str, str | None]
    platform: Mapping[str, str] = field(default_factory=dict)
    """TARGETPLATFORM and its like: values for an ARG of that name without a default."""
    declared: dict[str, str | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    """Names that some ARG or predefined name asked for: the rest gets a warning at the end."""

    def declare(self, name: str, default: str | None) -> None:
        self.declared[name] = default
        self.used.add(name)

    def value(self, name: str) -> str | None:
        if name in self.given:
            return self.given[name]
        default = self.declared.get(name)
        if default is not None:
            return default
        return self.global_args.get(name) or self.platform.get(name)

    def visible(self, env: Mapping[str, str]) -> dict[str, str]:
        """Names with their values that an instruction sees beside `env`, which hides them."""
        names = [*self.declared, *sorted(PREDEFINED & self.given.keys() - self.declared.keys())]
        found = {name: self.value(name) for name in names if name not in env}
        return {name: value for name, value in found.items() if value is not None}

    def in_history(self, visible: Mapping[str, str]) -> list[str]:
        """`name=value`, sorted, of those that `created_by` shows."""
        return sorted(
            f"{name}={value}" for name, value in visible.items() if name in self.declared or name not in PREDEFINED
        )
