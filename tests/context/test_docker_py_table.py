"""The rules that docker-py's own unit tests state (docker/docker-py, tests/unit/utils_build_test.py, at 088094c), as a
table: what the classic tar of the same tree and patterns leaves out. Docker contradicts none of these."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from workbench.context.archive import write_context
from workbench.context.ignore import IgnoreRules
from workbench.context.scan import scan

TREE = [
    "Dockerfile", "Dockerfile.alt", ".dockerignore", "a.py", "a.go", "b.py", "cde.py", "foo/a.py", "foo/b.py",
    "foo/bar/a.py", "bar/a.py", "foo/Dockerfile3", "target/file.txt", "target/subdir/file.txt", "subdir/file.txt",
    "subdir/target/file.txt", "subdir/target/subdir/file.txt", "subdir/subdir2/file.txt",
    "subdir/subdir2/target/file.txt", "subdir/subdir2/target/subdir/file.txt",
]  # fmt: skip

TABLE = [
    ("", ""),
    ("Dockerfile .dockerignore", ""),
    ("a.py", "a.py"),
    ("./a.py", "a.py"),
    ("a.py/", "a.py"),
    ("*.py", "a.py b.py cde.py"),
    ("*.py !b.py", "a.py cde.py"),
    ("*.* !*.go", "a.py b.py cde.py Dockerfile.alt"),
    ("a.*", "a.py a.go"),
    ("?.py", "a.py b.py"),
    ("foo/a.py", "foo/a.py"),
    ("/foo/a.py", "foo/a.py"),
    ("foo/whoops/../a.py", "foo/a.py"),
    ("foo/*.py", "foo/a.py foo/b.py"),
    ("*/a.py", "foo/a.py bar/a.py"),
    ("*/*.py", "foo/a.py foo/b.py bar/a.py"),
    ("foo", "foo/a.py foo/b.py foo/bar/a.py foo/Dockerfile3"),
    ("foo !foo/bar/a.py", "foo/a.py foo/b.py foo/Dockerfile3"),
    ("foo !foo/bar", "foo/a.py foo/b.py foo/Dockerfile3"),
    ("foo !foo/*.py", "foo/bar/a.py foo/Dockerfile3"),
    ("foo/bar", "foo/bar/a.py"),
    ("**/a.py", "a.py foo/a.py foo/bar/a.py bar/a.py"),
    ("foo/**/bar", "foo/bar/a.py"),
    ("**/target/*/*", "target/subdir/file.txt subdir/target/subdir/file.txt subdir/subdir2/target/subdir/file.txt"),
    ("subdir/**", " ".join(path for path in TREE if path.startswith("subdir/"))),
    ("** !bar !foo/bar", " ".join(set(TREE) - {"foo/bar/a.py", "bar/a.py", "Dockerfile", ".dockerignore"})),
    ("* !*/a.py", " ".join(set(TREE) - {"Dockerfile", ".dockerignore"})),
]


@pytest.mark.parametrize(("patterns", "left_out"), TABLE)
def test_left_out(tmp_path: Path, patterns: str, left_out: str) -> None:
    for path in TREE:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    out = io.BytesIO()
    rules = IgnoreRules.parse("\n".join(patterns.split())).as_classic()
    write_context(scan(tmp_path, rules), out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        names = {member.name for member in tar if member.isfile()}
    assert names == set(TREE) - set(left_out.split())
