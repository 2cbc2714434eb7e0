"""A file system tar becomes an image of one layer, as `docker import` makes it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from workbench.build.platforms import machine
from workbench.dockerfile import Instruction, expand, parse
from workbench.dockerfile import instructions as words
from workbench.engines.embedded.catalog import LayerRef
from workbench.engines.embedded.compression import open_plain_file, plain
from workbench.engines.embedded.load import put_tar
from workbench.engines.embedded.refs import familiar
from workbench.engines.embedded.sizes import content_size
from workbench.engines.embedded.store import Store
from workbench.engines.meter import Meter
from workbench.errors import DockerfileError, UsageError

_SHELL = ("/bin/sh", "-c")


def import_tar(
    store: Store, archive: Path, *, tag: str | None = None, changes: Sequence[str] = (), message: str = "",
    meter: Meter | None = None,
) -> str:  # fmt: skip
    """The ID of the new image. `changes` are Dockerfile instructions that set its configuration.

    Raises InputError for what is no tar or leads out of itself, UsageError for a change or a tag that is none,
    Cancelled where the meter's end is asked.
    """
    meter = meter or Meter()
    tags = [familiar(tag)] if tag else []
    config = changed({}, changes)
    with store.keep(), open_plain_file(archive) as file:
        with plain(cast(BinaryIO, file), str(archive)) as tar:
            found = put_tar(store, tar, meter)
        meter.finish()
        content = content_size(store.blob_path(found.digest), str(archive))
        layer = LayerRef(found.digest, found.diff_id, found.size, content=content)
        return store.put_image(_image(config, layer, message or f"Imported from {archive.name}"), [layer], tags=tags)


def _image(config: Mapping[str, Any], layer: LayerRef, comment: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "architecture": machine(),
        "os": "linux",
        "created": now,
        "comment": comment,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{"created": now, "comment": comment}],
    }


def changed(config: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A copy of an image's `config` after the changes. Raises UsageError naming the one that cannot be made."""
    result = dict(config)
    for change in changes:
        instruction = _read(change, result)
        apply = _APPLY.get(type(instruction))
        if apply is None:
            names = ", ".join(kind.__name__.upper() for kind in _APPLY)
            raise UsageError(f"{instruction.keyword} is not a change: {change!r}", hint=f"Changes are: {names}.")
        apply(result, instruction)
    return result


def _read(change: str, config: Mapping[str, Any]) -> Instruction:
    env = dict(pair.partition("=")[::2] for pair in config.get("Env") or [])
    try:
        instructions = parse(f"FROM scratch\n{change}").instructions
        if len(instructions) != 2:
            raise UsageError(f"not one instruction: {change!r}", hint="Give --change once for each instruction.")
        return expand(instructions[1], env)[0]
    except DockerfileError as error:
        raise UsageError(
            f"{change!r}: {error.message}", hint="A change is an instruction, as in --change 'CMD [\"sh\"]'."
        ) from error


def _env(config: dict[str, Any], it: words.Env) -> None:
    env = dict(pair.partition("=")[::2] for pair in config.get("Env") or [])
    env.update(it.pairs)
    config["Env"] = [f"{name}={value}" for name, value in env.items()]


def _label(config: dict[str, Any], it: words.Label) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(it.pairs)}


def _command(key: str) -> Callable[[dict[str, Any], words.Command], None]:
    def apply(config: dict[str, Any], it: words.Command) -> None:
        config[key] = [*_SHELL, *it.args] if it.shell and it.args else list(it.args)

    return apply


def _expose(config: dict[str, Any], it: words.Expose) -> None:
    ports = config["ExposedPorts"] = dict(config.get("ExposedPorts") or {})
    for port in " ".join(it.ports).split():
        number, _, protocol = port.partition("/")
        first, _, last = number.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or not int(first) <= int(last or first) < 65536:
            raise UsageError(f"EXPOSE {port}: not a port")
        for each in range(int(first), int(last or first) + 1):
            ports[f"{each}/{protocol.lower() or 'tcp'}"] = {}


def _volume(config: dict[str, Any], it: words.Volume) -> None:
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in it.paths}}


def _workdir(config: dict[str, Any], it: words.Workdir) -> None:
    config["WorkingDir"] = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", it.path))


def _onbuild(config: dict[str, Any], it: words.Onbuild) -> None:
    config["OnBuild"] = [*(config.get("OnBuild") or []), it.trigger_text]


def _healthcheck(config: dict[str, Any], it: words.Healthcheck) -> None:
    times = {
        "Interval": it.interval, "Timeout": it.timeout, "StartPeriod": it.start_period, "Retries": it.retries,
    }  # fmt: skip
    config["Healthcheck"] = {"Test": list(it.test)} | {key: value for key, value in times.items() if value}


_APPLY: dict[type[Instruction], Callable[[dict[str, Any], Any], None]] = {
    words.Cmd: _command("Cmd"),
    words.Entrypoint: _command("Entrypoint"),
    words.Env: _env,
    words.Expose: _expose,
    words.Healthcheck: _healthcheck,
    words.Label: _label,
    words.Onbuild: _onbuild,
    words.Stopsignal: lambda config, it: config.update(StopSignal=it.signal),
    words.User: lambda config, it: config.update(User=it.user),
    words.Volume: _volume,
    words.Workdir: _workdir,
}
