"""COPY and ADD: what lands where, with which owner and mode, as the classic builder of Docker 20.10 does it."""

from __future__ import annotations

import bz2
import gzip
import http.server
import lzma
import os
import tarfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from builds import Builder, make_tar

from workbench.engines.embedded.disk import remove_tree
from workbench.engines.embedded.landing import Landing

DIRECTORY = {"type": tarfile.DIRTYPE, "mode": 0o755}


def owners(layer: dict[str, tarfile.TarInfo]) -> dict[str, tuple[int, int]]:
    return {name: (info.uid, info.gid) for name, info in layer.items()}


async def test_parents_owners_modes_and_links(scratch_build: Builder) -> None:
    scratch_build.put({"d/a": "a", "d/sub/b": "b", "f": "f"})
    context = scratch_build.context
    (context / "d/a").chmod(0o6755)
    (context / "d").chmod(0o700)
    (context / "d/l").symlink_to("a")
    (context / "dl").symlink_to("d")
    os.link(context / "d/a", context / "d/hard")
    os.utime(context / "f", (978307200, 978307200))
    built = await scratch_build(
        "FROM scratch\nCOPY f /x/y/\nCOPY --chown=5:6 d /dd/e\nCOPY --chown=5 f /df/e/\nCOPY f d/a /m/\nCOPY dl /dl\n"
        "COPY d/l /ll\nCOPY d/a /m\n"
    )
    assert built.end.outcome == "succeeded"
    assert {name: info.mtime for name, info in built.layer(0).items()} == {
        "x": 978307200, "x/y": 978307200, "x/y/f": 978307200
    }  # fmt: skip
    folder = built.layer(1)
    assert list(folder) == ["dd", "dd/e", "dd/e/a", "dd/e/hard", "dd/e/l", "dd/e/sub", "dd/e/sub/b"]
    assert owners(folder) == {name: (0, 0) if name == "dd" else (5, 6) for name in folder}
    assert folder["dd/e"].mode == 0o755, "the folder's own mode is not copied"
    assert folder["dd/e/a"].mode == 0o755, "set-user-ID goes where the owner is set"
    assert (folder["dd/e/hard"].type, folder["dd/e/hard"].linkname) == (tarfile.LNKTYPE, "dd/e/a")
    assert owners(built.layer(2)) == dict.fromkeys(["df", "df/e", "df/e/f"], (5, 5))
    assert list(built.layer(3)) == ["m", "m/a", "m/f"]
    assert list(built.layer(4)) == ["dl", "dl/a", "dl/hard", "dl/l", "dl/sub", "dl/sub/b"]
    assert built.layer(5)["ll"].isreg(), "a link that is named is followed"
    assert list(built.layer(6)) == ["m", "m/a"], "a folder that is there takes the file, and stays as it is"


async def test_the_same_input_makes_the_same_layer(scratch_build: Builder) -> None:
    text = "FROM scratch\nCOPY . /app/\n"
    files = {"b": "1", "a/c": "2", "z": "3", ".dockerignore": "Dockerfile\n.dockerignore\n"}
    layers = []
    for names in (list(files), list(reversed(files))):
        for name in names:
            (scratch_build.context / name).unlink(missing_ok=True)
            scratch_build.put({name: files[name]})
            os.utime(scratch_build.context / name, (1_000_000_000, 1_000_000_000.5))
        os.utime(scratch_build.context / "a", (5, 5))
        built = await scratch_build(text, no_cache=True)
        layers.append(built.diff_ids())
    assert layers[0] == layers[1]
    assert [info.uname + info.gname for info in built.layer().values()] == [""] * 5


async def test_from_a_stage_owners_stay(scratch_build: Builder) -> None:
    built = await scratch_build(
        "FROM scratch AS a\nCOPY --chown=7:8 d/f /d/f\nFROM scratch\nCOPY --from=a /d /e\n"
        "COPY --from=0 --chown=1 d/f /\nCOPY --from=a /d/f* /g/\n",
        {"d/f": "x"},
    )
    assert owners(built.layer(0)) == {"e": (0, 0), "e/f": (7, 8)}
    assert owners(built.layer(1)) == {"f": (1, 1)}
    assert owners(built.layer(2)) == {"g": (0, 0), "g/f": (7, 8)}


async def test_what_is_in_the_way(scratch_build: Builder) -> None:
    scratch_build.put({"one/x/deep": "", "two/x": "file", "three/x/new": ""})
    (scratch_build.context / "four").mkdir()
    (scratch_build.context / "four/x").symlink_to("gone")
    built = await scratch_build(
        "FROM scratch\nCOPY one /\nCOPY two /\nCOPY three /\nCOPY four/ three/ /\nCOPY two/x /x/new\n"
    )
    assert built.end.outcome == "succeeded"
    assert built.layer(1)["x"].isreg()
    assert list(built.layer(2)) == ["x", "x/new"]
    assert list(built.layer(3)) == ["x", "x/.wh..wh..opq", "x/new"], "a link, then a folder, in place of a folder"
    failed = await scratch_build("FROM scratch\nCOPY two /\nCOPY one /x\n")
    assert "not a directory" in (failed.end.error or "")


async def test_links_of_the_image_are_followed_inside_it(scratch_build: Builder) -> None:
    scratch_build.put({"f": ""})
    (scratch_build.context / "links").mkdir()
    (scratch_build.context / "links/abs").symlink_to("/real/place")
    (scratch_build.context / "links/up").symlink_to("../../../../etc")
    built = await scratch_build("FROM scratch\nCOPY links /\nCOPY f /abs/in/\nCOPY f /up/\nCOPY f /abs/../there\n")
    assert list(built.layer(1)) == ["real", "real/place", "real/place/in", "real/place/in/f"]
    assert list(built.layer(2)) == ["etc", "etc/f"]
    assert list(built.layer(3)) == ["there"]


async def test_modes_exclusions_and_documents(scratch_build: Builder) -> None:
    text = (
        'FROM scratch\nCOPY --chmod=640 --exclude=*.md . /x/\nCOPY <<A <<"B" /d/\nhi $V\nA\nraw $V\nB\n'
        "ARG V=1\nCOPY <<E /e\n$V\nE\n"
    )
    built = await scratch_build(text, {"a.md": "", "s/b": ""})
    assert {name: oct(info.mode) for name, info in built.layer(0).items()} == dict.fromkeys(
        ["x", "x/Dockerfile", "x/s", "x/s/b"], "0o640"
    )
    assert {name: info.size for name, info in built.layer(1).items() if info.isreg()} == {"d/A": 4, "d/B": 7}
    assert built.layer(2)["e"].size == 2


async def test_ignored_files_are_not_there(scratch_build: Builder) -> None:
    files = {"a/b/x": "", "a/c": "", "d": "", "e/f": "", ".dockerignore": "a\n!a/b\ne\n!**/f\n"}
    built = await scratch_build("FROM scratch\nCOPY . /\n", files)
    assert list(built.layer()) == [".dockerignore", "Dockerfile", "a", "a/b", "a/b/x", "d"]
    assert not (await scratch_build("FROM scratch\nCOPY e/f /\n")).end.image


OWN = make_tar(
    ("a/b", {"data": b"hi", "mode": 0o4755, "uid": 7, "pax": {"SCHILY.xattr.user.x": "1"}}),
    ("a/l", {"type": tarfile.SYMTYPE, "link": "/etc/passwd"}),
    ("a/h", {"type": tarfile.LNKTYPE, "link": "a/b", "mode": 0o4755, "uid": 7}),
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
async def test_archives_are_unpacked_as_they_are(scratch_build: Builder, pack: Any) -> None:
    built = await scratch_build("FROM scratch\nADD archive /x\nCOPY archive /y\n", {"archive": pack(OWN)})
    layer = built.layer(0)
    assert list(layer) == ["x", "x/a", "x/a/b", "x/a/h", "x/a/l"]
    assert (layer["x/a/b"].mode, layer["x/a/b"].uid, layer["x/a/b"].pax_headers) == (0o4755, 7, {})
    assert (layer["x/a/h"].type, layer["x/a/h"].linkname) == (tarfile.LNKTYPE, "x/a/b")
    assert layer["x/a/l"].linkname == "/etc/passwd"
    assert list(built.layer(1)) == ["y"]


async def test_an_archive_cannot_leave_its_destination(scratch_build: Builder) -> None:
    link = {"type": tarfile.SYMTYPE}
    archive = make_tar(
        ("../../evil", {}), ("/etc/evil", {}), ("s", {**link, "link": "/"}), ("s/one", {}),
        ("t", {**link, "link": "../../.."}), ("t/two", {}), ("f", {}), ("f", {"data": b"again"}),
    )  # fmt: skip
    built = await scratch_build("FROM scratch\nADD a.tar /x/y\n", {"a.tar": archive})
    assert sorted(built.layer()) == [
        "x", "x/y", "x/y/etc", "x/y/etc/evil", "x/y/evil", "x/y/f", "x/y/one", "x/y/s", "x/y/t", "x/y/two"
    ]  # fmt: skip
    assert built.layer()["x/y/f"].size == 5


@pytest.mark.parametrize(
    ("archive", "error"),
    [(make_tar(("h", {"type": tarfile.LNKTYPE, "link": "../../etc/passwd"})), "a hard link to /x/etc/passwd"),
     (OWN[:700], "damaged"), (gzip.compress(OWN * 100)[:-200], "damaged"),
     (make_tar(("a", {"data": b"x"}), ("b", {})).replace(b"b\0\0", b"c\0\0", 1), "damaged")],
)  # fmt: skip
async def test_a_hostile_or_damaged_archive(scratch_build: Builder, archive: bytes, error: str) -> None:
    built = await scratch_build("FROM scratch\nADD a.tar /x\n", {"a.tar": archive})
    assert (built.end.outcome, built.end.step) == ("failed", 2)
    assert error in (built.end.error or "")


@pytest.mark.parametrize("content", [b"", bytes(1024), b"text", gzip.compress(b"text"), gzip.compress(OWN)[:40]])
async def test_what_is_no_archive_is_copied(scratch_build: Builder, content: bytes) -> None:
    built = await scratch_build("FROM scratch\nADD a.tar /x\n", {"a.tar": content})
    assert {name: info.size for name, info in built.layer().items()} == {"x": len(content)}


@pytest.fixture
def server() -> Iterator[str]:
    """Answers every path but /no with an archive."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/no":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            self.end_headers()
            self.wfile.write(OWN)

        def log_message(self, format: str, *args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as it:
        thread = threading.Thread(target=it.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{it.server_port}"
        it.shutdown()
        thread.join()


async def test_add_of_a_url(scratch_build: Builder, server: str) -> None:
    built = await scratch_build(f"FROM scratch\nADD {server}/d/f.tar?q /x/\n")
    info = built.layer()["x/f.tar"]
    assert (info.mode, info.mtime, info.size) == (0o600, 1445412480, len(OWN))
    for line, error in (
        (f"ADD {server}/no /x", "status 404"),
        (f"ADD {server}/ /x/", "cannot determine filename"),
        (f"ADD --checksum=sha256:{'0' * 64} {server}/f /x", "digest mismatch"),
        ("ADD http://127.0.0.1:1/f /x", "refused"),
    ):
        failed = await scratch_build(f"FROM scratch\n{line}\n")
        assert error in (failed.end.error or "")


@pytest.mark.slow
async def test_folders_as_deep_as_a_path_can_be(scratch_build: Builder) -> None:
    """Deeper than Python's recursion; each name is looked at a few times, not once for each that is below it."""
    names = ["/".join("a" * depth) for depth in range(1, 1101)]
    archive = make_tar(*((name, {"type": tarfile.DIRTYPE}) for name in names))
    looked = 0
    lookup = Landing.lookup

    def counted(self: Landing, path: str) -> object:
        nonlocal looked
        looked += 1
        return lookup(self, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Landing, "lookup", counted)
        built = await scratch_build("FROM scratch\nADD a.tar /\n", {"a.tar": archive})
    assert len(built.layer()) == 1100 and looked < 20 * 1100

    at = os.open(scratch_build.context, os.O_RDONLY)
    for name in ["deep", *"a" * 1100]:
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    built = await scratch_build("FROM scratch\nCOPY deep /\n")
    assert len(built.layer()) == 1100
    remove_tree(scratch_build.context / "deep")  # deeper than pytest's own cleaning
