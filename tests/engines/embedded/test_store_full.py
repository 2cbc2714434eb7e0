"""Every command on a full disk, on a read-only one and under a limit of file sizes: a clear error, a whole store."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_tools import config_of, make_tar, put_layer

from tests.cli.conftest import Run, run  # noqa: F401
from workbench.engines.embedded.checking.examine import examine
from workbench.engines.embedded.save import save
from workbench.engines.embedded.store import Store

_FILES = 300_000


def mount(folder: Path, *options: str) -> None:
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"only root can mount a small disk: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two mebibytes with a store that has an image `small`."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
    put_image(Store(folder / "store").open(), "small:1", b"s" * 100_000)
    yield folder
    subprocess.run(["umount", folder], check=True)


def put_image(store: Store, tag: str, data: bytes) -> None:
    layer = put_layer(store, make_tar(("file", data)))
    store.put_image(config_of(layer), [layer], tags=[tag])


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, list[str]]:
    """What writes a new image: more than fits beside a filler."""
    elsewhere = Store(tmp_path / "elsewhere").open()
    put_image(elsewhere, "big:1", os.urandom(_FILES))
    save(elsewhere, ["big:1"], tmp_path / "big.tar")
    (tmp_path / "root.tar").write_bytes(make_tar(("file", os.urandom(_FILES))))
    context = tmp_path / "context"
    context.mkdir()
    (context / "data").write_bytes(os.urandom(_FILES))
    (context / "Dockerfile").write_text("FROM small:1\nCOPY data /\n")
    return {
        "load": ["load", "-i", str(tmp_path / "big.tar")],
        "import": ["import", str(tmp_path / "root.tar"), "imported:1"],
        "build": ["build", "-q", "-t", "built:1", str(context)],
        "tag": ["tag", "small:1", "other:1"],
    }


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)


def check(root: Path) -> None:
    """Whole, with nothing left of what failed, and the image that was there."""
    store = Store(root)
    report = examine(store)
    assert report.findings == []
    assert [tag for image in store.catalog().images.values() for tag in image.tags] == ["small:1"]
    assert not any(store.layout.scratch.folder.iterdir())


def test_a_full_disk(disk: Path, commands: dict[str, list[str]], run: Run) -> None:  # noqa: F811
    root = disk / "store"
    at = ("--engine", "embedded", "--root", str(root))
    for name, words in commands.items():
        fill(disk)
        done = run(*at, *words)
        assert (done.code, done.out) == (1, ""), (name, done)
        assert "No space left on device" in done.err and "Traceback" not in done.err, (name, done)
        (disk / "filler").unlink()
        check(root)
    fill(disk)
    assert run(*at, "images", "-q").code == 0
    assert run(*at, "prune", "--dry-run").code == 0
    assert run(*at, "prune", "--force").code == 0
    assert run(*at, "rmi", "small:1").code == 0
    (disk / "filler").unlink()
    assert examine(Store(root)).findings == []
    assert run(*at, *commands["load"]).code == 0


def test_a_read_only_disk(disk: Path, commands: dict[str, list[str]], run: Run) -> None:  # noqa: F811
    root = disk / "store"
    at = ("--engine", "embedded", "--root", str(root))
    mount(disk, "-o", "remount,ro")
    writing = {**commands, "rmi": ["rmi", "small:1"], "prune": ["prune", "--force"],
               "prune --cache": ["prune", "--cache", "--force"], "repair": ["check-store", "--repair"]}  # fmt: skip
    for name, words in writing.items():
        done = run(*at, *words)
        assert (done.code, done.out) == (1, ""), (name, done)
        assert "Read-only file system" in done.err and "--root" in done.err, (name, done)
    for words in (["images"], ["history", "small:1"], ["df"], ["prune", "--dry-run"], ["check-store"]):
        done = run(*at, *words)
        assert (done.code, done.err) == (0, ""), (words, done)
    mount(disk, "-o", "remount,rw")
    check(root)


def test_a_limit_of_file_sizes(tmp_path: Path, commands: dict[str, list[str]]) -> None:
    """What an ordinary user can be given too: `ulimit -f`."""
    root = tmp_path / "store"
    put_image(Store(root).open(), "small:1", b"s" * 1000)
    for name in ("load", "build"):
        done = subprocess.run(
            [sys.executable, "-m", "workbench", "--engine", "embedded", "--root", root, *commands[name]],
            capture_output=True, text=True, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (_FILES - 10_000, _FILES - 10_000)),
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert "File too large" in done.stderr and "ulimit -f" in done.stderr, done.stderr
        check(root)
