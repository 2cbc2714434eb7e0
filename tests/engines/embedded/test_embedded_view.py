"""The file system of layers: whiteouts, opaque folders, links that stay inside, users."""

from __future__ import annotations

import tarfile
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from builds import make_tar

from workbench.engines.embedded.layer_index import LayerIndex
from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.view import Accounts, ImageView
from workbench.errors import InputError

DIRECTORY = {"type": tarfile.DIRTYPE, "mode": 0o755}


def link(target: str) -> dict[str, Any]:
    return {"type": tarfile.SYMTYPE, "link": target}


@pytest.fixture
def view(tmp_path: Path) -> Any:
    def make(*layers: Mapping[str, Mapping[str, Any]]) -> ImageView:
        indexes = []
        for number, layer in enumerate(layers):
            tar = tmp_path / f"{number}.tar"
            tar.write_bytes(make_tar(*layer.items()))
            indexes.append(LayerIndex.read(tar))
        return ImageView(tuple(indexes))

    return make


def test_the_upper_layer_wins(view: Any) -> None:
    it = view({"a": {"data": b"old"}, "d": {**DIRECTORY, "mode": 0o700}, "d/x": {}}, {"a": {"data": b"new"}, "d/y": {}})
    assert it.read_text("a") == "new"
    assert it.names("d") == ["x", "y"]
    assert it.lookup("d").entry.mode == 0o700, "a folder that is only implied does not hide its attributes"


def test_whiteouts_and_opaque_folders(view: Any) -> None:
    it = view(
        {"d/x": {}, "d/y": {}, "e/x": {}, "f": {}, "g/a/b": {}},
        {"d/.wh.x": {}, "e/.wh..wh..opq": {}, "e/new": {}, ".wh.f": {}, ".wh.g": {}, "d/.wh..wh.plnk": {}},
    )
    assert it.lookup("d/x") is None
    assert (it.names("d"), it.names("e"), it.names("")) == (["y"], ["new"], ["d", "e"])
    assert it.lookup("g/a/b") is None
    assert it.lookup("f") is None


def test_a_file_in_place_of_a_folder_hides_what_was_in_it(view: Any) -> None:
    it = view({"d/x": {}}, {"d": {"data": b"file"}})
    assert it.lookup("d/x") is None
    assert it.names("d") == []
    again = view({"d/x": {}}, {"d": {}}, {"d": DIRECTORY, "d/z": {}})
    assert again.names("d") == ["z"]


def test_links_stay_in_the_root(view: Any) -> None:
    it = view(
        {"etc/passwd": {}, "a": link("/etc"), "b": link("../../etc/../etc"), "c": link("gone/there"), "d": link("a")}
    )
    assert it.resolve("/a/passwd") == "etc/passwd"
    assert it.resolve("b/passwd") == "etc/passwd"
    assert it.resolve("d/passwd") == "etc/passwd"
    assert it.resolve("c/x") == "gone/there/x"
    assert it.resolve("a/..") == "", "the path is cleaned before links are followed, as Docker does"
    assert it.resolve("/../../x") == "x"


def test_circles_and_files_in_the_middle(view: Any) -> None:
    it = view({"a": link("b"), "b": link("a"), "f": {}})
    with pytest.raises(InputError, match="too many"):
        it.resolve("a/x")
    with pytest.raises(InputError, match="not a directory"):
        it.resolve("f/x")


def test_a_hard_link_to_a_lower_layer(view: Any) -> None:
    it = view({"a": {"data": b"x"}}, {"b": {"type": tarfile.LNKTYPE, "link": "a"}})
    assert it.read_text("b") == "x"
    assert it.lookup("a").inode == it.lookup("b").inode


def test_accounts() -> None:
    it = Accounts(
        "root:x:0:0:r:/root:/bin/sh\njoe:x:5:6:j:/home/joe:/bin/sh\nbroken\n", "a:x:7:joe,ann\nb:x:8:\nc:x:9:joe\n"
    )
    assert it.user("joe") == (5, 6, "/home/joe")
    assert it.user("5") == (5, 6, "/home/joe")
    assert it.user("55") is None
    assert it.group("b") == 8
    assert it.groups_of("5") == it.groups_of("joe") == [7, 9]
    assert Accounts("5:x:6:7::/:\n", "5:x:8:5\n").user("5") is None


_PATHS = ("", "a", "a/b", "a/b/c", "a/d", "e", "e/b", "e/f")


def test_what_a_view_knows_is_what_the_layers_say(view: Any) -> None:
    """A view that was asked before each new layer says what one says that sees all of them for the first time."""
    random = Random(7)
    for _ in range(60):
        layers: list[dict[str, dict[str, Any]]] = []
        for _ in range(random.randint(1, 5)):
            names = random.sample(_PATHS[1:], random.randint(1, 3))
            layers.append({})
            for name in names:
                parent, _, last = name.rpartition("/")
                hidden = random.choice((last, f".wh.{last}", ".wh..wh..opq"))
                kind = random.choice(({"data": b"x"}, DIRECTORY, link("a/b")))
                layers[-1][f"{parent}/{hidden}".lstrip("/")] = kind if hidden == last else {}
        fresh: ImageView = view(*layers)
        grown = ImageView()
        for layer in fresh.layers:
            for path in _PATHS:
                grown.lookup(path)
            grown = grown.plus(layer)
        assert [grown.lookup(path) for path in _PATHS] == [fresh.lookup(path) for path in _PATHS], layers


def test_a_view_knows_only_so_many_paths(view: Any) -> None:
    it = view({f"f{number}": {} for number in range(300)})
    assert all(it.lookup(f"f{number}") is not None for number in range(300))
    assert it.lookup("f300") is None


def test_an_index_has_what_was_put_in(tmp_path: Path) -> None:
    """Packed or not: numbers that no row has room for, links, devices, attributes."""
    given = [
        TarEntry("", "directory", 0o700, 1, 2, 3), TarEntry("f", "file", 0o6755, 1 << 31, 1 << 32, -5, 1 << 40),
        TarEntry("late", "file", mtime=1 << 70), TarEntry("l", "symlink", 0o777, link="f"),
        TarEntry("h", "hardlink", link="f"), TarEntry("n", "char", major=1, minor=3),
        TarEntry("x", "file", xattrs={"security.capability": b"\0"}), TarEntry("f/g", "fifo", 0o600),
    ]  # fmt: skip
    index = LayerIndex.of(tmp_path, [(entry, 512 * at) for at, entry in enumerate(given)])
    assert dict(index.entries) == {entry.path: (entry, 512 * at) for at, entry in enumerate(given)}
    assert len(index.entries) == len(given)
    assert index.entries.get("no") is None


def test_the_memory_of_an_index(tmp_path: Path) -> None:
    tracemalloc.start()
    index = LayerIndex.of(tmp_path, ((TarEntry(f"a/{at:08}", "file", size=at + 300), at << 10) for at in range(20_000)))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(index.entries) < 350
