"""What an image says about itself while it is built: its configuration, its history, its layers.

Each method does what one instruction does to the configuration, as the classic builder of Docker 20.10 does it
(builder/dockerfile/dispatchers.go), and returns the comment that goes into the history.
"""

from __future__ import annotations

import copy
import datetime
import posixpath
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from workbench.build.platforms import Platform, here, platform_of
from workbench.dataclass import dataclass
from workbench.dockerfile import instructions as docker
from workbench.engines.embedded.gofmt import duration, quoted, quoted_all, quoted_rune
from workbench.engines.embedded.store import LayerRef
from workbench.errors import InputError

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
_INHERITED = ("Interval", "Timeout", "StartPeriod", "Retries")


def now() -> str:
    """The time as an image's configuration has it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class ImageState:
    """The image of a stage as far as it is built. `config` is Docker's container configuration."""

    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    layers: tuple[LayerRef, ...] = ()
    author: str = ""
    created: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    """The whole configuration file of the image that FROM named."""
    cmd_set: bool = False
    """Whether this stage has its own CMD: an ENTRYPOINT drops one that was inherited."""

    @classmethod
    def scratch(cls, platform: Platform | None = None) -> ImageState:
        """An image of nothing, for a platform (this machine's)."""
        found = platform or here()
        facts = {"os": found.os, "architecture": found.architecture, "variant": found.variant}
        return cls(base={name: value for name, value in facts.items() if value}).begun()

    @property
    def platform(self) -> Platform:
        """What its programs run on."""
        return platform_of(self.base) or here()

    @classmethod
    def of(cls, config: Mapping[str, Any], layers: Sequence[LayerRef]) -> ImageState:
        """The state that FROM gives, with the image's configuration file."""
        return cls(
            config=copy.deepcopy(dict(config.get("config") or {})),
            history=list(config.get("history") or []),
            layers=tuple(layers),
            created=str(config.get("created") or ""),
            base=config,
        ).begun()

    def begun(self) -> ImageState:
        """A copy for a stage that stands on this: PATH is always set, CMD counts as inherited, and the
        author is nobody yet."""
        state = copy.deepcopy(self)
        state.cmd_set = False
        state.author = ""
        if "PATH" not in state.env:
            state.set_env("PATH", DEFAULT_PATH)
        return state

    # -- what it says --------------------------------------------------------------------------------------------

    @property
    def env(self) -> dict[str, str]:
        return dict(item.partition("=")[::2] for item in self.config.get("Env") or [])

    @property
    def base_time(self) -> int:
        """When the base image was made, in whole seconds: the same for everybody who builds on it."""
        try:
            return int(datetime.datetime.fromisoformat(str(self.base.get("created"))[:19] + "+00:00").timestamp())
        except ValueError:
            return 0

    @property
    def shell(self) -> tuple[str, ...]:
        return tuple(self.config.get("Shell") or DEFAULT_SHELL)

    @property
    def workdir(self) -> str:
        return self.config.get("WorkingDir") or "/"

    @property
    def user(self) -> str:
        return self.config.get("User") or ""

    @property
    def volumes(self) -> list[str]:
        return list(self.config.get("Volumes") or {})

    def document(self) -> dict[str, Any]:
        """The image's configuration file."""
        kept = {name: self.base[name] for name in ("variant", "os.version", "os.features") if name in self.base}
        document: dict[str, Any] = {
            **kept,
            "architecture": self.base.get("architecture") or here().architecture,
            "os": self.base.get("os") or "linux",
            "created": self.created,
            "config": {name: value for name, value in self.config.items() if value not in (None, "", [], {}, False)},
            "history": self.history,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
        }
        if self.author:
            document["author"] = self.author
        return document

    def commit(self, created_by: str, *, created: str, layer: LayerRef | None = None) -> None:
        """One more line of history, with its layer or without one."""
        entry: dict[str, Any] = {"created": created, "created_by": created_by}
        if self.author:
            entry["author"] = self.author
        if layer is None:
            entry["empty_layer"] = True
        else:
            self.layers = (*self.layers, layer)
        self.history.append(entry)
        self.created = created

    def comment(self, text: str) -> str:
        """`created_by` of an instruction that changes the configuration."""
        return " ".join([*self.shell, "#(nop) ", text])

    def content_comment(self, text: str) -> str:
        """`created_by` of ADD, COPY and WORKDIR, which has one space less."""
        return " ".join([*self.shell, "#(nop) " + text])

    # -- instructions --------------------------------------------------------------------------------------------

    def apply(self, it: docker.Instruction) -> str:
        """Does what an instruction that only changes the configuration does. Raises InputError."""
        match it:
            case docker.Maintainer():
                self.author = it.name
                return f"MAINTAINER {it.name}"
            case docker.Env():
                for name, value in it.pairs:
                    self.set_env(name, value)
                return "ENV " + " ".join(f"{name}={value}" for name, value in it.pairs)
            case docker.Label():
                self.config["Labels"] = {**(self.config.get("Labels") or {}), **dict(it.pairs)}
                return "LABEL " + " ".join(f"{name}={value}" for name, value in it.pairs)
            case docker.Expose():
                ports = {port: dict[str, str]() for text in it.ports for port in parse_ports(text)}
                self.config["ExposedPorts"] = {**(self.config.get("ExposedPorts") or {}), **ports}
                return "EXPOSE " + " ".join(it.ports)
            case docker.Volume():
                if not all(it.paths):
                    raise InputError("VOLUME specified can not be an empty string", hint="Is a variable of it unset?")
                added = {path.strip(): dict[str, str]() for path in it.paths}
                self.config["Volumes"] = {**(self.config.get("Volumes") or {}), **added}
                return f"VOLUME [{' '.join(it.paths)}]"
            case docker.User():
                self.config["User"] = it.user
                return f"USER {it.user}"
            case docker.Stopsignal():
                check_signal(it.signal)
                self.config["StopSignal"] = it.signal
                return f"STOPSIGNAL {it.signal}"
            case docker.Shell():
                self.config["Shell"] = list(it.args)
                return f"SHELL [{' '.join(it.args)}]"
            case docker.Healthcheck():
                return self._healthcheck(it)
            case docker.Onbuild():
                self.config["OnBuild"] = [*(self.config.get("OnBuild") or []), it.trigger_text]
                return f"ONBUILD {it.trigger_text}"
            case docker.Cmd() | docker.Entrypoint():
                return self._command(it)
        raise AssertionError(f"{it.keyword} is not an instruction of the configuration")

    def set_env(self, name: str, value: str) -> None:
        env = list(self.config.get("Env") or [])
        for place, item in enumerate(env):
            if item.partition("=")[0] == name:
                env[place] = f"{name}={value}"
                break
        else:
            env.append(f"{name}={value}")
        self.config["Env"] = env

    def set_workdir(self, path: str) -> str:
        """WORKDIR, relative to the one before. Returns the comment. Raises InputError for an empty path."""
        if not path:
            raise InputError("cannot normalize nothing: WORKDIR has no path", hint="Is a variable of it unset?")
        if not path.startswith("/"):
            path = posixpath.normpath(posixpath.join("/", self.workdir, path))
        self.config["WorkingDir"] = path
        return f"WORKDIR {path}"

    def _command(self, it: docker.Cmd | docker.Entrypoint) -> str:
        args = [*self.shell, *it.args] if it.shell and it.args else list(it.args)
        if isinstance(it, docker.Cmd):
            self.config["Cmd"] = args
            self.cmd_set = True
            return f"CMD {quoted_all(args)}"
        self.config["Entrypoint"] = args
        if not self.cmd_set:
            self.config["Cmd"] = None
        return f"ENTRYPOINT {quoted_all(args)}"

    def _healthcheck(self, it: docker.Healthcheck) -> str:
        check: dict[str, Any] = {"Test": list(it.test)}
        times = {
            "Interval": it.interval, "Timeout": it.timeout, "StartPeriod": it.start_period,
            "StartInterval": it.start_interval, "Retries": it.retries,
        }  # fmt: skip
        # What it leaves out stays as the check before it has it (moby 20.10, daemon/commit.go, merge).
        before = self.config.get("Healthcheck") or {}
        inherited = {name: before[name] for name in _INHERITED if before.get(name)}
        self.config["Healthcheck"] = check | inherited | {name: value for name, value in times.items() if value}
        shown = [quoted(duration(value)) for value in (it.interval, it.timeout, it.start_period)]
        return f"HEALTHCHECK &{{{quoted_all(it.test)} {' '.join(shown)} {quoted_rune(it.retries)}}}"


def parse_ports(text: str) -> list[str]:
    """`80`, `80/udp`, `8000-8002`, `host:container` as the ports of a configuration: `80/tcp`. Raises InputError.

    Source: docker/go-connections, nat.ParsePortSpec.
    """
    ports, _, protocol = text.rpartition(":")[2].partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise InputError(f"EXPOSE {text}: Invalid proto: {protocol}", hint="A protocol is tcp, udp or sctp.")
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", ports, re.ASCII)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not match or low > high or high > 65535:
        raise InputError(f"EXPOSE {text}: Invalid containerPort: {ports}", hint="A port is 0 to 65535, or a range.")
    return [f"{port}/{protocol}" for port in range(low, high + 1)]


def check_signal(text: str) -> None:
    """Raises InputError where Docker knows no such signal. Any number but 0 is one (moby 20.10, pkg/signal)."""
    if re.fullmatch(r"[+-]?[0-9]+", text):
        if int(text):
            return
    else:
        name = text.upper().removeprefix("SIG")
        known = {item.name.removeprefix("SIG") for item in signal.Signals}
        if name in known or re.fullmatch(r"RTM(IN\+([1-9]|1[0-5])|AX-([1-9]|1[0-4])|IN|AX)", name):
            return
    raise InputError(f"Invalid signal: {text}", hint="A signal is a number or a name, as in SIGTERM.")
