"""`--chmod` as chmod(1) reads it: compared with the system's own chmod."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from workbench.dockerfile.modes import parse_mode

SYMBOLIC = [
    "u=rwX,go=rX", "a+x", "go-w", "u+s", "g+s", "+t", "o=", "g=u", "u=g,o=g", "a=r", "u=rwx,g=rx,o=", "+X", "a-x",
    "u+rw-x", "go=u-w", "u=", "go=", "ug+s,o-r", "=r",
]  # fmt: skip


@pytest.mark.parametrize("text", SYMBOLIC)
def test_a_symbolic_mode_is_what_chmod_makes_of_it(text: str, tmp_path: Path) -> None:
    paths = []
    for mode in (0o644, 0o755, 0o600, 0o070, 0o000):
        for make in (Path.mkdir, Path.touch):
            path = tmp_path / f"{make.__name__}-{mode:o}"
            make(path)
            path.chmod(mode)
            paths.append((path, mode))
    subprocess.run(["chmod", text, *(path for path, _ in paths)], check=True, preexec_fn=lambda: os.umask(0))
    for path, mode in paths:
        found = stat.S_IMODE(path.stat().st_mode)
        assert f"{parse_mode(text).apply(mode, directory=path.is_dir()):o}" == f"{found:o}", (text, path.name)


def test_sticky_and_set_id_are_those_of_bsd() -> None:
    assert parse_mode("o=").apply(0o1777, directory=True) == 0o1770, "GNU's chmod takes the sticky bit too"
    assert parse_mode("o+t").apply(0o644, directory=False) == 0o644
    assert parse_mode("u=rx").apply(0o6755, directory=False) == 0o2555


@pytest.mark.parametrize(("text", "mode"), [("755", 0o755), ("0", 0), ("07777", 0o7777), ("644", 0o644)])
def test_a_number_is_octal(text: str, mode: int) -> None:
    assert parse_mode(text).apply(0o123, directory=False) == mode


@pytest.mark.parametrize("text", ["", "8", "77777", "u", "u=q", "rw", "u=r,", "0x1", "u=r;g=w"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid chmod parameter"):
        parse_mode(text)
