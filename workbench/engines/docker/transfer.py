"""Images in and out of a Docker Engine: save, load, import, pull, push. Streams; nothing is held in memory."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from workbench.build.talk import Talk
from workbench.engines.docker.calls import read_progress
from workbench.engines.full_disk import is_full
from workbench.engines.meter import Meter
from workbench.errors import ImageError, ImageInUse, ImageNotFound, InputError, StoreError, UsageError

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client

_BLOCK = 1 << 20
_REGISTRY_HINT = "Check the name, the network and `docker login`."
_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)\s*")


def save(client: Client, references: Sequence[str], out: Path, meter: Meter) -> None:
    """`docker save` into `out`, complete or absent. Raises ImageNotFound, UsageError, StoreError."""
    if not references:
        raise UsageError("save needs at least one image")
    found = [client.facts(reference) for reference in references]
    meter.expect(sum({it["Id"]: int(it.get("Size") or 0) for it in found}.values()))
    with _beside(out) as file:
        response = client.get_stream("/images/get", names=list(references))
        for block in meter.blocks(response.raw.stream(_BLOCK, decode_content=False)):
            with _writing(out):
                file.write(block)
        with _writing(out):
            file.flush()
            os.fsync(file.fileno())
            _check_whole(file)
        meter.finish()


def load(client: Client, archive: Path, meter: Meter) -> Sequence[str]:
    """`docker load`; what came, in the engine's order. Raises InputError."""
    from docker.errors import APIError

    came: list[str] = []
    try:
        for message in read_progress(client.post_stream("/images/load", _blocks(archive, meter), quiet="1")):
            if found := _LOADED.fullmatch(str(message.get("stream", ""))):
                came.append(found[1])
    except (ImageError, APIError) as error:
        raise _unreadable(archive, error) from error
    if not came:
        raise InputError(
            f"{archive}: there is no image in it that this engine can load", hint="It reads what `docker save` writes."
        )
    return came


def import_tar(client: Client, archive: Path, tag: str, changes: Sequence[str], message: str, meter: Meter) -> str:
    """`docker import`; the image's ID. Raises InputError; UsageError for a change that is no instruction."""
    from docker.errors import APIError

    repository, _, name = tag.rpartition(":")
    parameters: dict[str, Any] = {"fromSrc": "-", "repo": repository, "tag": name, "message": message}
    if client.is_podman:  # which passes over the tag beside it
        parameters |= {"repo": tag, "tag": ""}
    parameters = {key: value for key, value in parameters.items() if value}
    identifier = ""
    try:
        for said in read_progress(
            client.post_stream("/images/create", _blocks(archive, meter), **parameters, changes=list(changes))
        ):
            if str(said.get("status", "")).startswith("sha256:"):
                identifier = str(said["status"])
    except APIError as error:
        if error.status_code == 400:
            raise
        raise _unreadable(archive, error) from error
    except ImageError as error:
        raise _unreadable(archive, error) from error
    if not identifier:
        raise InputError(f"{archive}: the engine made no image of it", hint="It must be a tar of a file system.")
    return identifier


def commit(client: Client, container: str, tag: str, changes: Sequence[str], message: str, author: str) -> str:
    """`docker commit`; the image's ID. Raises ImageNotFound where there is no such container."""
    repository, _, name = tag.rpartition(":")
    found = client.commit(container, repository or None, name or None, message, author, changes=list(changes))
    return str(found["Id"])


def pull(client: Client, reference: str, talk: Talk | None = None) -> str:
    """The ID of the image that came. Raises ImageNotFound, ImageError."""
    repository, tag = _split(reference)
    told = Told(talk or Talk())
    with _registry(reference):
        for message in client.pull(repository, tag=tag, stream=True, decode=True):
            _raise_error(message)
            told.hear(message)
    separator = "@" if tag.startswith("sha256:") else ":"
    return str(client.facts(f"{repository}{separator}{tag}")["Id"])


def push(client: Client, reference: str, talk: Talk | None = None) -> None:
    """Raises ImageNotFound, ImageError."""
    repository, tag = _split(reference)
    client.facts(f"{repository}:{tag}")
    told = Told(talk or Talk())
    with _registry(reference):
        for message in client.push(repository, tag=tag, stream=True, decode=True):
            _raise_error(message)
            told.hear(message)


class Told:
    """The engine's words about a transfer, layer by layer, as one: what is said, and the bytes of all layers."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._layers: dict[str, tuple[int, int]] = {}

    def hear(self, message: Any) -> None:
        """`{"status", "id", "progressDetail": {"current", "total"}}`; anything else says nothing."""
        if not isinstance(message, dict) or not isinstance(message.get("status"), str):
            return
        status, layer = message["status"], str(message.get("id") or "")
        detail = message.get("progressDetail") or {}
        if isinstance(detail, dict) and detail.get("current"):
            if status in ("Downloading", "Pushing"):
                current = int(detail["current"])
                self._layers[layer] = (current, max(current, int(detail.get("total") or 0)))
                self._talk.progress(*(sum(numbers) for numbers in zip(*self._layers.values(), strict=True)))
            return
        self._talk.say(f"{layer}: {status}" if layer else status)


@contextlib.contextmanager
def _registry(reference: str) -> Iterator[None]:
    """What the registry refused, through the engine: it answers 404 where the registry has no such image."""
    from docker.errors import APIError

    from workbench.engines.docker.client import api_message

    try:
        yield
    except APIError as error:
        if error.status_code == 404:
            raise ImageNotFound(f"no such image: {reference}: {api_message(error)}") from error
        raise ImageError(f"{reference}: {api_message(error)}", hint=_REGISTRY_HINT) from error


def _raise_error(message: Any) -> None:
    if isinstance(message, dict) and ("error" in message or "errorDetail" in message):
        detail = message.get("errorDetail")
        said = detail.get("message") if isinstance(detail, dict) else None
        raise ImageError(str(said or message.get("error")).strip(), hint=_REGISTRY_HINT)


def _split(reference: str) -> tuple[str, str]:
    """Repository, and tag or digest."""
    if "@" in reference:
        repository, _, digest = reference.partition("@")
        return repository, digest
    if ":" in reference.rsplit("/", 1)[-1]:
        repository, _, tag = reference.rpartition(":")
        return repository, tag
    if not reference:
        raise ImageNotFound("an image needs a name")
    return reference, "latest"


def _unreadable(archive: Path, error: Exception) -> Exception:
    if isinstance(error, ImageInUse):
        return error
    from docker.errors import APIError

    from workbench.engines.docker.client import api_message

    said = api_message(error) if isinstance(error, APIError) else str(error)
    if is_full(said):  # that is not the archive's fault
        return error
    return InputError(f"{archive}: the engine cannot read it: {said}", hint="It reads what `docker save` writes.")


def _blocks(archive: Path, meter: Meter) -> Iterator[bytes]:
    """The file's content. Raises InputError at once for a file that cannot be opened."""
    try:
        file = archive.open("rb")
    except OSError as error:
        raise InputError(f"{archive}: {error.strerror}", hint="Give the path of a tar archive.") from error

    def read() -> Iterator[bytes]:
        with file:
            meter.expect(os.fstat(file.fileno()).st_size)
            while True:
                try:
                    block = file.read(_BLOCK)
                except OSError as error:
                    raise InputError(f"{archive}: {error.strerror}") from error
                if not block:
                    return
                meter.add(len(block))
                yield block

    return read()


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `out` when all went well, and vanishes otherwise.

    A pipe or a device keeps its place: it gets the file's content at the end.
    """
    if _is_special(out):
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            with _writing(out), out.open("wb") as special:
                shutil.copyfileobj(file, special, _BLOCK)
        return
    with _writing(out):
        descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        with _writing(out):
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)
            Path(name).replace(out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _is_special(out: Path) -> bool:
    try:
        return not stat.S_ISREG(out.stat().st_mode) and not out.is_dir()
    except OSError:
        return False


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror or error}") from error


def _check_whole(file: BinaryIO) -> None:
    """An engine that fails in the middle of `save` can only stop: what it wrote must be a whole archive."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            names = archive.getnames()
    except tarfile.TarError as error:
        raise ImageError("the engine stopped in the middle of the archive", hint="See the engine's log.") from error
    if "manifest.json" not in names and "index.json" not in names:
        raise ImageError("the engine stopped before the archive was complete", hint="See the engine's log.")
