"""A place to be nasty in: a context, an engine with its store, and what must hold whatever was done to them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WORKBENCH = str(Path(sys.executable).with_name("workbench"))
NAME = f"workbench-nasty-{os.getpid()}"
"""The image that good builds make; nothing else may be made under it."""

OURS = f"LABEL workbench.e2e={os.getpid()}.{time.time_ns()}"
"""Of this run alone: an engine keeps the steps of the runs before."""

GOOD = f"FROM scratch\n{OURS}\nADD busybox.tar.xz /\n"
"""Three lines, so that what a test adds is on line 4."""
_ROOT = {"oci-layout", "index.json", "blobs", "workbench"}
_PRIVATE = {"digests", "lock", "cache-roots", "tmp", "steps", "leases", "reserve", "layers", "layers-rootless",
            "layers-subids", "mounts", "trails", "trimmed"}  # fmt: skip


@dataclass(frozen=True)
class Done:
    """A command that has ended, as a person sees it."""

    code: int
    out: str
    err: str

    def says(self, code: int, *words: str) -> None:
        """Asserts the exit code, and an error for people in which the words are."""
        told = self.out + self.err
        assert self.code == code, told
        assert "Traceback" not in told and "internal error" not in told and "mistake in workbench" not in told, told
        assert "\x1b" not in told and "\x07" not in told, ascii(told)
        if code:
            assert self.err.startswith("workbench: ") or "\nworkbench: " in self.err, told
        for word in words:
            assert word in told, f"{word!r} is not in:\n{told}"


class Lab:
    """`context` holds a good Dockerfile and a busybox; `engine` are the flags of the engine."""

    def __init__(self, folder: Path, engine: Sequence[str], archive: Path) -> None:
        self.folder = folder
        self.engine = list(engine)
        self.root = folder / "store"
        self.context = folder / "context"
        self._archive = archive
        self.fresh()

    @property
    def embedded(self) -> bool:
        return "embedded" in self.engine

    def fresh(self, files: Mapping[str, bytes | str] | None = None) -> Path:
        """The context anew: the busybox, a good Dockerfile, and these files."""
        shutil.rmtree(self.context, ignore_errors=True)
        self.context.mkdir()
        os.link(self._archive, self.context / "busybox.tar.xz")
        for name, content in {"Dockerfile": GOOD, **(files or {})}.items():
            path = self.context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else os.fsencode(content))
        return self.context

    def run(self, *words: str | Path, stdin: bytes = b"", prefix: Sequence[str] = ()) -> Done:
        """A `workbench` command with the engine's flags, from the folder that the context lies in."""
        command = [*prefix, WORKBENCH, str(words[0]), *self.engine, *map(str, words[1:])]
        done = subprocess.run(command, cwd=self.folder, input=stdin, capture_output=True, timeout=60, check=False)
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def build(self, *flags: str | Path, prefix: Sequence[str] = (), stdin: bytes = b"", path: str = "context") -> Done:
        return self.run("build", "--progress", "plain", *flags, path, prefix=prefix, stdin=stdin)

    def dockerfile(self, text: str | bytes, files: Mapping[str, bytes | str] | None = None) -> Done:
        """A build of that Dockerfile, which is asked to be `NAME` and to leave no container when it fails."""
        self.fresh({"Dockerfile": text, **(files or {})})
        return self.build("-t", NAME, "--force-rm")

    def assert_nothing_came(self) -> None:
        """No image has the name, and the store is whole."""
        if self.embedded:
            index = self.root / "index.json"
            assert not index.exists() or NAME not in index.read_text()
            assert_whole(self.root)
        else:
            found = subprocess.run(["docker", "image", "inspect", NAME], capture_output=True, check=False)
            assert found.returncode != 0

    def assert_good_build(self) -> None:
        """The next build works, and its image is taken away again."""
        self.fresh({"Dockerfile": f'{GOOD}RUN ["/bin/busybox", "true"]\n'})
        done = self.build("-t", NAME)
        done.says(0, f"Successfully tagged {NAME}:latest")
        if self.embedded:
            assert_whole(self.root)
        self.run("rmi", NAME).says(0)


def assert_whole(root: Path) -> None:
    """An embedded store has what it should have, its blobs are what they say, and nothing half-written is left."""
    assert {path.name for path in root.iterdir()} <= _ROOT
    assert {path.name for path in (root / "workbench").iterdir()} <= _PRIVATE
    assert [path.name for path in (root / "workbench" / "tmp").iterdir()] == []
    for blob in (root / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    for manifest in json.loads((root / "index.json").read_text())["manifests"]:
        assert (root / "blobs" / "sha256" / manifest["digest"].removeprefix("sha256:")).is_file()


Member = tuple[str, str, str]
"""Name; kind (`f`ile, `d`irectory, `l`ink, `h`ard link, `c`haracter or `b`lock device); link or content."""


def make_tar(members: Iterable[Member]) -> bytes:
    """A tar that no tar program would make."""
    kinds = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE,
             "c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE}  # fmt: skip
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type = kinds[kind]
            info.mode = 0o755
            data = text.encode() if kind == "f" else b""
            info.size = len(data)
            info.linkname = text if kind in "lh" else ""
            info.devmajor, info.devminor = (1, 3) if kind in "cb" else (0, 0)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
