"""The image that the cases begin with: busybox, a few accounts, and the links and modes that COPY and RUN fall over."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from differential.case import TIME

_APPLETS = [
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "echo",
    "env",
    "false",
    "find",
    "grep",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mv",
    "pwd",
    "rm",
    "rmdir",
    "sed",
    "sh",
    "sleep",
    "sort",
    "stat",
    "tail",
    "test",
    "touch",
    "tr",
    "true",
    "umask",
    "wc",
]
_FOLDERS = {
    "bin": 0o755, "wd": 0o755, "etc": 0o755, "proc": 0o555, "sys": 0o555, "dev": 0o755, "tmp": 0o1777, "root": 0o700,
    "d": 0o750, "d/sub": 0o2775, "d/sub/deep": 0o755, "e": 0o755, "o/p/q": 0o755, "o/p": 0o700, "o": 0o711,
}  # fmt: skip
_LINKS = {
    "lnk": "d", "abs": "/d/sub", "dangling": "/nowhere/x", "loop": "loop", "d/up": "../e", "flink": "f",
    "out": "../../../e", "e/chain": "../lnk/sub",
}  # fmt: skip
_FILES = {
    "etc/passwd": ("root:x:0:0:root:/root:/bin/sh\napp:x:1001:1002::/home/app:/bin/sh\n77:x:78:79::/:/bin/sh\n", 0o644),
    "etc/group": ("root:x:0:\nstaff:x:50:app\nextra:x:51:root,app\napp:x:1002:\n", 0o644),
    "etc/hosts": ("", 0o644), "etc/hostname": ("", 0o644), "etc/resolv.conf": ("", 0o644),
    "f": ("file\n", 0o640), "suid": ("suid\n", 0o4755), "h1": ("hard\n", 0o644), "d/f": ("in d\n", 0o600),
    "d/sub/x": ("x\n", 0o644), "d/sub/deep/y": ("y\n", 0o444), "o/p/q/z": ("z\n", 0o644), "e/sp ace": ("s\n", 0o644),
}  # fmt: skip


def archive(busybox: Path, name: str) -> bytes:
    """As `docker save` writes it, for the tag `name`, which also makes its layer one of its own: Docker loses a layer
    that one build makes while another's with the same content is removed ("layer does not exist")."""
    layer = _layer(busybox.read_bytes(), name)
    diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    document = {
        "architecture": "amd64", "os": "linux", "created": "2001-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/bin", "BASED=on base", "EMPTY="], "Cmd": ["sh"], "WorkingDir": "/wd",
            "Labels": {"base": "1"},
            "Volumes": {"/basevol": {}}, "ExposedPorts": {"1/tcp": {}},
        },
        "history": [{"created": "2001-01-01T00:00:00Z", "created_by": "made by hand", "comment": "the base"}],
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }  # fmt: skip
    config = json.dumps(document, sort_keys=True).encode()
    file = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": file, "RepoTags": [f"{name}:latest"], "Layers": ["layer/layer.tar"]}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, data in (
            (file, config),
            ("layer/layer.tar", layer),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            _add(tar, path, data=data)
    return out.getvalue()


def _layer(busybox: bytes, name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, mode in sorted(_FOLDERS.items()):
            _add(tar, path, kind=tarfile.DIRTYPE, mode=mode, owner=(3, 4) if path.startswith("d") else (0, 0))
        _add(tar, "bin/busybox", data=busybox, mode=0o755)
        for applet in _APPLETS:
            _add(tar, f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox")
        for path, (text, mode) in _FILES.items():
            _add(tar, path, data=text.encode(), mode=mode, owner=(5, 6) if path in ("f", "d/f") else (0, 0))
        for path, link in _LINKS.items():
            _add(tar, path, kind=tarfile.SYMTYPE, link=link)
        _add(tar, "base", data=name.encode())
        for path in ("h2", "e/h3"):
            _add(tar, path, kind=tarfile.LNKTYPE, link="h1")
    return out.getvalue()


def _add(
    tar: tarfile.TarFile, path: str, *, kind: bytes = tarfile.REGTYPE, data: bytes = b"", mode: int = 0o644,
    link: str = "", owner: tuple[int, int] = (0, 0),
) -> None:  # fmt: skip
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.linkname, info.mtime = kind, mode, link, TIME
    info.uid, info.gid = owner
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
