"""RUN: a command in a sandbox on the stage's image, and the layer that it leaves.

Environment, user, working folder and volumes are those of Docker's classic builder: what is written below a volume
is not in the layer (moby 20.10, a volume is mounted over it); HOME and HOSTNAME are set; PATH finds the program.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Literal

from workbench.build.events import Stream
from workbench.dataclass import dataclass
from workbench.engines.embedded.bwrap import Ability, Mode
from workbench.engines.embedded.cgroups import NO_LIMITS, Limits, group
from workbench.engines.embedded.container import SHM_SIZE, Bind, Container
from workbench.engines.embedded.disk import remove_tree
from workbench.engines.embedded.guardian import Guardian
from workbench.engines.embedded.layer_tar import LayerWriter, TarEntry
from workbench.engines.embedded.lowers import MountPoints, fit, refuse_place
from workbench.engines.embedded.sandbox import run
from workbench.engines.embedded.store import LayerRef, Store
from workbench.engines.embedded.upper import Owner, real_owner, write_upper
from workbench.engines.embedded.view import ImageView, account_number
from workbench.engines.worker import Cancel
from workbench.errors import EngineUnavailable, InputError

_APT = 'APT::Sandbox::User "root";\n'


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One RUN with everything filled in."""

    argv: Sequence[str]
    env: Mapping[str, str]
    user: str
    workdir: str
    volumes: Sequence[str]
    container: str
    """64 hexadecimal digits; the host's name inside is the first twelve."""
    network: Literal["host", "none"] = "host"
    insecure: bool = False
    add_hosts: Sequence[str] = ()
    shm_size: int = SHM_SIZE
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    script: str | None = None
    """A document that is itself the program; `argv` is ignored then."""
    mounts: Sequence[Bind] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """The exit code; where it is 0, the layer (None where nothing was changed) and its entries."""

    exit_code: int
    layer: LayerRef | None = None
    entries: Sequence[tuple[TarEntry, int]] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the command runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def identify(user: str, view: ImageView) -> Identity:
    """`name`, `uid`, with `:group` or without, as runc's libcontainer/user reads it; its group is also the first of its
    groups, as in Docker since 20.10.18 (CVE-2022-36109). Raises InputError."""
    name, colon, group = user.partition(":")
    name = name or "0"
    accounts = view.accounts
    known = accounts.user(name)
    number = account_number(name)
    if known is None and number is None:
        raise InputError(
            f"unable to find user {name}: no matching entries in passwd file",
            hint=f"Make the user first (RUN adduser {name}), or use a number.",
        )
    uid, gid, home = known or (number or 0, 0, "/")
    more = [] if colon and group else accounts.groups_of(name)
    if colon and group:
        found = accounts.group(group)
        if found is None:
            raise InputError(
                f"unable to find group {group}: no matching entries in group file",
                hint=f"Make the group first (RUN addgroup {group}), or use a number.",
            )
        gid = found
    return Identity(uid, gid, tuple(dict.fromkeys((gid, *more))), home or "/")


def locate(program: str, workdir: str, env: Mapping[str, str], view: ImageView) -> str:
    """The absolute path of what is to be run, as runc finds it. Raises InputError in runc's words."""
    if "/" in program:
        path = posixpath.join(workdir, program)
        _, found = view.follow(path)
        if found is None:
            raise InputError(f'exec: "{program}": stat {program}: no such file or directory', hint=_no_shell(program))
        if found.is_directory or not found.entry.mode & 0o111:
            raise InputError(f'exec: "{program}": permission denied', hint="The file must be executable.")
        return path
    for folder in env.get("PATH", "").split(":"):
        path = posixpath.join(workdir, folder, program)
        try:
            _, found = view.follow(path)
        except InputError:
            continue
        if found is not None and found.entry.kind == "file" and found.entry.mode & 0o111:
            return path
    raise InputError(
        f'exec: "{program}": executable file not found in $PATH', hint=f'"{program}" is not in this image.'
    )


def _no_shell(program: str) -> str:
    if program == "/bin/sh":
        return 'This image has no shell: use the exec form (RUN ["/program", "argument"]), or a base that has one.'
    return f"{program} is not in this image."


@dataclass(slots=True)
class Runner:
    """Runs commands for one build, from any thread. `scratch` is on the store's file system."""

    store: Store
    scratch: Path
    ability: Callable[[], Ability]
    cancel: Cancel
    limits: Limits = NO_LIMITS
    warn: Callable[[str], None] = lambda message: None
    guardian: Guardian = field(default_factory=Guardian)
    _warned: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _folders: dict[str, Path] = field(default_factory=dict)
    _points: MountPoints = field(init=False)

    def __post_init__(self) -> None:
        self._points = MountPoints(self.scratch)

    def run(
        self, request: RunRequest, layers: Sequence[LayerRef], view: ImageView, log: Callable[[str, Stream], None]
    ) -> RunResult:
        """Raises EngineUnavailable where there is no sandbox here, InputError where there is no such user or
        program, Cancelled."""
        able = self.ability()
        if able.mode is None or (able.bwrap is None and able.mode != "chroot"):
            raise EngineUnavailable(f"RUN does not work here: {able.reason}", hint=able.hint)
        place = self.scratch / f"run-{next(self._numbers)}"
        place.mkdir()
        try:
            preparation = _Preparation(request, view, place, able.mode, self._points)
            code = self._perform(preparation, layers, able, log)
            if code:
                return RunResult(code)
            preparation.discard_volumes()
            return self._commit(preparation)
        finally:
            remove_tree(place)

    def _perform(
        self, preparation: _Preparation, layers: Sequence[LayerRef], able: Ability, log: Callable[[str, Stream], None]
    ) -> int:
        with group(self.limits, self.guardian) as made:
            if able.mode == "chroot":
                from workbench.engines.embedded.chroot import WARNING
                from workbench.engines.embedded.chroot import run as run_in_chroot

                if not self._warned:
                    self._warned = True
                    self.warn(WARNING)
                tree = preparation.place / "tree"
                tree.mkdir()
                self.store.flatten(layers, tree)
                return run_in_chroot(preparation.container([]), tree, self.cancel, log, made)
            assert able.bwrap is not None
            assert able.mode is not None
            lowers = [*(self._folder(layer) for layer in layers), *preparation.extra_lowers]
            container = preparation.container(fit(lowers, self.scratch))
            return run(container, able.bwrap, able.mode, self.guardian, self.cancel, log, made)

    def _folder(self, layer: LayerRef) -> Path:
        """Where a layer lies unpacked, for the rest of the build: its lease keeps it there."""
        found = self._folders.get(layer.diff_id)
        if found is None:
            found = self._folders[layer.diff_id] = self.store.unpacked(layer)
        return found

    def _commit(self, preparation: _Preparation) -> RunResult:
        with self.store.write_blob() as blob:
            writer = LayerWriter(blob, check=self.cancel.check)
            write_upper(preparation.upper, writer, preparation.owner)
            if not writer.entries:
                return RunResult(0)
            writer.finish()
            made = blob.commit()
        layer = LayerRef(made.digest, made.digest, made.size, content=writer.content)
        self._folders[made.digest] = self.store.adopt(made.digest, preparation.upper, content=writer.content)
        return RunResult(0, layer, writer.entries)


class _Preparation:
    """The folders and files of one RUN."""

    def __init__(self, request: RunRequest, view: ImageView, place: Path, mode: Mode, points: MountPoints) -> None:
        self._request = request
        self._view = view
        self.place = place
        self._mode = mode
        self.identity = identify(request.user, view)
        self.upper = place / "upper"
        self._work = place / "work"
        for folder in (self.upper, self._work):
            folder.mkdir()
            folder.chmod(0o755)
        targets = {bind.target.lstrip("/"): bind.is_folder for bind in request.mounts}
        lacking, self._places = points.of(view, targets)
        self.extra_lowers = [lacking] if lacking is not None else []
        self._volumes = [view.resolve(path) for path in request.volumes]
        for path in (*self._volumes, view.resolve(request.workdir)):
            self._make_folder(path)

    def _make_folder(self, path: str) -> None:
        """A folder that Docker makes when it starts the container: a volume's, the working folder."""
        found = self._view.lookup(path)
        if found is not None and not found.is_directory:
            raise InputError(f"/{path} is not a directory")
        if found is not None or not path:
            return
        missing = [path]
        while (parent := missing[-1].rpartition("/")[0]) and self._view.lookup(parent) is None:
            missing.append(parent)
        parent = missing[-1].rpartition("/")[0]
        self._copy_up(parent)
        for name in reversed(missing):
            folder = self.upper / name
            if not folder.exists():
                folder.mkdir()
                folder.chmod(0o755 | folder.stat().st_mode & 0o2000)  # set-group-ID is inherited

    def _copy_up(self, path: str) -> None:
        """The folders down to `path` in the upper folder, with the attributes that they have in the image."""
        done = ""
        for part in filter(None, path.split("/")):
            done = f"{done}/{part}" if done else part
            folder, found = self.upper / done, self._view.lookup(done)
            if not folder.exists() and found is not None:
                folder.mkdir()
                if self._mode != "user":
                    os.chown(folder, found.entry.uid, found.entry.gid)
                folder.chmod(found.entry.mode)

    def container(self, lowers: Sequence[Path]) -> Container:
        request, identity = self._request, self.identity
        env = self._environment()
        binds = [self._file("etc/hosts", self._hosts()), self._file("etc/resolv.conf", _resolv_conf())]
        binds += self._mounts()
        if self._mode == "user" and self._view.lookup("etc/apt") is not None:
            binds.append(self._private("apt.conf", "/dev/apt.conf", _APT))
            env.setdefault("APT_CONFIG", "/dev/apt.conf")
        if request.script is not None:
            binds.append(self._private("script", "/dev/script", request.script, mode=0o755))
            program, argv = "/dev/script", ["/dev/script"]
        else:
            argv = list(request.argv)
            program = locate(argv[0], request.workdir, env, self._view)
        # bwrap sets PWD, which a shell believes; Docker does not, and the shell finds the real folder.
        workdir = "/" + self._view.resolve(posixpath.normpath(request.workdir).lstrip("/"))
        return Container(
            lowers=lowers, upper=self.upper, work=self._work, program=program, argv=argv, env=env,
            workdir=workdir, uid=identity.uid, gid=identity.gid, groups=identity.groups,
            hostname=request.container[:12], network=request.network, binds=binds, shm_size=request.shm_size,
            limits=request.limits, insecure=request.insecure,
            volumes=[f"/{path}" for path in self._volumes if path], gives_rights=self._view.gives_rights,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        """In Docker's order (moby 20.10, container.CreateDaemonEnvironment; runc adds HOME)."""
        given = self._request.env
        first = {"PATH": given["PATH"]} if "PATH" in given else {}
        env = {**first, "HOSTNAME": self._request.container[:12], **given}
        env.setdefault("HOME", self.identity.home)
        return env

    def _mounts(self) -> list[Bind]:
        """At their real places. Raises InputError for what is not a place to mount on."""
        binds: list[Bind] = []
        for bind in self._request.mounts:
            place = self._places[bind.target.lstrip("/")]
            refuse_place(
                place, bind, [(above, self._places[above.target.lstrip("/")]) for above in self._request.mounts]
            )
            binds.append(replace(bind, target=f"/{place}"))
        return binds

    def _file(self, path: str, content: str) -> Bind:
        source = self.place / path.rpartition("/")[2]
        source.write_text(content, encoding="utf-8", errors="surrogateescape")
        source.chmod(0o644)
        return Bind(source, "/" + self._places[path])

    def _private(self, name: str, target: str, content: str, *, mode: int = 0o644) -> Bind:
        source = self.place / name
        source.write_text(content, encoding="utf-8", errors="surrogateescape")
        source.chmod(mode)
        return Bind(source, target, read_only=True)

    def _hosts(self) -> str:
        lines = [
            "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
            "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
        ]  # fmt: skip
        for text in self._request.add_hosts:
            name, _, address = text.partition(":") if "=" not in text else text.partition("=")
            lines.append(f"{address.strip('[]')}\t{name}")
        lines.append(f"127.0.1.1\t{self._request.container[:12]}")
        return "\n".join(lines) + "\n"

    def discard_volumes(self) -> None:
        """What was written below a volume lies in the volume, not in the layer."""
        for path in self._volumes:
            folder = self.upper / path
            if not path or not _is_folder_below(self.upper, path):
                continue  # the command may have put a link in its way, which leads anywhere (CVE-2024-23652)
            for name in os.listdir(folder):
                remove_tree(folder / name)
            if self._view.lookup(path) is not None:
                self._remove(path)
            else:
                folder.chmod(0o755)
                if self._mode != "user":
                    os.chown(folder, 0, 0)

    def _remove(self, path: str) -> None:
        """Takes a folder out of the upper one, and those above it that are there only because of it."""
        while path:
            parent = path.rpartition("/")[0]
            facts = (self.upper / parent).stat()
            (self.upper / path).rmdir()
            found = self._view.lookup(parent) if parent else None
            if found is None or os.listdir(self.upper / parent):
                return
            if (int(facts.st_mtime), stat.S_IMODE(facts.st_mode)) != (found.entry.mtime, found.entry.mode):
                return
            path = parent

    @property
    def owner(self) -> Owner:
        return real_owner if self._mode != "user" else self._owner_without_root

    def _owner_without_root(self, path: str, kind: str, facts: os.stat_result) -> tuple[int, int]:
        """Without root the disk knows one owner: what was in the image keeps the owner it has there, what is new
        belongs to whom the command ran as."""
        found = self._view.lookup(path)
        if found is not None and found.layer is not None and found.entry.kind in (kind, "file"):
            return found.entry.uid, found.entry.gid
        return self.identity.uid, self.identity.gid


def _is_folder_below(root: Path, path: str) -> bool:
    """Whether `path` is a folder and no part of it a link."""
    at = os.fspath(root)
    for part in path.split("/"):
        at = f"{at}/{part}"
        try:
            if not stat.S_ISDIR(os.lstat(at).st_mode):
                return False
        except FileNotFoundError:
            return False
    return True


def _resolv_conf() -> str:
    try:
        return Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
