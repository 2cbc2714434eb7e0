"""What an attack is measured by: a secret outside that nobody may read, and folders that nobody may change."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from builds import Builder, Result

SECRET = "the-content-of-a-file-outside"


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every path below with kind, mode, owner, time and content."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        facts = path.lstat()
        content: object = None
        if stat.S_ISREG(facts.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(facts.st_mode):
            content = os.readlink(path)
        found[str(path)] = (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns, facts.st_nlink, content)
    return found


@dataclass
class Outside:
    """A folder of the host with `secret` and `folder/kept`; `check` is asked after every attack by itself."""

    path: Path
    before: dict[str, tuple[object, ...]]
    stores: list[Path]

    @property
    def secret(self) -> Path:
        return self.path / "secret"

    def climb(self, depth: int = 24) -> str:
        """The same folder as a relative path that goes up first, whatever folder it begins at."""
        return "../" * depth + str(self.path).lstrip("/")

    def check(self) -> None:
        assert snapshot(self.path) == self.before, "something outside was changed"
        for store in self.stores:
            for path in store.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    assert SECRET.encode() not in path.read_bytes(), f"something outside was read: {path}"


def refused(built: Result, *words: str) -> None:
    """The build failed, and says so in these words."""
    assert built.end.outcome == "failed", built.end
    said = f"{built.end.error} {built.end.hint}".lower()
    for word in words:
        assert word.lower() in said, built.end


async def run(build: Builder, *lines: str, **options: object) -> str:
    """What a build on busybox wrote."""
    built = await build("FROM busybox\n" + "\n".join(lines) + "\n", no_cache=True, **options)
    assert built.end.outcome == "succeeded", built.end
    assert SECRET not in built.log
    return built.log
