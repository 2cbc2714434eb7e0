"""`RUN --mount`: what is bound in the sandbox while a command runs, and nothing of it afterwards.

A bind of the context or of an image is a copy in scratch space: it cannot be written back, and without root nothing
else can be mounted. Caches lie in the store (`cache_mounts`); a secret is handed over in memory and an ssh agent
through a socket of ours (`agent`), and neither is part of the step's key. Source: moby/buildkit, dockerfile2llb,
convert_runmount.go, convert_secrets.go and convert_ssh.go.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.build.manifest import Inputs
from workbench.dataclass import dataclass
from workbench.dockerfile.mounts import Mount
from workbench.engines.embedded import copy
from workbench.engines.embedded.container import Bind
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.taken import Taken, take
from workbench.engines.embedded.trees import Item, Tree, below, clean_source

if TYPE_CHECKING:
    from workbench.engines.embedded.cache_mounts import CacheFolder
    from workbench.engines.embedded.tools import Tools

_MEMORY = Path("/dev/shm")  # where secrets of another owner lie, in memory, while a command runs


@dataclass(slots=True)
class Ready:
    """The places to bind, what the environment gets, and the secrets that no output may show."""

    binds: list[Bind] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    secrets: list[bytes] = field(default_factory=list, repr=False)


class Mounts:
    """The mounts of one RUN. `source` finds the files that `from=` names; a relative target counts from `workdir`."""

    def __init__(
        self, mounts: Sequence[Mount], tools: Tools, source: Callable[[str], Tree], workdir: str = "/"
    ) -> None:
        self._mounts = mounts
        self._tools = tools
        self._source = source
        self._workdir = workdir
        self.inputs = Inputs()
        """What `manifest` saw that is bound."""

    def manifest(self) -> list[Any]:
        """What the step cache keys on: what is bound by its content, all else by what is written."""
        rows: list[Any] = []
        self.inputs = Inputs()
        for mount in self._mounts:
            rows.append([mount.type, mount.target, mount.id, mount.read_only])
            if mount.type == "bind":
                taken = self._taken(self._find(mount), mount.from_)
                rows.append(taken.digest)
                self.inputs = Inputs(self.inputs.folders + taken.inputs.folders)
            elif mount.type in ("secret", "ssh"):
                rows.append([mount.source, mount.env, mount.mode, mount.uid, mount.gid])
        return rows

    def _taken(self, found: copy.Source, origin: str) -> Taken:
        return take(copy.Transfer("RUN", [found], "/", "/", None), self._tools.cancel.check, origin)

    @contextmanager
    def ready(self) -> Iterator[Ready]:
        """Everything in place for as long as the command runs."""
        from workbench.engines.embedded.cache_mounts import CacheMounts

        with ExitStack() as stack:
            caches = {id(mount): self._cache(mount) for mount in self._mounts if mount.type == "cache"}
            root = self._tools.store.private / "mounts"
            store = CacheMounts(root, self._tools.scratch, self._tools.cancel.check)
            folders = store.open(list(caches.values()), stack)
            ready = Ready()
            for mount in self._mounts:
                if mount.type == "ssh":
                    self._ssh(mount, ready, stack)
                elif mount.type == "secret":
                    self._secret(mount, ready, stack)
                elif mount.type == "tmpfs":
                    ready.binds.append(Bind(None, self._target(mount), size=mount.size or None))
                elif mount.type == "cache":
                    folder = folders[caches[id(mount)].key]
                    ready.binds.append(Bind(folder, self._target(mount), mount.read_only))
                elif mount.type == "bind":
                    ready.binds.append(self._bind(mount))
            yield ready

    def _target(self, mount: Mount) -> str:
        """Where it is mounted. Raises StepFailed for the root."""
        target = mount.target
        if mount.type == "secret":
            target = target or f"/run/secrets/{posixpath.basename(mount.source or mount.id)}"
        elif mount.type == "ssh":
            numbers = [id(other) for other in self._mounts if other.type == "ssh"]
            target = target or f"/run/buildkit/ssh_agent.{numbers.index(id(mount))}"
        target = posixpath.normpath(posixpath.join("/", self._workdir, target))
        if target.strip("/") == "":
            raise StepFailed(f"RUN --mount={mount.text}: invalid mount target {target!r}", "Name a folder: target=/x.")
        return target

    # -- bind and cache ------------------------------------------------------------------------------------------

    def _bind(self, mount: Mount) -> Bind:
        folder = self._tools.new_folder("mount") / "content"
        self._copy(self._find(mount), folder)
        return Bind(folder, self._target(mount), mount.read_only)

    def _find(self, mount: Mount) -> copy.Source:
        tree: Tree | None = self._source(mount.from_) if mount.from_ else self._tools.context
        found = copy.lookup(tree, clean_source(mount.source)) if tree is not None else None
        if found is None:
            raise StepFailed(f"RUN --mount: {mount.source}: file does not exist")
        return found

    def _copy(self, found: copy.Source, folder: Path) -> None:
        self._write(found.item, folder)
        first: dict[tuple[object, ...], Path] = {}
        for path, item in found.tree.walk(found.path) if found.is_directory else ():
            self._tools.cancel.check()
            place = folder / below(path, found.path)
            known = first.setdefault(item.inode, place) if item.entry.kind == "file" else place
            if known != place:
                os.link(known, place)
            else:
                self._write(item, place)

    def _write(self, item: Item, path: Path) -> None:
        entry = item.entry
        if entry.kind == "directory":
            path.mkdir(exist_ok=True)
        elif entry.kind == "symlink":
            path.symlink_to(entry.link)
            return
        elif entry.kind == "file":
            left = entry.size
            with item.open() as source, path.open("wb") as out:
                while left and (data := source.read(min(left, 1 << 20))):
                    out.write(data)
                    left -= len(data)
        else:
            return
        if os.geteuid() == 0:
            os.chown(path, entry.uid, entry.gid)
        path.chmod(entry.mode | (0o700 if entry.kind == "directory" else 0))
        os.utime(path, (entry.mtime, entry.mtime))

    def _cache(self, mount: Mount) -> CacheFolder:
        from workbench.engines.embedded.cache_mounts import CacheFolder

        identifier = mount.id or posixpath.normpath(mount.target)
        below = f"{self._target(mount)}/"
        alone = any(self._target(other).startswith(below) for other in self._mounts if other is not mount)
        if not mount.from_:
            return CacheFolder(mount, identifier, alone=alone)
        found = self._find(mount)
        if not found.is_directory:
            raise StepFailed(f"RUN --mount={mount.text}: {mount.source} is no folder")
        base = self._taken(found, mount.from_).digest
        return CacheFolder(mount, identifier, base, lambda folder: self._copy(found, folder), alone)

    # -- secret and ssh ------------------------------------------------------------------------------------------

    def _secret(self, mount: Mount, ready: Ready, stack: ExitStack) -> None:
        name = mount.source or mount.id or posixpath.basename(mount.target)
        value = self._tools.plan.secrets.get(name)
        if value is None:
            if mount.required:
                raise StepFailed(
                    f"RUN --mount: secret {name}: not found", f"Give it with --secret id={name},src=FILE (or env=NAME)."
                )
            return
        ready.secrets.append(value)
        if mount.env is not None:
            if b"\0" in value:
                raise StepFailed(f"RUN --mount: secret {name} has a NUL byte, which no environment can have")
            ready.env[mount.env or name] = value.decode("utf-8", "surrogateescape")
        if mount.env is None or mount.target:
            ready.binds.append(self._secret_file(mount, value, stack))

    def _secret_file(self, mount: Mount, value: bytes, stack: ExitStack) -> Bind:
        mode = 0o400 if mount.mode is None else mount.mode
        uid, gid = mount.uid or 0, mount.gid or 0
        target = self._target(mount)
        if (uid, gid) == (0, 0) or os.geteuid() != 0:  # without root there is one user, to whom it belongs
            return Bind(None, target, read_only=True, data=value, mode=mode)
        import tempfile

        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="workbench-", dir=_MEMORY))
        path = Path(place) / "secret"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(value)
        os.chown(path, uid, gid)
        path.chmod(mode)
        return Bind(path, target, read_only=True)

    def _ssh(self, mount: Mount, ready: Ready, stack: ExitStack) -> None:
        from workbench.engines.embedded.agent import AgentProxy

        name = mount.id or "default"
        agent = self._tools.plan.agents.get(name)
        if agent is None:
            if mount.required:
                raise StepFailed(
                    f"RUN --mount: ssh agent {name}: not found", f"Give it with --ssh {name} (or {name}=SOCKET)."
                )
            return
        mode = 0o600 if mount.mode is None else mount.mode
        proxy = AgentProxy(Path(agent), mode=mode, uid=mount.uid or 0, gid=mount.gid or 0)
        stack.callback(proxy.close)
        target = self._target(mount)
        ready.binds.append(Bind(proxy.path, target))
        ready.env.setdefault("SSH_AUTH_SOCK", target)
