"""A hostile context: links, races, FIFOs, Dockerfiles and ignore files that are links, names and documents."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from attack_tools import SECRET, Outside, refused, run, snapshot
from builds import Builder, make_tar
from hostile_tars import link

from workbench.cli.source import open_source
from workbench.context.archive import write_context
from workbench.context.digest import DigestCache
from workbench.context.ignore import IgnoreRules
from workbench.context.opening import open_entry
from workbench.context.scan import scan
from workbench.context.unpack import Peeked
from workbench.context.unpack import unpack as unpack_context
from workbench.errors import InputError, WorkbenchError


def lay_links(context: Path, outside: Outside) -> None:
    (context / "dir").symlink_to(outside.path)
    (context / "up").symlink_to(outside.climb())
    (context / "file").symlink_to(outside.secret)
    (context / "two").symlink_to("dir")


@pytest.mark.parametrize("word", ["COPY", "ADD"])
async def test_sources_that_lead_out(scratch_build: Builder, outside: Outside, word: str) -> None:
    """CVE-2014-9356's kind: names and links of the context that lead to files of the host."""
    lay_links(scratch_build.context, outside)
    sources = [
        str(outside.secret), f"..{outside.secret}", "../outside/secret", outside.climb() + "/secret", "dir/secret",
        "up/secret", "file", "two/secret", "dir", "up", "./dir/../dir/secret", "d*/secret", "*/secret", "f*", "./*",
        "dir/../../outside/secret", "\\.\\./outside/secret", "..\\outside\\secret", "/../outside/secret",
    ]  # fmt: skip
    for source in sources:
        await scratch_build(f'FROM scratch\n{word} ["{source}", "/x/"]\n'.replace("\\", "\\\\"))
        outside.check()
    built = await scratch_build(f"FROM scratch\n{word} . /x/\n")
    assert built.layer()["x/file"].issym()


async def test_destinations_that_lead_out(scratch_build: Builder, outside: Outside) -> None:
    """CVE-2014-6407's kind in COPY: links of the image in the way of what is copied stay inside the image."""
    layer = make_tar(("l", link(str(outside.path))), ("u", link(outside.climb())), ("s", link(str(outside.secret))))
    for target in ("/l/pwned", "/u/pwned", "/s", "/l/folder/", "../../../x", outside.climb() + "/pwned"):
        built = await scratch_build(
            f"FROM scratch\nADD l.tar /\nCOPY f {target}\nWORKDIR /l/folder\nCOPY f ./\n", {"l.tar": layer, "f": "x"}
        )
        assert built.end.outcome == "succeeded" or built.end.error
        outside.check()


async def test_links_of_a_stage_lead_nowhere_else(build: Builder, outside: Outside) -> None:
    """CVE-2018-15664, CVE-2019-14271: files are taken out of an image whose folders are links to the host."""
    layer = make_tar(
        ("d", link(str(outside.path))), ("u", link(outside.climb())), ("f", link(str(outside.secret))),
        ("etc/passwd", link(str(outside.secret))), ("lib/libnss_files.so.2", {"data": b"not a library"}),
    )  # fmt: skip
    for source in ("/d/secret", "/u/secret", "/f", "/etc/passwd", "/d", "/d/../d/secret", "/."):
        built = await build(
            f"FROM scratch AS a\nADD l.tar /\nFROM busybox\nCOPY --from=a {source} /x/\n", {"l.tar": layer}
        )
        assert SECRET not in built.log
        outside.check()
    refused(await build("FROM scratch\nADD l.tar /\nUSER joe\nRUN true\n"), "unable to find user joe")


def swapping(folder: Path, target: Path, stop: threading.Event) -> None:
    """`folder` is a folder, a link to `target`, and a folder again, as fast as it goes."""
    aside = folder.with_name("aside")
    while not stop.is_set():
        folder.rename(aside)
        folder.symlink_to(target)
        folder.unlink()
        aside.rename(folder)


async def test_a_folder_becomes_a_link_while_it_is_read(scratch_build: Builder, outside: Outside) -> None:
    """CVE-2018-15664: the race, with a folder of the same names outside."""
    scratch_build.put({"d/secret": "mine\n"})
    stop = threading.Event()
    racer = threading.Thread(target=swapping, args=(scratch_build.context / "d", outside.path, stop))
    racer.start()
    try:
        for number in range(10):
            try:
                built = await scratch_build(f"FROM scratch\nLABEL n={number}\nCOPY . /x/\n", no_cache=True)
                assert built.end.outcome in ("succeeded", "failed")
            except InputError as error:  # the folder was away at the moment of the scan
                assert "cannot read" in str(error)
            outside.check()
    finally:
        stop.set()
        racer.join()


def test_what_a_scan_saw_is_what_is_opened(tmp_path: Path, outside: Outside) -> None:
    """CVE-2018-15664, without luck: the folder is a link by the time that each of the readers comes."""
    context = tmp_path / "context"
    (context / "d").mkdir(parents=True)
    (context / "d" / "secret").write_text("mine\n")
    found = scan(context, IgnoreRules(()))
    entry = found.get("d/secret")
    assert entry is not None
    (context / "d").rename(context / "aside")
    (context / "d").symlink_to(outside.path)
    with pytest.raises(OSError, match="symbolic link"):
        open_entry(context, entry)
    with pytest.raises(InputError):
        DigestCache(None).digest(context, entry)
    out = io.BytesIO()
    write_context(found, out)
    assert SECRET.encode() not in out.getvalue()


async def test_a_file_becomes_a_fifo(scratch_build: Builder) -> None:
    """Nobody ever writes to it: the build must not wait."""
    os.mkfifo(scratch_build.context / "pipe")
    built = await scratch_build("FROM scratch\nCOPY . /x/\n")
    assert built.layer()["x/pipe"].isfifo()
    os.mkfifo(scratch_build.context / "a.tar")
    await scratch_build("FROM scratch\nADD a.tar /x/\n")
    (scratch_build.context / "Dockerfile").unlink()
    os.mkfifo(scratch_build.context / "Dockerfile")
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "build", "--engine", "embedded", scratch_build.context],
        capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
@pytest.mark.parametrize("way", ["absolute", "up", "through"])
def test_a_fetched_context_whose_files_are_links(
    tmp_path: Path, outside: Outside, name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tar from a stranger whose Dockerfile is a link to a file of the host: its lines would be in the error."""
    target = {"absolute": str(outside.secret), "up": outside.climb() + "/secret", "through": "d/secret"}[way]
    entries = [(name, link(target)), ("d", link(str(outside.path)))]
    if name != "Dockerfile":
        entries.append(("Dockerfile", {"data": b"FROM scratch\n"}))

    class Stdin:
        buffer = io.BytesIO(make_tar(*entries))

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", Stdin())
    with pytest.raises(InputError, match="leads out of the context") as caught, open_source("-", None):
        pytest.fail("it was opened")
    assert SECRET not in str(caught.value)


def test_the_temporary_folder_of_a_context_goes_without_following_links(outside: Outside) -> None:
    folder = outside.path.parent / "unpacked"
    folder.mkdir()
    unpack_context(Peeked(io.BytesIO(make_tar(("d", link(str(outside.path))), ("u", link(outside.climb()))))), folder)
    from workbench.engines.embedded.disk import remove_tree

    remove_tree(folder)
    assert not folder.exists()
    assert snapshot(outside.path) == outside.before


@pytest.mark.usefixtures("sandbox")
async def test_documents_end_where_they_say(build: Builder, outside: Outside) -> None:
    """Text that looks like a document's end, a substitution or an instruction stays text."""
    text = f"EOF \n EOF\n$(cat {outside.secret})\n`cat {outside.secret}`\n${{x:-y}}\nRUN echo pwned\n"
    log = await run(build, f"COPY <<'EOF' /f\n{text}EOF", "RUN cat /f")
    assert log == text
    name = f"'; cat {outside.secret}; '"
    await run(
        build, f'ENV N="{name}"', "RUN echo $N; true", 'LABEL x="$N"', f"RUN <<'E'\ncat {outside.secret}\ntrue\nE"
    )


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/group"])
async def test_the_accounts_of_an_image_are_hostile(build: Builder, path: str) -> None:
    """CVE-2016-3697: a numeric user name that stands for root; lines that are none; numbers beyond all."""
    lines = "1000:x:0:0::/:\\n::::::\\nx:x:99999999999999999999:0::/:\\ny:x:-1:-1::/:\\n\\xff\\x00:x:0:0::/:"
    built = await build(f"FROM busybox\nRUN printf '{lines}' > {path}\nUSER 1000\nRUN id -u\nUSER x\nRUN id -u\n")
    assert "0" not in built.log.split()


async def test_names_that_are_options_or_markup(scratch_build: Builder) -> None:
    names = ["-rf", "--", "a;b", "$(x)", "[red]x[/red]", "\x1b]52;c;eA==\x07", "a\nb", "\u202egnp", "%s%n", "~", "*"]
    scratch_build.put({f"d/{name}": "x" for name in names})
    built = await scratch_build("FROM scratch\nCOPY d /d/\n")
    assert {f"d/{name}" for name in names} <= set(built.layer())


def test_options_in_the_name_of_a_repository(tmp_path: Path, outside: Outside) -> None:
    """CVE-2019-13139, CVE-2017-1000117: a name that git or ssh would take for an option."""
    mark = outside.path / "pwned"
    names = [
        f"https://localhost:1/x.git#--upload-pack=touch {mark}", f"git://-oProxyCommand=touch {mark}/x.git",
        f"git@-oProxyCommand=touch${{IFS}}{mark}:x.git", f"ssh://git@-oProxyCommand=touch${{IFS}}{mark}/x.git",
        "https://localhost:1/x.git#-x", f"https://localhost:1/x.git#main:../../../..{outside.path}",
    ]  # fmt: skip
    for name in names:
        with pytest.raises(WorkbenchError), open_source(name, None):
            pytest.fail(f"{name} was opened")
        assert not mark.exists()
