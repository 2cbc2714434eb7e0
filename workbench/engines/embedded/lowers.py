"""The folders that an overlay stands on: the layers' own, few enough for one mount, and the places to mount on.

The kernel takes one page of options for a mount, which is some thirty long paths; older layers are then joined into
one folder of hard links. What the sandbox mounts on (`/proc`, `/etc/resolv.conf`) and the image lacks comes from a
folder of its own, as in Docker (moby 20.10, daemon/initlayer): so it never lands in the layer.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from workbench.engines.embedded.container import Bind
from workbench.engines.embedded.upper import OPAQUE_XATTR
from workbench.engines.embedded.view import ImageView
from workbench.errors import InputError

PAGE = 4096
_RESERVE = 600
"""For the upper folder, the working folder, the mount points' folder and the options themselves."""
_JOINING = threading.Lock()
"""Stages side by side may stand on the same layers."""
FOLDERS = ("proc", "sys", "dev")
FILES = ("etc/hosts", "etc/resolv.conf")


class MountPoints:
    """Folders with what an image lacks of the places to mount on, below `scratch`. Each is made once: the steps of a
    build lack the same. From any thread."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._made: dict[object, Path] = {}
        self._lock = threading.Lock()

    def of(self, view: ImageView, wanted: Mapping[str, bool]) -> tuple[Path | None, dict[str, str]]:
        """The folder (None where the image lacks nothing), and where each of `FILES` and `wanted` (clean path ->
        whether it is a folder) really lies once links are followed. Raises InputError where the image has a link in
        the place of /proc, /sys or /dev."""
        places: dict[str, str] = {}
        missing: list[tuple[str, bool]] = []
        for path in FOLDERS:
            found = view.lookup(path)
            if found is not None and not found.is_directory:  # runc refuses it too, since CVE-2019-19921
                raise InputError(
                    f"/{path} of this image is not a folder", hint="RUN mounts there, and no link may say where."
                )
        for path in (*FOLDERS, *FILES, *wanted):
            place = view.resolve(path)
            places[path] = place
            if view.lookup(place) is None:
                missing.append((place, wanted.get(path, path not in FILES)))
        return self._folder(view, missing) if missing else None, places

    def _folder(self, view: ImageView, missing: Sequence[tuple[str, bool]]) -> Path:
        above = sorted({parent for place, _ in missing for parent in _parents(place)})
        attributes = [(name, _attributes(view, name)) for name in above]
        key = (tuple(missing), tuple(attributes))
        with self._lock:
            found = self._made.get(key)
            if found is None:
                found = self._made[key] = self._scratch / f"points-{len(self._made)}"
                _make(found, missing, attributes)
        return found


def refuse_place(place: str, bind: Bind, all_binds: Sequence[tuple[Bind, str]]) -> None:
    """Raises InputError where a mount would cover the sandbox's own (runc refuses /proc since CVE-2019-16884), or lies
    behind a link inside another mount: that link would be followed before the sandbox is closed (CVE-2024-23651)."""
    if place in ("", "dev") or place.split("/")[0] in ("proc", "sys"):
        raise InputError(f"RUN --mount: nothing can be mounted on /{place}", hint="Choose a target of your own.")
    for other, above in all_binds:
        if other.source is None or not place.startswith(f"{above}/"):
            continue
        if not bind.target.startswith(other.target.rstrip("/") + "/"):
            raise InputError(
                f"RUN --mount: {bind.target} lies in {other.target} by way of a link; name the folder itself"
            )
        at = os.fspath(other.source)
        for part in place[len(above) + 1 :].split("/"):
            at = f"{at}/{part}"
            if os.path.islink(at):
                raise InputError(f"RUN --mount: {bind.target} goes over a link in {other.target}")


def _parents(place: str) -> Iterator[str]:
    while place:
        place = place.rpartition("/")[0]
        yield place


def _attributes(view: ImageView, name: str) -> tuple[int, int, int, int] | None:
    """Owner, group, mode and time of a folder that the image has."""
    found = view.lookup(name)
    if found is None or found.layer is None:
        return None
    return found.entry.uid, found.entry.gid, found.entry.mode, found.entry.mtime


def _make(
    folder: Path, missing: Sequence[tuple[str, bool]], above: Sequence[tuple[str, tuple[int, int, int, int] | None]]
) -> None:
    """Makes files and folders. Those above them get the attributes that they have in the image, so that the image's are
    not hidden."""
    for name in (*(name for name, _ in above), *(place for place, is_folder in missing if is_folder)):
        path = folder / name
        if not path.is_dir():
            path.mkdir()
            path.chmod(0o755)
    for place, is_folder in missing:
        if not is_folder:
            path = folder / place
            path.touch(mode=0o644)
            path.chmod(0o644)
    for name, attributes in reversed(above):
        if attributes is None:
            continue
        uid, gid, mode, mtime = attributes
        if os.geteuid() == 0:
            os.chown(folder / name, uid, gid)
        (folder / name).chmod(mode)
        os.utime(folder / name, (mtime, mtime))


def fit(lowers: Sequence[Path], scratch: Path) -> list[Path]:
    """The same file system in folders whose paths fit in one mount. Lowest first."""
    room = PAGE - _RESERVE
    fitting = list(lowers)
    while len(fitting) > 2 and sum(len(os.fsencode(path)) + 9 for path in fitting) > room:
        count = max(2, 1 << (len(fitting) // 2).bit_length() - 1)  # a power of two: the next step joins the same ones
        chain = hashlib.sha256(b"\0".join(map(os.fsencode, fitting[:count]))).hexdigest()[:16]
        joined = scratch / f"joined-{chain}"
        with _JOINING:
            if not joined.exists():
                _join(fitting[:count], joined)
        fitting = [joined, *fitting[count:]]
    return fitting


def _join(lowers: Sequence[Path], target: Path) -> None:
    """Hard links in `target` to the files that the overlay of `lowers` would show."""
    making = target.with_name(f"{target.name}.making")
    making.mkdir()
    for lower in lowers:
        _merge(os.fspath(lower), os.fspath(making))
    making.rename(target)


def _merge(source: str, target: str) -> None:
    facts = os.lstat(source)
    os.chmod(target, 0o700)
    for name in os.listdir(source):
        here, there = f"{source}/{name}", f"{target}/{name}"
        found = os.lstat(here)
        exists = os.path.lexists(there)
        is_folder = stat.S_ISDIR(found.st_mode)
        opaque = is_folder and _opaque(here)
        if exists and (opaque or not (is_folder and stat.S_ISDIR(os.lstat(there).st_mode))):
            _remove(there)
            exists = False
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            continue
        if not is_folder:
            os.link(here, there, follow_symlinks=False)
            continue
        if not exists:
            os.mkdir(there)
        _merge(here, there)
    if os.geteuid() == 0:
        os.chown(target, facts.st_uid, facts.st_gid)
    os.chmod(target, stat.S_IMODE(facts.st_mode))
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _opaque(path: str) -> bool:
    try:
        return os.getxattr(path, OPAQUE_XATTR) == b"y"
    except OSError:
        return False


def _remove(path: str) -> None:
    from workbench.engines.embedded.disk import remove_tree

    remove_tree(Path(path))
