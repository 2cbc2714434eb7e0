"""Bad input, from outside: each ends in an error that a person understands, and the next build works."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.nasty import GOOD, NAME, OURS, WORKBENCH, Lab, Member, make_tar

pytestmark = pytest.mark.slow

ESC = "\x1b]52;c;aGk=\x07\x1b[2J\x1b]0;title\x07[red]x[/red]"
"""The clipboard, a cleared screen, a title, and markup."""


def without_rights(folder: Path) -> Sequence[str]:
    """What comes before a command so that permissions count for it: root's right to pass them over is taken away."""
    if os.geteuid() != 0:
        return ()
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which("setpriv") is None or subprocess.run([*prefix, "true"], check=False).returncode != 0:
        pytest.skip("root here cannot give up its right to read everything (setpriv)")
    return prefix


def test_contexts_and_dockerfiles_that_are_not_there(lab: Lab) -> None:
    lab.build(path="nosuch").says(2, "there is no context nosuch")
    lab.build(path="context/Dockerfile").says(2, "context/Dockerfile is not a folder")
    lab.build(path="").says(2, "the context is")
    lab.build("-f", "context/nosuch").says(2, "there is no Dockerfile context/nosuch")
    lab.build("-f", "../nosuch").says(2, "there is no Dockerfile ../nosuch")
    (lab.context / "Dockerfile").unlink()
    lab.build().says(2, "there is no Dockerfile in context", "-f FILE")
    (lab.context / "Dockerfile").mkdir()
    lab.build().says(2, "context/Dockerfile: Is a directory")
    outside = lab.folder / "Outside"
    outside.write_text(f"{GOOD}COPY busybox.tar.xz /copied\n")
    lab.build("-f", "Outside").says(0, "Step 4/4 : COPY busybox.tar.xz /copied")
    outside.write_text(f"{GOOD}RNU true\n")
    lab.build("-f", "Outside").says(2, "Outside:4:1: unknown instruction: RNU")


def test_dockerfiles_that_are_none(lab: Lab) -> None:
    cases: list[tuple[str | bytes, list[str]]] = [
        ("", ["Dockerfile:1:1: file with no instructions", "FROM alpine"]),
        ("# one\n# two\n", ["Dockerfile:2:1: file with no instructions"]),
        ("RUN true\n", ["Dockerfile:1:1:", "RUN stands before the first FROM"]),
        (f"{GOOD}RNU{ESC} true\n", ["Dockerfile:4:1: unknown instruction: RNU[red]x[/red]"]),
        (f"{GOOD}COPY --nosuch=1 a b\n", ["Dockerfile:4:6: unknown flag: --nosuch"]),
        (f"{GOOD}ENV A={'x' * 70_000}\n", ["Dockerfile:4:1: dockerfile line greater than max allowed size"]),
        ("FROM scratch\n".encode("utf-16"), ["Dockerfile:1:1: the file is UTF-16"]),
        (b"FROM scratch\nLABEL a=\xe9\n", ["Dockerfile:2:9: byte 0xe9 is not UTF-8"]),
    ]
    for text, words in cases:
        lab.dockerfile(text).says(2, *words)
    lab.dockerfile(GOOD.replace("\n", "\r\n").encode() + b"RUN echo a \\\r\n  && true\r\n").says(0, "\na\n")
    lab.run("rmi", NAME).says(0)


def test_sources_that_are_not_there(lab: Lab) -> None:
    files = {".dockerignore": "# no logs\n*.tmp\n*.log\n", "a.log": "x", "a.txt": "x"}
    place = "context/Dockerfile:4: "
    lab.dockerfile(f"{GOOD}COPY a.log /\n", files).says(
        1, place, "a.log is there, but line 3 of .dockerignore", "*.log"
    )
    lab.dockerfile(f"{GOOD}COPY b.txt /\n", files).says(1, place, "stat b.txt", "There is no b.txt")
    lab.dockerfile(f"{GOOD}COPY nosuch* /\n").says(1, place, "no source files were specified")
    (lab.folder / "secret").write_text("secret")
    lab.dockerfile(f"{GOOD}COPY ../secret /\n").says(1, place, "forbidden path outside the build context: ../secret")
    lab.dockerfile(f"{GOOD}COPY --from=7 /a /\n").says(1, place, "invalid from flag value 7: index out of bounds")
    lab.dockerfile(f"{GOOD}COPY '{ESC}' /\n").says(1, place, "[red]x[/red]")
    lab.dockerfile(f"{GOOD}COPY a /{'x' * 300}\n", {"a": ""}).says(1, place, "name")


def test_ignore_files_that_are_none(lab: Lab) -> None:
    lab.fresh({".dockerignore": "ok\n[a-\n"})
    lab.build().says(2, ".dockerignore:2: '[a-' is not a pattern")
    lab.fresh()
    (lab.context / ".dockerignore").mkdir()
    lab.build().says(2, ".dockerignore: Is a directory")


def test_files_that_may_not_be_read(lab: Lab) -> None:
    prefix = without_rights(lab.folder)
    secret = lab.fresh({"secret": "x"}) / "secret"
    secret.chmod(0)
    lab.build(prefix=prefix).says(2, "cannot read secret of the build context: Permission denied", ".dockerignore")
    (lab.context / ".dockerignore").write_text("secret\n")
    lab.build(prefix=prefix).says(0)
    secret.unlink()
    secret.mkdir(0)
    lab.build(prefix=prefix).says(0)
    (lab.context / ".dockerignore").unlink()
    lab.build(prefix=prefix).says(2, "cannot read secret of the build context: Permission denied")
    secret.rmdir()
    (lab.context / "Dockerfile").chmod(0)
    lab.build(prefix=prefix).says(2, "context/Dockerfile: Permission denied")


def test_sockets_pipes_links_and_names(lab: Lab) -> None:
    """FIFOs are sent, sockets are not, links are sent as they are, and a name may be any bytes."""
    odd = os.fsencode(lab.context) + b"/caf\xe9" + ESC.replace("/", "|").encode()
    os.mkfifo(lab.context / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(lab.context)  # a socket's path has at most 107 bytes
        listener.bind("socket")
        os.chdir(here)
    for link, target in [
        ("dangling", "nowhere"),
        ("circle", "circle"),
        ("one", "two"),
        ("two", "one"),
        ("out", "/etc"),
    ]:
        (lab.context / link).symlink_to(target)
    Path(os.fsdecode(odd)).write_text("odd")
    dockerfile = lab.context / "Dockerfile"
    look = "test -p /c/fifo && test ! -e /c/socket && test -L /c/circle && cat /c/caf* && ls /c"
    dockerfile.write_text(f"{GOOD}COPY . /c/\nRUN {look}\n")
    lab.build("--no-cache").says(0, "odd", "dangling")
    for source, words in [
        ("dangling", ["stat dangling"]),
        ("circle", ["circle"]),
        ("one/x", ["one/x"]),
        ("out/passwd", ["stat out/passwd"]),
        ("socket", ["socket is a socket"]),
        ("fifo", ["fifo"]),
    ]:
        dockerfile.write_text(f"{GOOD}COPY {source} /x\n")
        done = lab.build("-t", NAME)
        done.says(2 if source == "fifo" and not lab.embedded else 1, "context/Dockerfile:4:", *words)
    if lab.embedded:
        table = subprocess.run([WORKBENCH, "context", lab.context], capture_output=True, text=True, check=True)
        assert "\x1b" not in table.stdout and "caf\\xe9\\x1b]52" in table.stdout
        rows = subprocess.run([WORKBENCH, "context", "--format", "json", lab.context], capture_output=True, check=True)
        assert b"\x1b" not in rows.stdout
        kinds = {row["path"]: row["kind"] for row in map(json.loads, rows.stdout.splitlines())}
        assert kinds[os.fsdecode(os.path.basename(odd))] == "file" and kinds["fifo"] == "fifo"


def test_archives_that_are_none(lab: Lab) -> None:
    whole = make_tar([("a", "f", "x" * 50_000)])
    place = "context/Dockerfile:4: "
    xz = (lab.context / "busybox.tar.xz").read_bytes()
    lab.dockerfile(f"{GOOD}ADD a.tar /a/\nRUN test -f /a/a.tar\n", {"a.tar": b""}).says(0)
    lab.run("rmi", NAME).says(0)
    for name, content in [
        ("a.tar", whole[:20_000]),
        ("a.tar.gz", gzip.compress(whole)[:-20]),
        ("a.tar.gz", gzip.compress(whole)[:-8] + bytes(8)),
        ("a.tar.xz", xz[:5000]),
        ("a.tar.xz", xz[:5000] + bytes(5000) + xz[10_000:]),
    ]:
        lab.dockerfile(f"{GOOD}ADD {name} /a/\n", {name: content}).says(1, place, "Error processing tar file"
                                                                       if not lab.embedded else name)  # fmt: skip


def test_archives_that_lead_out(lab: Lab) -> None:
    """Whatever a tar says, it lands in the destination or not at all."""
    canary = lab.folder / "canary"
    canary.mkdir()
    (canary / "file").write_text("canary")
    up = "../" * 12
    cases: list[tuple[list[Member], str]] = [
        ([("../up", "f", "x"), (f"a/{up[1:]}/{canary}/new", "f", "x"), (f"{canary}/new", "f", "x")], "test -f /d/up"),
        ([("l", "l", str(canary)), ("l/new", "f", "x")], ""),
        ([("l", "l", f"{up}{canary}"), ("l/file", "f", "x")], ""),
        ([("h", "h", str(canary / "file")), ("h", "f", "x")], ""),
        ([("a", "l", "b"), ("b", "l", "a"), ("a/x", "f", "x")], ""),
        ([("a", "f", "x"), ("a/b", "f", "x")], ""),
        ([("x" * 300, "f", "x")], ""),
    ]
    if os.geteuid() == 0 or not lab.embedded:
        cases.append(([("null", "c", ""), ("loop", "b", "")], "test -c /d/null && test -b /d/loop"))
    for members, check in cases:
        done = lab.dockerfile(f"{GOOD}ADD t.tar /d/\nRUN {check or 'true'}\n", {"t.tar": make_tar(members)})
        if check:
            done.says(0)
            lab.run("rmi", NAME).says(0)
        else:
            done.says(1, "context/Dockerfile:4: ")
        assert [(path.name, path.read_text(), path.stat().st_nlink) for path in canary.iterdir()] == [
            ("file", "canary", 1)
        ]


def test_contexts_on_stdin(lab: Lab) -> None:
    canary = lab.folder / "canary"
    canary.mkdir()
    build = ("Dockerfile", "f", "FROM scratch\nCOPY . /\n")
    lab.build(path="-").says(2, "stdin is empty")
    lab.build(path="-", stdin=make_tar([("x", "f", "")])).says(2, "the tar on stdin has no Dockerfile")
    lab.build(path="-", stdin=make_tar([build, ("x", "f", "x" * 50_000)])[:20_000]).says(2, "damaged")
    lab.build(path="-", stdin=make_tar([build, ("../" * 12 + f"{canary}/new", "f", "x")])).says(2, "leaves its folder")
    lab.build(path="-", stdin=make_tar([build, ("l", "l", str(canary)), ("l/new", "f", "")])).says(2, "through a link")
    assert list(canary.iterdir()) == []


def test_markup_and_control_sequences_are_text(lab: Lab) -> None:
    octal = "\\033]52;c;aGk=\\007\\033[2J[red]out[/red]\\033]0;title\\007"
    done = lab.dockerfile(f"{GOOD}LABEL a='{ESC}'\nRUN printf '{octal}' && exit 4\n")
    done.says(1, "context/Dockerfile:5: ", "returned a non-zero code: 4", "[red]out[/red]", "LABEL a='[red]x[/red]'")
    done = lab.run("build", "--progress", "json", "context")
    done.says(1) if done.err else None
    assert done.code == 1 and "\x1b" not in done.out and "\\u001b]52" in done.out
    assert all(json.loads(line)["event"] for line in done.out.splitlines())


def test_commands_that_fail(lab: Lab) -> None:
    place = "context/Dockerfile:4: "
    lab.dockerfile(f"{GOOD}RUN nosuchcommand\n").says(1, place, "returned a non-zero code: 127", "not")
    lab.dockerfile(f"{GOOD}RUN exit 3\n").says(1, place, "The command '/bin/sh -c exit 3' returned a non-zero code: 3")
    lab.dockerfile(f"{GOOD}RUN echo a\0b\n").says(1, place)
    lab.dockerfile("FROM scratch\nRUN true\n").says(1, "context/Dockerfile:2: ", "/bin/sh")
    lab.dockerfile("ARG X\nFROM $X\n").says(1, "context/Dockerfile:2: ", "should not be blank")
    lab.dockerfile(f"{GOOD}LABEL a=${{x:?bad}}\n").says(1, f"{place}failed to process")
    done = lab.build("--build-arg", "unused=1", path="-", stdin=f"FROM scratch\n{OURS}\n".encode())
    done.says(0, "One or more build-args [unused] were not consumed")


def test_images_that_are_none(lab: Lab) -> None:
    (lab.folder / "garbage").write_bytes(b"garbage" * 1000)
    for words in (["rmi", "nosuch-nasty"], ["history", "nosuch-nasty"], ["inspect", "nosuch-nasty"],
                  ["save", "-o", "out.tar", "nosuch-nasty"], ["tag", "nosuch-nasty", "x"]):  # fmt: skip
        lab.run(*words).says(1, "no such image: nosuch-nasty")
    lab.run("load", "-i", "garbage").says(2, "garbage: ")
    lab.run("load", stdin=b"garbage" * 1000).says(2, "stdin: ")
    lab.run("import", "garbage").says(2, "garbage: ")
    lab.run("save", "-o", "/nonexistent/x", "x").says(2, "there is no folder /nonexistent")
    lab.run("save", "-o", "context", "x").says(2, "context is a folder")
    assert not (lab.folder / "out.tar").exists()


@pytest.mark.parametrize("lab", ["embedded"], indirect=True)
def test_command_lines_that_are_none(lab: Lab) -> None:
    for flags, words in [
        (["--memory", "1x"], "--memory takes a size, not '1x'"),
        (["-t", "BadName"], "'BadName' is not an image name"),
        (["--target", "nosuch"], 'target stage "nosuch" could not be found'),
        (["--nosuch"], "unknown option --nosuch"),
        (["--ulimit", "nofile=5:1"], "soft limit"),
        (["--iidfile", "/nonexistent/x"], "there is no folder /nonexistent"),
        (["--squash"], "engines that have it: docker"),
    ]:
        lab.build(*flags).says(2, words)
    lab.run("build", "--build-arg").says(2)
    lab.run("tag", "x", "BAD").says(2, "'BAD' is not an image name")


@pytest.mark.parametrize("lab", ["embedded"], indirect=True)
def test_an_output_that_is_gone(lab: Lab) -> None:
    def shell(line: str) -> str:
        script = f'"$0" {line}; echo "${{PIPESTATUS[0]}}" >&2'
        command = ["bash", "-c", script, WORKBENCH]
        done = subprocess.run(command, cwd=lab.folder, capture_output=True, text=True, check=False, timeout=60)
        assert "Traceback" not in done.stderr and "internal error" not in done.stderr, done.stderr
        return done.stderr

    engine = " ".join(lab.engine)
    assert shell(f"images {engine} | head -0").endswith("141\n")
    assert "No space left on device" in shell(f"images {engine} >/dev/full")
    assert "No space left on device" in shell(f"build {engine} context >/dev/full")
    assert "stdout is closed" in shell(f"images {engine} >&-")
    assert shell(f"images {engine} 2>&-") == "0\n"


def test_save_to_a_device_leaves_it(lab: Lab) -> None:
    lab.fresh()
    lab.build("-t", NAME).says(0)
    pipe = lab.folder / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["wc", "-c", pipe], stdout=subprocess.PIPE, text=True)
    lab.run("save", "-o", "pipe", NAME).says(0)
    assert int(reader.communicate(timeout=10)[0].split()[0]) > 10_000
    assert pipe.is_fifo()
    lab.run("rmi", NAME).says(0)
