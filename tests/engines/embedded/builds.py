"""Builds on the embedded engine in one line, and what they left."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.build.events import BuildEvent, BuildFinished, StepFinished, StepLog
from workbench.build.request import BuildRequest
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.store import Store


@dataclass
class Result:
    """The events of a build, and questions to them."""

    events: list[BuildEvent]
    store: Store

    @property
    def end(self) -> BuildFinished:
        last = self.events[-1]
        assert isinstance(last, BuildFinished)
        return last

    @property
    def image(self) -> str:
        assert self.end.outcome == "succeeded", self.end
        return self.end.image

    @property
    def config(self) -> Mapping[str, Any]:
        return self.store.image(self.image).config

    @property
    def history(self) -> list[str]:
        return [entry.get("created_by", "") for entry in self.config["history"]]

    @property
    def cached(self) -> list[bool]:
        return [event.cached for event in self.events if isinstance(event, StepFinished)]

    @property
    def log(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, StepLog))

    def layer(self, number: int = -1) -> dict[str, tarfile.TarInfo]:
        """A layer's entries by name."""
        digest = self.store.image(self.image).layers[number].digest
        with tarfile.open(fileobj=io.BytesIO(self.store.blob_path(digest).read_bytes())) as tar:
            return {info.name: info for info in tar}

    def diff_ids(self) -> list[str]:
        return list(self.config["rootfs"]["diff_ids"])


class Builder:
    """An embedded engine with a context folder of its own."""

    def __init__(self, root: Path, context: Path) -> None:
        self.engine = EmbeddedEngine(root)
        self.context = context
        self.store = Store(root)

    def put(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    async def __call__(self, text: str, files: Mapping[str, str | bytes] | None = None, **options: Any) -> Result:
        self.put({**(files or {}), "Dockerfile": text})
        request = BuildRequest(context=self.context, **options)
        return Result([event async for event in self.engine.build(request)], self.store)


def make_tar(*entries: tuple[str, Mapping[str, Any]], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of `(name, {type, link, data, mode, uid, gid, mtime, pax})`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name, facts in entries:
            info = tarfile.TarInfo(name)
            data = facts.get("data", b"")
            info.size = len(data)
            info.type = facts.get("type", tarfile.REGTYPE)
            info.linkname = facts.get("link", "")
            info.mode = facts.get("mode", 0o644)
            info.uid, info.gid, info.mtime = facts.get("uid", 0), facts.get("gid", 0), facts.get("mtime", 1)
            info.pax_headers = facts.get("pax", {})
            info.devmajor, info.devminor = facts.get("device", (0, 0))
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
