"""A scan against what the rules say of every path, and against the oddities of real folders."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.context.ignore import IgnoreRules
from workbench.context.scan import Cancelled, scan, walk
from workbench.errors import InputError

FILES = [
    "a", "b.txt", "keep", "x.md", "a.d/a", "a.d/b/c/keep", "a.d/b/x.md", "b/a/b.txt", "b/b/keep", "b/keep/x.md",
    "c/keep", "c/x", "c/.hidden", ".hidden", "keep.d/deep/er/a", "keep.d/x.md", "new\nline/x.md", "\u00e9/a",
]  # fmt: skip

PARTS = "a b c * ** a.d keep keep* *.md *.txt ? x.* .* *e* [a-c] [^b] a** **d [a/] \\a.d \\D deep er b? x.md *\n*"
part = st.sampled_from(PARTS.split(" "))
pattern = st.builds(
    lambda negated, parts: ("!" if negated else "") + "/".join(parts),
    st.booleans(),
    st.lists(part, min_size=1, max_size=4),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def everything(root: Path) -> list[str]:
    return [
        os.path.relpath(os.path.join(folder, name), root)
        for folder, directories, files in os.walk(root)
        for name in [*directories, *files]
    ]


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(pattern, max_size=6))
def test_a_pruned_scan_sends_what_a_full_walk_sends(tree: Path, patterns: list[str]) -> None:
    try:
        rules = IgnoreRules(patterns)
    except InputError:
        return
    found = scan(tree, rules)
    expected = {path: rules.decide(path) for path in everything(tree)}
    assert {entry.path for entry in found.sent} == {
        path for path, decision in expected.items() if not decision.excluded
    }
    assert {entry.path: entry.rule for entry in found.entries} == {
        entry.path: expected[entry.path].rule for entry in found.entries
    }
    listed = {entry.path for entry in found.entries}
    for path in expected.keys() - listed:
        assert not rules.may_include_below(os.path.dirname(path)), path
    assert list(walk(tree, rules)) == list(found.entries)
    only_sent = scan(tree, rules, list_ignored=False)
    assert list(only_sent.entries) == list(found.sent)


def test_order_is_depth_first_and_by_bytes(tmp_path: Path) -> None:
    for name in ["b/z", "b/a", "b.txt", "B", "a/x"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    odd = [os.fsdecode(b"b\xff"), "b\U0001f600", "b\uffee"]
    for name in odd:
        (tmp_path / name).touch()
    paths = [entry.path for entry in scan(tmp_path, IgnoreRules()).entries]
    assert paths == ["B", "a", "a/x", "b", "b/a", "b/z", "b.txt", "b\uffee", "b\U0001f600", os.fsdecode(b"b\xff")]


def test_an_entry_has_the_facts_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    file.chmod(0o4751)
    os.utime(file, ns=(1, 1_600_000_000_123_456_789))
    os.link(file, tmp_path / "other")
    entry = scan(tmp_path, IgnoreRules()).get("file")
    facts = file.lstat()
    assert entry is not None
    assert entry._asdict() == {
        "path": "file",
        "kind": "file",
        "size": 5,
        "mode": 0o4751,
        "uid": facts.st_uid,
        "gid": facts.st_gid,
        "mtime_ns": 1_600_000_000_123_456_789,
        "link": "",
        "sent": True,
        "rule": None,
        "error": "",
        "device": facts.st_dev,
        "inode": facts.st_ino,
        "ctime_ns": facts.st_ctime_ns,
        "nlink": 2,
    }


def test_kinds_and_links_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    os.symlink("nowhere", "dangling")
    os.symlink("round", "round")
    os.symlink("..", "up")
    os.mkdir("folder")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        found = scan(tmp_path, IgnoreRules())
    assert {(entry.path, entry.kind, entry.link, entry.sent, entry.size) for entry in found.entries} == {
        ("dangling", "symlink", "nowhere", True, 0),
        ("fifo", "fifo", "", True, 0),
        ("folder", "directory", "", True, 0),
        ("round", "symlink", "round", True, 0),
        ("socket", "socket", "", False, 0),
        ("up", "symlink", "..", True, 0),
    }
    assert not list(found.errors)


def test_counts(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a").write_bytes(b"abc")
    (tmp_path / "b.log").write_bytes(b"1234567")
    found = scan(tmp_path, IgnoreRules(["*.log"]))
    assert (found.files, found.bytes, found.sent_files, found.sent_bytes) == (2, 10, 1, 3)
    assert found.get("nothing") is None
    assert [entry.path for entry in found.entries[1:]] == ["folder", "folder/a"]


def test_an_excluded_folder_is_one_entry(tmp_path: Path) -> None:
    (tmp_path / "node_modules/deep").mkdir(parents=True)
    (tmp_path / "node_modules/deep/file").touch()
    found = scan(tmp_path, IgnoreRules.parse("# none of it\nnode_modules\n"))
    (entry,) = found.entries
    assert (entry.path, entry.kind, entry.sent, entry.size) == ("node_modules", "directory", False, 0)
    assert entry.rule is not None and entry.rule.line == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_an_error_of_its_entry(tmp_path: Path) -> None:
    for name in ["closed/x", "listed/x"]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "secret").touch()
    (tmp_path / "hidden").touch()
    for name, mode in [("closed", 0), ("listed", 0o400), ("secret", 0), ("hidden", 0)]:
        (tmp_path / name).chmod(mode)
    try:
        found = scan(tmp_path, IgnoreRules(["hidden"]))
    finally:
        (tmp_path / "closed").chmod(0o700)
        (tmp_path / "listed").chmod(0o700)
    assert {entry.path: entry.error for entry in found.errors} == dict.fromkeys(
        ["closed", "listed/x", "secret"], "Permission denied"
    )


def test_a_folder_that_vanishes_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    real_open = os.open

    def vanishing(path: str, *rest: int) -> int:
        if path == f"{tmp_path}/folder":
            raise FileNotFoundError(2, "No such file or directory")
        return real_open(path, *rest)

    monkeypatch.setattr(os, "open", vanishing)
    expected = [("folder", "No such file or directory")]
    assert [(entry.path, entry.error) for entry in scan(tmp_path, IgnoreRules()).errors] == expected
    assert [(entry.path, entry.error) for entry in walk(tmp_path, IgnoreRules())] == expected


def test_cancel(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        scan(tmp_path, IgnoreRules(), cancel=lambda: True)


def test_a_walk_tells_what_it_has_read_before_it_goes_on(tree: Path) -> None:
    ended: list[bool] = []
    entries = walk(tree, IgnoreRules(), cancel=lambda: bool(ended))
    assert next(entries).path == next(iter(scan(tree, IgnoreRules()).entries)).path
    ended.append(True)
    with pytest.raises(Cancelled):
        list(entries)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_no_folder_no_scan(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        scan(tmp_path / name, IgnoreRules())
    assert str(tmp_path / name) in str(caught.value)
    assert caught.value.hint
