"""Builds a case with Docker's classic builder and with the embedded engine, and says what differs.

Docker is driven by its own command, so that the file format, the ignore file and the context's tar are Docker's too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from differential import base
from differential.case import Case
from differential.snapshot import Snapshot, differences, read_archive, snapshot
from workbench.build.events import BuildFinished
from workbench.build.request import BuildRequest
from workbench.dockerfile import needed_stages, parse
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.store import Store
from workbench.errors import WorkbenchError

_STEP = re.compile(r"^Step (\d+)/\d+ : ", re.MULTILINE)
_IMAGE = re.compile(r"^ ---> ([0-9a-f]{12})$", re.MULTILINE)
TIMEOUT = 20
"""Seconds after which a build counts as hung."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An image, or the step that failed (0: before the first) with the engine's words for it."""

    image: Snapshot | None = None
    step: int = 0
    message: str = ""

    def __str__(self) -> str:
        return "builds" if self.image else f"fails at step {self.step}: {self.message.strip()[-300:]}"


def comparable(case: Case) -> bool:
    """Whether both engines do the same steps: the embedded engine leaves out stages that the target does not need, and
    refuses a Dockerfile without a FROM before its first step, where the classic builder fails behind its last ARG."""
    try:
        dockerfile = parse("".join(f"{step}\n" for step in case.steps))
        needed = needed_stages(dockerfile, None, dict(case.build_args))
    except WorkbenchError:
        return any(step.lower().startswith("from ") for step in case.steps)
    return len(needed) == len(dockerfile.stages)


class Judge:
    """Both engines with the same base. `close` removes from Docker what this judge made."""

    def __init__(self, host: str, busybox: Path, folder: Path) -> None:
        self._environment = {**os.environ, "DOCKER_BUILDKIT": "0", "DOCKER_HOST": host, "LC_ALL": "C.UTF-8"}
        self._prefix = f"differential-{uuid.uuid4().hex[:8]}"
        self._folder = folder
        self._root = folder / "store"
        self.built = 0
        """Cases of which Docker made an image."""
        self.hung = 0
        """Cases in which Docker waits for ever."""
        made = folder / "base.tar"
        made.write_bytes(base.archive(busybox, self._prefix))
        self._docker("load", "-q", "-i", str(made))
        self._base = self._docker("image", "inspect", "-f", "{{.Id}}", self._prefix).stdout.strip()[7:19]
        asyncio.run(EmbeddedEngine(self._root).images.load(made))

    def close(self) -> None:
        self._docker("rmi", f"{self._prefix}:latest", check=False)
        shutil.rmtree(self._root, ignore_errors=True)

    def differences(self, case: Case) -> list[str]:
        """What differs, a line each; nothing where both make the same image or fail at the same step."""
        with self._context(case) as context:
            since = time.time()
            try:
                theirs = self.docker(case, context)
            except subprocess.TimeoutExpired:  # it opens a FIFO, and waits for ever
                self.hung += 1
                return []
            ours = self.embedded(case, context)
        self.built += theirs.image is not None
        if theirs.image is None or ours.image is None:
            same = theirs.image is ours.image and theirs.step == ours.step
            return [] if same else [f"outcome: Docker {theirs}; embedded {ours}"]
        return differences(theirs.image, ours.image, since)

    @contextlib.contextmanager
    def _context(self, case: Case):  # type: ignore[no-untyped-def]
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="context-") as name:
            case.write(Path(name), self._prefix)
            yield Path(name)

    # -- Docker --------------------------------------------------------------------------------------------------

    def _docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker", *arguments], env=self._environment, check=False, capture_output=True, text=True,
            errors="surrogateescape", timeout=TIMEOUT,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"docker {arguments[0]}: {done.stderr}"
        return done

    def docker(self, case: Case, context: Path) -> Outcome:
        """Raises TimeoutExpired where Docker hangs."""
        tag = f"{self._prefix}:{uuid.uuid4().hex[:8]}"
        arguments = [word for name, value in case.build_args for word in ("--build-arg", f"{name}={value}")]
        done = self._docker("build", "--no-cache", "--force-rm", "-t", tag, *arguments, str(context), check=False)
        said = done.stdout
        try:
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
        out = self._folder / f"{uuid.uuid4().hex}.tar"
        self._docker("save", "-o", str(out), tag)
        archive = out.read_bytes()
        out.unlink()
        return read_archive(archive)

    # -- embedded ------------------------------------------------------------------------------------------------

    def embedded(self, case: Case, context: Path) -> Outcome:
        return asyncio.run(self._embedded(case, context))

    async def _embedded(self, case: Case, context: Path) -> Outcome:
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
        layers = [store.blob_path(layer.digest).read_bytes() for layer in image.layers]
        return Outcome(snapshot(image.config, layers))
