"""`apt-get install` in a RUN, without root, on a Debian base that debootstrap made without root too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_embedded_conformance import require_range, without_tools

from tests.conftest import missing

SUITE = "bookworm"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar of a minimal Debian, with the owners that it should have."""
    path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    if not all(shutil.which(tool, path=path) for tool in ("debootstrap", "fakechroot", "fakeroot")):
        missing("no debootstrap, fakechroot or fakeroot: install Debian's packages of these names")
    folder = tmp_path_factory.mktemp("debian")
    archive, root = folder / "base.tar", folder / "root"
    # In this variant /dev and /proc are links to the machine's, and links begin with the folder that plays the root.
    script = (
        f"debootstrap --variant=fakechroot {SUITE} {root} >&2 && "
        f"tar -C {root} --numeric-owner --exclude=./dev --exclude=./proc --exclude=./sys "
        f"--exclude='./var/cache/apt/archives/*.deb' --transform 's,^{root}/,/,' -cf {archive} ."
    )
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        ["fakechroot", "fakeroot", "sh", "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        missing(f"debootstrap failed here: {done.stderr[-400:]}")
    return archive


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("sandbox")
@pytest.mark.skipif(os.geteuid() == 0, reason="for an ordinary user")
@pytest.mark.parametrize("ids", ["one user", "a range of users"])
def test_apt_get_install(ids: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with a program, and one whose folder belongs to a group of its own."""
    if ids == "one user":
        (tmp_path / "bin").mkdir()
        monkeypatch.setenv("PATH", without_tools(tmp_path / "bin", "newuidmap"))
    else:
        require_range()
    context = tmp_path / "context"
    (context / "apt").mkdir(parents=True)
    for name in ("apt.conf.d", "sources.list.d", "sources.list"):  # where this machine has its packages from
        source = Path("/etc/apt") / name
        if source.is_dir():
            shutil.copytree(source, context / "apt" / name)
        elif source.exists():
            shutil.copy(source, context / "apt" / name)
    (context / "Dockerfile").write_text(
        "FROM debian\nCOPY apt /etc/apt/\n"
        "RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends hello cron\n"
        "RUN hello && stat -c %G /var/spool/cron/crontabs\n"
    )
    command = [sys.executable, "-m", "workbench"]
    options = ["--engine", "embedded", "--root", str(tmp_path / "store")]
    subprocess.run([*command, "import", base, "debian", *options], check=True, capture_output=True)
    done = subprocess.run(
        [*command, "build", *options, context], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "Hello, world!" in done.stdout
    if ids != "one user":
        assert "\ncrontab\n" in done.stdout
