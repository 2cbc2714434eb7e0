"""What a person has set: file < environment < flags, read once into one frozen value.

The file never keeps the program from starting: what is not understood of it is a remark, and the default stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from workbench.dataclass import dataclass
from workbench.errors import UsageError

ENGINES = ("auto", "embedded", "docker", "buildkit", "replay")
"""Every name that `--engine` takes. Not every one is there: choosing one that is not says so."""

ON_DISCONNECT = ("continue", "cancel")

WATCH = ("on", "focus", "off")

ENVIRONMENT = {
    "engine": "WORKBENCH_ENGINE",
    "root": "WORKBENCH_ROOT",
    "host": "DOCKER_HOST",
    "docker_context": "DOCKER_CONTEXT",
    "engine_timeout": "WORKBENCH_ENGINE_TIMEOUT",
}
"""The settings that a variable holds as they are; two more have lists."""
_MIRRORS = "WORKBENCH_REGISTRY_MIRRORS"
_INSECURE = "WORKBENCH_INSECURE_REGISTRIES"
LISTS = {"mirrors": _MIRRORS, "insecure": _INSECURE}


@dataclass(frozen=True, slots=True)
class Config:
    """Settings with their defaults. `config.toml` has the same names; `[keys]` maps an action to its keys."""

    engine: str = "auto"
    host: str | None = None
    """Address of a Docker Engine (`unix://`, `tcp://`, `ssh://`)."""
    docker_context: str | None = None
    """Name of a context of `~/.docker`."""
    engine_timeout: float = 60.0
    """Seconds that a Docker Engine may leave a question without an answer before it counts as gone."""
    root: Path | None = None
    """The embedded store; None is the place that belongs to this user."""
    watch: str = "on"
    """When the workbench builds what changed: `on` at once, `focus` when somebody looks, `off` when asked to. In the
    file `true` and `false` are `on` and `off`."""
    quiet: float = 0.05
    """Seconds without a change before a rebuild starts."""
    on_disconnect: str = "continue"
    """What a running build does when the line to the workbench drops: `continue` or `cancel`."""
    theme: str = "textual-dark"
    mouse: bool = True
    """Whether the workbench takes the mouse; without it the terminal selects text as ever."""
    keys: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """A registry (`docker.io`) -> hosts that the embedded engine asks before it."""
    cache_steps: int = 10_000
    """Steps that the embedded engine's step cache keeps."""
    cache_gb: float = 20.0
    """Gigabytes (10^9 bytes) of layers that it keeps beside those of images."""
    insecure: tuple[str, ...] = ()
    """Registries (`host:port`) whose certificate is not checked, or which have none."""
    builds_kept: int = 200
    """Finished builds of one context that are kept; the oldest go."""
    builds_days: float = 90
    """Days after which a finished build goes."""
    builds_megabytes: float = 64
    """Of the Dockerfiles and logs of one context's builds, compressed."""

    trash_minutes: float = 30
    """For how long a deleted image can be taken back; 0 deletes for good at once."""
    trash_gb: float = 10.0
    """Gigabytes (10^9 bytes) of deleted images that are held; the oldest go."""

    remarks: tuple[str, ...] = field(default=(), compare=False)
    """What of the file was not understood: a line each, with its place. No setting."""
    places: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where in the file each setting stands, as file:line:column; an entry of a table as `keys.NAME`. No setting."""

    @property
    def store(self) -> Path:
        """Where the embedded engine keeps its images."""
        return self.root or data_dir() / "store"

    def with_flags(self, **flags: Any) -> Config:
        """A copy with each flag that is not None. Raises UsageError for an engine that does not exist."""
        config = replace(self, **{name: value for name, value in flags.items() if value is not None})
        if config.engine not in ENGINES:
            raise UsageError(f"no engine is called {config.engine!r}", hint=f"There are: {', '.join(ENGINES)}.")
        if config.on_disconnect not in ON_DISCONNECT:
            raise UsageError(f"on_disconnect is {' or '.join(ON_DISCONNECT)}, not {config.on_disconnect!r}")
        if not config.engine_timeout > 0:
            raise UsageError(f"engine_timeout is {config.engine_timeout:g}", hint="It is seconds, more than none.")
        return config


def _users(kind: str) -> Path:
    """Raises UsageError where nothing says where the user's own folders are."""
    import platformdirs

    try:
        return Path(getattr(platformdirs, f"user_{kind}_dir")("workbench", appauthor=False))
    except RuntimeError as error:
        raise UsageError(
            "HOME is not set, and this user is no account that has a home", hint="Set HOME to a folder of yours."
        ) from error


def data_dir() -> Path:
    """What must not be lost: the store."""
    return _users("data")


def state_dir() -> Path:
    """What may be lost: recovery files, the history of builds, file digests."""
    return _users("state")


def kept_name(path: Path) -> str:
    """The name, without a suffix, under which the state folder keeps what belongs to that file or folder: the same by
    whatever links it is reached."""
    import hashlib

    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()


def config_file() -> Path:
    """`WORKBENCH_CONFIG`, else `config.toml` in the user's configuration folder. It need not exist."""
    if given := os.environ.get("WORKBENCH_CONFIG"):
        return Path(given)
    return _users("config") / "config.toml"


def load_config(environment: Mapping[str, str] | None = None, path: Path | None = None) -> Config:
    """File, then environment. What is not understood of the file is in `remarks`; raises UsageError for the
    environment."""
    environment = os.environ if environment is None else environment
    values, remarks, places = _of_file(config_file() if path is None else path)
    for name, variable in ENVIRONMENT.items():
        if value := environment.get(variable):
            values[name] = _read_variable(name, variable, value)
    if given := environment.get(_MIRRORS):
        values["mirrors"] = _read_mirrors(given)
    if given := environment.get(_INSECURE):
        values["insecure"] = _words(given)
    return Config(remarks=tuple(remarks), places=places).with_flags(**values)


def _of_file(path: Path) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Values, remarks and places. Most have no such file, and do not wait for what reads it."""
    try:
        path.stat()
    except FileNotFoundError:
        return {}, [], {}
    except OSError:
        pass  # what is wrong with it is a remark
    from workbench.config.reading import read_file

    read = read_file(path)
    return read.values, read.remarks, read.places


def _read_variable(name: str, variable: str, value: str) -> Any:
    if name == "root":
        return Path(value).expanduser()
    if name != "engine_timeout":
        return value
    try:
        return float(value)
    except ValueError as error:
        raise UsageError(f"{variable} is {value!r}", hint="It is a number of seconds.") from error


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _read_mirrors(text: str) -> dict[str, tuple[str, ...]]:
    """`docker.io=mirror.lan:5000,docker.io=other.lan`: what is named first is asked first."""
    found: dict[str, tuple[str, ...]] = {}
    for word in _words(text):
        registry, equals, host = word.partition("=")
        if not equals or not registry.strip() or not host.strip():
            raise UsageError(f"{_MIRRORS}: {word!r} is not REGISTRY=HOST", hint="As in docker.io=mirror.lan:5000.")
        found[registry.strip()] = (*found.get(registry.strip(), ()), host.strip())
    return found
