"""With what the owner builds: the request, engine and surroundings of the display that asked last."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from workbench.build.engine import Engine
from workbench.build.request import BuildRequest
from workbench.build.turns import InTurn
from workbench.config import Config
from workbench.dataclass import dataclass
from workbench.engines.owner.wire import encode

MakeEngine = Callable[[Config], Engine]
OnDisconnect = Literal["continue", "cancel"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a display builds with. `config.engine` is the engine's own name, never `auto`; secrets that are named by a
    variable are read from `environment`, which stays in memory."""

    request: BuildRequest
    config: Config
    environment: Mapping[str, str]
    folder: str
    """The working directory, against which an engine reads relative paths of options."""

    @property
    def place(self) -> tuple[object, ...]:
        """Where its images are: an engine of a name and an address."""
        config = self.config
        return config.engine, config.host, config.docker_context, config.store

    def to_message(self) -> dict[str, Any]:
        return {
            "request": self.request,
            "config": self.config,
            "environment": self.environment,
            "folder": self.folder,
        }

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Settings:
        """Raises ValueError for what is missing or of another kind."""
        try:
            made = cls(message["request"], message["config"], message["environment"], message["folder"])
        except KeyError as error:
            raise ValueError(f"no {error} in the message") from error
        if not isinstance(made.request, BuildRequest) or not isinstance(made.config, Config):
            raise ValueError("not a request, or not a configuration")
        return made


def here(request: BuildRequest, config: Config, engine: str) -> Settings:
    """The settings of this process."""
    from dataclasses import replace

    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        folder = "/"
    config = replace(config, engine=engine, remarks=(), places={})
    return Settings(request, config, dict(os.environ), folder)


class Engines:
    """The engines that were asked for, each made once; their builds take turns with other builds of the context."""

    def __init__(self, make: MakeEngine, on_wait: Callable[[], None]) -> None:
        self._make = make
        self._on_wait = on_wait
        self._made: dict[bytes, InTurn] = {}

    def enter(self, settings: Settings) -> InTurn:
        """The engine, with the environment and the folder of who asked. Only while nothing is built: the environment
        is the process's. Raises what making the engine raises."""
        if dict(os.environ) != settings.environment:
            os.environ.clear()
            os.environ.update(settings.environment)
        with suppress(OSError):
            os.chdir(settings.folder)
        key = encode({"config": settings.config})
        if key not in self._made:
            self._made[key] = InTurn(self._make(settings.config), alone=True, on_wait=self._on_wait)
        return self._made[key]

    async def close(self) -> None:
        for engine in self._made.values():
            await engine.close()
        self._made = {}
