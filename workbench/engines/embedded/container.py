"""What runs in a sandbox, and on what: facts alone, so that a build that runs nothing does not pay for the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal

from workbench.dataclass import dataclass

SHM_SIZE = 64 << 20


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of the host at a place in the sandbox. Without a source it is a file of `data` (which is on no
    disk) with `mode`, or a tmpfs of `size` bytes."""

    source: Path | None
    target: str
    read_only: bool = False
    size: int | None = None
    data: bytes | None = field(default=None, repr=False)
    mode: int = 0o644

    @property
    def is_folder(self) -> bool:
        return self.data is None and (self.source is None or self.source.is_dir())


@dataclass(frozen=True, slots=True)
class Container:
    """What runs, on what. `lowers` is lowest first; `argv[0]` is what the program sees, `program` what is run."""

    lowers: Sequence[Path]
    upper: Path
    work: Path
    program: str
    argv: Sequence[str]
    env: Mapping[str, str]
    workdir: str = "/"
    uid: int = 0
    gid: int = 0
    groups: Sequence[int] = ()
    hostname: str = ""
    network: Literal["host", "none"] = "host"
    insecure: bool = False
    """Every capability, and nothing of /proc and /sys hidden; still in namespaces of its own, so without the machine's
    devices."""
    binds: Sequence[Bind] = ()
    shm_size: int = SHM_SIZE
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """`resource.RLIMIT_...` -> (soft, hard)."""
    volumes: Sequence[str] = ()
    """Folders that are to be mounts of their own, where that can be."""
    gives_rights: bool = False
    """Whether a program of the image makes whom it runs for another user, or gives capabilities (sudo, ping)."""
