"""`busybox.tar.xz`, the root file system of the samples: a static busybox, its applets as links, a few files.

The busybox is this machine's, else that of Debian's busybox-static, fetched by apt without being root.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.errors import InputError, StoreError

ARCHIVE = "busybox.tar.xz"

Say = Callable[[str], None]

_FOLDERS = {"bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o755, "root": 0o700, "tmp": 0o1777,
            "usr": 0o755, "usr/bin": 0o755, "var": 0o755}  # fmt: skip
_FILES = {
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
}
_PLACES = ("/bin/busybox", "/usr/bin/busybox", "/usr/local/bin/busybox")
_BY_HAND = (
    "Install a static busybox (Debian: apt-get install busybox-static), or put a root file system's tar of your own "
    f"there as {ARCHIVE}."
)


def make_archive(context: Path, say: Say) -> None:
    """Writes `busybox.tar.xz` into the folder, and says from what. Raises InputError where there is no busybox."""
    with tempfile.TemporaryDirectory(prefix="workbench-busybox-") as scratch:
        busybox = find_static() or fetch_static(Path(scratch), say)
        say(f"making {ARCHIVE} from {busybox if not busybox.is_relative_to(scratch) else 'busybox-static'}")
        write_archive(context / ARCHIVE, busybox.read_bytes(), applets(busybox))


def find_static() -> Path | None:
    """A static busybox of this machine."""
    candidates = [shutil.which("busybox"), *_PLACES]
    return next((Path(it) for it in candidates if it and is_static(Path(it))), None)


def is_static(path: Path) -> bool:
    """Whether it is an ELF program that asks for no interpreter (PT_INTERP, type 3)."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    if len(data) < 64 or not data.startswith(b"\x7fELF"):
        return False
    order = "<" if data[5] == 1 else ">"
    wide = data[4] == 2
    offset = struct.unpack_from(f"{order}Q" if wide else f"{order}I", data, 32 if wide else 28)[0]
    size, count = struct.unpack_from(f"{order}HH", data, 54 if wide else 42)
    headers = [offset + at * size for at in range(count)]
    return bool(headers) and all(
        struct.unpack_from(f"{order}I", data, at)[0] != 3 for at in headers if at + 4 <= len(data)
    )


def fetch_static(scratch: Path, say: Say) -> Path:
    """Debian's busybox-static, with lists and a cache of its own, so that nobody need be root. Raises InputError."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise InputError("there is no static busybox on this machine, and no apt to fetch one with", hint=_BY_HAND)
    say("no static busybox on this machine: fetching Debian's busybox-static with apt-get (nothing is installed)")
    for folder in ("lists/partial", "cache/archives/partial"):
        (scratch / "apt" / folder).mkdir(parents=True)
    configuration = scratch / "apt" / "apt.conf"
    configuration.write_text(
        f'Dir::State::lists "{scratch}/apt/lists";\nDir::Cache "{scratch}/apt/cache";\n'
        'APT::Sandbox::User "";\nDebug::NoLocking "true";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C.UTF-8"}
    _run(["apt-get", "update", "-qq"], scratch, environment)
    _run(["apt-get", "download", "-qq", "busybox-static"], scratch, environment)
    packages = sorted(scratch.glob("busybox-static_*.deb"))
    if not packages:
        raise InputError("apt-get fetched no busybox-static", hint=_BY_HAND)
    _run(["dpkg-deb", "-x", str(packages[0]), str(scratch / "root")], scratch, environment)
    for place in _PLACES:
        found = scratch / "root" / place.lstrip("/")
        if is_static(found):
            return found
    raise InputError("Debian's busybox-static has no static busybox in it", hint=_BY_HAND)


def _run(command: Sequence[str], where: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=where, env=environment, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InputError(f"{' '.join(command[:2])}: {said}", hint=_BY_HAND)


def applets(busybox: Path) -> list[str]:
    """The commands that it answers to. Raises InputError where it does not run here."""
    try:
        done = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"{busybox} does not run on this machine: {error}", hint=_BY_HAND) from error
    return sorted({name for name in done.stdout.split() if "/" not in name and name != "busybox"})


def write_archive(path: Path, busybox: bytes, names: Sequence[str]) -> None:
    """The same busybox gives the same bytes. The file is whole or absent. Raises StoreError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with (
            lzma.open(temporary, "wb", preset=6) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for name, (mode, kind, content) in sorted(_members(busybox, names).items()):
                _add(tar, name, mode, kind, content)
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _members(busybox: bytes, names: Sequence[str]) -> dict[str, tuple[int, bytes, bytes]]:
    members = {name: (mode, tarfile.DIRTYPE, b"") for name, mode in _FOLDERS.items()}
    members |= {name: (0o644, tarfile.REGTYPE, content) for name, content in _FILES.items()}
    members |= {f"bin/{name}": (0o777, tarfile.SYMTYPE, b"busybox") for name in names}
    members["bin/busybox"] = (0o755, tarfile.REGTYPE, busybox)
    return members


def _add(tar: tarfile.TarFile, name: str, mode: int, kind: bytes, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, mode
    if kind == tarfile.SYMTYPE:
        member.linkname = content.decode()
        tar.addfile(member)
        return
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
