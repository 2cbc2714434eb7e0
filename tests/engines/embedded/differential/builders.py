"""One case built: by Docker's classic builder, and by the embedded engine. Both begin with the same base image.

Docker is driven by its own command, so that the file format, the ignore file and the context's tar are Docker's too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from differential import base
from differential.case import Case
from differential.snapshot import Snapshot, read_archive, snapshot
from workbench.build.events import BuildFinished
from workbench.build.request import BuildRequest
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.store import Store
from workbench.errors import WorkbenchError

_STEP = re.compile(r"^Step (\d+)/\d+ : ", re.MULTILINE)
_IMAGE = re.compile(r"^ ---> ([0-9a-f]{12})$", re.MULTILINE)
_BROKEN = "layer does not exist"
"""A fault of Docker 20.10: after a COPY that changed nothing (an empty folder into `/`) the next COPY looks for a layer
that counts the empty one, while the image's layers do not."""
TIMEOUT = 20
"""Seconds after which a build counts as hung."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An image, or the step that failed (0: before the first, -1: nothing can be said) with the words for it."""

    image: Snapshot | None = None
    step: int = 0
    message: str = ""

    def __str__(self) -> str:
        return "builds" if self.image else f"fails at step {self.step}: {self.message.strip()[-300:]}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the builders work, and the base image that both of them load."""

    folder: Path
    name: str
    archive: Path

    @classmethod
    def make(cls, folder: Path, busybox: Path) -> Place:
        name = f"differential-{uuid.uuid4().hex[:8]}"
        archive = folder / "base.tar"
        archive.write_bytes(base.archive(busybox, name))
        return cls(folder, name, archive)

    @contextlib.contextmanager
    def context(self, case: Case) -> Iterator[Path]:
        """The case on disk."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="context-") as name:
            case.write(Path(name), self.name)
            yield Path(name)


class DockerBuilder:
    """`close` removes the base; whatever a build made is removed after it."""

    def __init__(self, place: Place, host: str) -> None:
        self._place = place
        self._environment = {**os.environ, "DOCKER_BUILDKIT": "0", "DOCKER_HOST": host, "LC_ALL": "C.UTF-8"}
        self._docker("load", "-q", "-i", str(place.archive))
        self._base = self._docker("image", "inspect", "-f", "{{.Id}}", place.name).stdout.strip()[7:19]

    def close(self) -> None:
        self._docker("rmi", f"{self._place.name}:latest", check=False)

    def _docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker", *arguments], env=self._environment, check=False, capture_output=True, text=True,
            errors="surrogateescape", timeout=TIMEOUT,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"docker {arguments[0]}: {done.stderr}"
        return done

    def build(self, case: Case, context: Path) -> Outcome:
        tag = f"{self._place.name}:{uuid.uuid4().hex[:8]}"
        arguments = [word for name, value in case.build_args for word in ("--build-arg", f"{name}={value}")]
        try:
            done = self._docker("build", "--no-cache", "--force-rm", "-t", tag, *arguments, str(context), check=False)
        except subprocess.TimeoutExpired:
            return Outcome(step=-1, message="hangs")
        said = done.stdout
        try:
            if _BROKEN in done.stderr:
                return Outcome(step=-1, message=done.stderr)
            if done.returncode:
                return Outcome(step=int(([0, *_STEP.findall(said)])[-1]), message=done.stderr.rpartition("\n\n")[2])
            return Outcome(self._image(tag))
        finally:
            made = dict.fromkeys(reversed(_IMAGE.findall(said)))  # also of other stages, and of a build that failed
            self._docker("rmi", tag, *(image for image in made if image != self._base), check=False)

    def _image(self, tag: str) -> Snapshot:
        facts = json.loads(self._docker("image", "inspect", tag).stdout)[0]
        if not facts["RootFS"].get("Layers"):  # Docker cannot save an image without layers
            lines = self._docker("history", "--no-trunc", "--format", "{{json .}}", tag).stdout.splitlines()
            rows = [json.loads(line) for line in reversed(lines)]
            history = [{"created_by": row["CreatedBy"], "comment": row["Comment"], "empty_layer": True} for row in rows]
            return snapshot({"config": facts["Config"], "author": facts["Author"], "history": history}, [])
        out = self._place.folder / f"{uuid.uuid4().hex}.tar"
        self._docker("save", "-o", str(out), tag)
        archive = out.read_bytes()
        out.unlink()
        return read_archive(archive)


class EmbeddedBuilder:
    """A store of its own in the place's folder."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._root = place.folder / "store"
        asyncio.run(EmbeddedEngine(self._root).images.load(place.archive))

    def build(self, case: Case, context: Path) -> Outcome:
        return asyncio.run(self._build(case, context))

    async def _build(self, case: Case, context: Path) -> Outcome:
        request = BuildRequest(context=context, build_args=dict(case.build_args), no_cache=True)
        engine = EmbeddedEngine(self._root)
        try:
            async with asyncio.timeout(TIMEOUT):
                events = [event async for event in engine.build(request)]
        except WorkbenchError as error:
            return Outcome(message=str(error))
        except TimeoutError:
            return Outcome(step=-1, message="hangs")
        finally:
            await engine.close()
        end = events[-1]
        assert isinstance(end, BuildFinished)
        if end.outcome != "succeeded":
            return Outcome(step=end.step or 0, message=end.error or "")
        store = Store(self._root)
        image = store.image(end.image)
        return Outcome(snapshot(image.config, [store.blob_path(layer.digest).read_bytes() for layer in image.layers]))
