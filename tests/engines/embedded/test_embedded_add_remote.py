"""ADD of git repositories and of downloads that want more than a GET."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.server
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import Builder, Result, make_tar

from workbench.build.engine import Build
from workbench.build.events import BuildEvent, BuildFinished
from workbench.build.request import BuildRequest
from workbench.errors import DockerfileError, InputError

TAR = make_tar(("in", {"data": b"inside"}))


class Handler(http.server.BaseHTTPRequestHandler):
    """`/r.git/` by git's own http-backend in `root`; `/private` behind a login; `/moved` leads to `/tar`."""

    root: Path
    elsewhere = ""

    def do_GET(self) -> None:
        if self.path.startswith("/r.git"):
            return self._git(b"")
        if (
            self.path == "/private"
            and self.headers.get("Authorization") != f"Basic {base64.b64encode(b'me:p@ss').decode()}"
        ):
            return self._answer(401, b"")
        if self.path == "/moved":
            return self._answer(302, b"", Location=f"{self.elsewhere}/tar")
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"not all")
            return None
        if self.path in ("/tar", "/private"):
            return self._answer(200, TAR, **{"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})
        if self.path in ("/disposed", "/disposed/", "/%2e%2e", "/a%00b"):
            return self._answer(200, b"", **{"Content-Disposition": 'attachment; filename="../../sent"'})
        return self._answer(404, b"")

    def do_POST(self) -> None:
        self._git(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _git(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ, "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "HOME": str(self.root),
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=environment, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self._answer(int(headers.pop("Status", "200").split()[0]), content, **headers)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    Handler.root = tmp_path / "site"
    Handler.root.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.elsewhere = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Handler.elsewhere
        server.shutdown()


@pytest.fixture
def repository(site: str, tmp_path: Path) -> tuple[str, str, str]:
    """Its URL, the commit of the tag `one`, and that of its main branch."""
    work = tmp_path / "work"
    work.mkdir()

    def git(*words: str, where: Path = work) -> str:
        identity = ["-c", "user.name=me", "-c", "user.email=me@here", "-c", "init.defaultBranch=main"]
        dates = {"GIT_AUTHOR_DATE": "1600000000 +0000", "GIT_COMMITTER_DATE": "1600000000 +0000"}
        done = subprocess.run(
            ["git", *identity, *words],
            cwd=where,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **dates},
        )
        return done.stdout.strip()

    git("init")
    (work / "sub").mkdir()
    (work / "sub" / "f").write_text("one")
    (work / "run").write_text("#!/bin/sh\n")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("sub/f")
    git("add", ".")
    git("commit", "-m", "one")
    git("tag", "one")
    first = git("rev-parse", "HEAD")
    (work / "sub" / "f").write_text("second")
    git("commit", "-am", "two")
    git("branch", "feature/x")
    git("clone", "--bare", str(work), str(tmp_path / "site" / "r.git"), where=tmp_path)
    git("config", "uploadpack.allowAnySHA1InWant", "true", where=tmp_path / "site" / "r.git")
    return f"{site}/r.git", first, git("rev-parse", "HEAD")


def sizes(built: Result) -> dict[str, int]:
    return {name: info.size for name, info in built.layer().items() if info.isreg()}


async def test_a_repository_is_a_folder_of_files_of_its_commits_time(
    scratch_build: Builder, repository: tuple[str, str, str]
) -> None:
    url, _, _ = repository
    built = await scratch_build(f"FROM scratch\nADD {url} /r/\n")
    layer = built.layer()
    assert sorted(layer) == ["r", "r/link", "r/run", "r/sub", "r/sub/f"]
    assert [layer[name].mode for name in ("r/run", "r/sub/f", "r/sub")] == [0o755, 0o644, 0o755]
    assert {info.mtime for info in layer.values()} == {1600000000} and layer["r/link"].linkname == "sub/f"
    assert (await scratch_build(f"FROM scratch\nADD {url} /r/\n")).cached == [False, True]


async def test_a_ref_and_a_folder_in_both_notations(scratch_build: Builder, repository: tuple[str, str, str]) -> None:
    url, first, _ = repository
    for place in (f"{url}#one:sub", f"{url}?ref=one&subdir=sub", f"{url}?tag=one&subdir=sub", f"{url}#{first}:sub"):
        assert sizes(await scratch_build(f"FROM scratch\nADD {place} /\n")) == {"f": 3}, place
    for place in (f"{url}#feature/x:sub", f"{url}?branch=feature/x&subdir=sub"):
        assert sizes(await scratch_build(f"FROM scratch\nADD {place} /\n")) == {"f": 6}, place


async def test_a_commit_is_checked_and_the_git_folder_kept_on_demand(
    scratch_build: Builder, repository: tuple[str, str, str]
) -> None:
    url, first, last = repository
    built = await scratch_build(f"FROM scratch\nADD --checksum={last} --keep-git-dir=true --chown=5 {url} /r/\n")
    layer = built.layer()
    assert "r/.git/HEAD" in layer and {info.uid for info in layer.values()} == {5}
    built = await scratch_build(f"FROM scratch\nADD --checksum={first} {url} /r/\n")
    assert built.end.outcome == "failed" and f"expected the commit {first} and got {last}" in built.end.error
    assert built.end.line == 2


async def test_what_a_repository_does_not_have_is_said_with_its_line(
    scratch_build: Builder, repository: tuple[str, str, str], site: str
) -> None:
    url = repository[0]
    for place, words in (
        (f"{url}#nosuch", "nosuch"), (f"{url}#one:nosuch", "has no folder 'nosuch'"), (f"{site}/no.git", "git fetch"),
    ):  # fmt: skip
        built = await scratch_build(f"FROM scratch\nADD {place} /\n")
        assert (built.end.outcome, built.end.line) == ("failed", 2) and words in built.end.error, place
    with pytest.raises(InputError, match="'nosuch' is nothing that a git URL says"):
        await scratch_build(f"FROM scratch\nADD {url}?nosuch=1 /\n")


async def test_a_repository_as_a_named_context(
    scratch_build: Builder, repository: tuple[str, str, str], site: str
) -> None:
    contexts = {"code": f"{repository[0]}#one", "archive": f"{site}/tar"}
    built = await scratch_build("FROM scratch\nCOPY --from=code sub /\n", build_contexts=contexts)
    assert sizes(built) == {"f": 3}
    built = await scratch_build("FROM scratch\nCOPY --from=archive . /\n", build_contexts=contexts)
    assert sizes(built) == {"in": 6}


async def test_a_download_is_unpacked_on_demand_only(scratch_build: Builder, site: str) -> None:
    built = await scratch_build(f"FROM scratch\nADD {site}/tar /\n")
    assert sizes(built) == {"tar": len(TAR)} and built.layer()["tar"].mtime == 1445412480
    built = await scratch_build(f"FROM scratch\nADD --unpack=true {site}/tar /d/\n")
    assert sizes(built) == {"d/in": 6}
    built = await scratch_build("FROM scratch\nADD --unpack=false a.tar /\n", {"a.tar": TAR})
    assert sizes(built) == {"a.tar": len(TAR)}


@pytest.mark.parametrize(
    ("path", "name"), [("disposed", "disposed"), ("disposed/", "sent"), ("%2e%2e", "sent"), ("a%00b", "sent")]
)
async def test_the_url_names_a_download_and_else_the_server(
    scratch_build: Builder, site: str, path: str, name: str
) -> None:
    built = await scratch_build(f"FROM scratch\nADD {site}/{path} /x/\n")
    assert list(built.layer()) == ["x", f"x/{name}"]


async def test_the_history_of_one_download_is_a_digest_alone(scratch_build: Builder, site: str) -> None:
    built = await scratch_build(f"FROM scratch\nADD {site}/tar /x\nADD {site}/tar Dockerfile /y/\n")
    assert re.fullmatch(r"/bin/sh -c #\(nop\) ADD [0-9a-f]{64} in /x ", built.history[0])
    assert re.fullmatch(r"/bin/sh -c #\(nop\) ADD multi:[0-9a-f]{64} in /y/ ", built.history[1])


async def test_copy_of_a_url_says_that_it_is_one(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY https://nowhere.invalid/x /\n")
    assert built.end.error == "COPY failed: source can't be a URL for COPY"


async def test_a_download_follows_a_redirect_and_is_checked(scratch_build: Builder, site: str) -> None:
    digest = f"sha256:{hashlib.sha256(TAR).hexdigest()}"
    built = await scratch_build(f"FROM scratch\nADD --checksum={digest} {site}/moved /x\n")
    assert sizes(built) == {"x": len(TAR)}
    built = await scratch_build(f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {site}/moved /x\n")
    assert built.end.line == 2 and f"digest mismatch {digest}: sha256:000" in built.end.error


async def test_a_login_is_sent_and_never_shown(scratch_build: Builder, site: str) -> None:
    host = site.removeprefix("http://")
    built = await scratch_build(f"FROM scratch\nADD http://me:p%40ss@{host}/private /x\n")
    assert sizes(built) == {"x": len(TAR)} and "p%40ss" not in str(built.config)
    built = await scratch_build(f"FROM scratch\nADD http://me:wr0ng@{host}/private /x\n")
    assert "status 401" in built.end.error and "wr0ng" not in built.end.error + built.end.hint
    assert "wants a login" in built.end.hint and built.end.line == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ADD --checksum=sha256:12 http://h/f /", "is no sha256 digest"),
        (f"ADD --checksum=sha256:{'0' * 64} f /", "checksum requires HTTP"),
        (f"ADD --checksum=sha256:{'0' * 64} http://h/f http://h/g /", "multiple sources"),
    ],
)
async def test_a_checksum_of_what_has_none_is_refused_before_the_first_step(
    scratch_build: Builder, line: str, words: str
) -> None:
    with pytest.raises(DockerfileError, match=words) as caught:
        await scratch_build(f"FROM scratch\n{line}\n", {"f": ""})
    assert (caught.value.line, caught.value.column) == (2, 5)


@pytest.mark.parametrize("line", ["ADD {}/f /", "ADD {}/f.git /", "COPY --from=far / /"])
async def test_a_server_that_says_nothing_does_not_hold_up_cancelling(scratch_build: Builder, line: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        scratch_build.put({"Dockerfile": f"FROM scratch\n{line.format(url)}\n"})
        request = BuildRequest(context=scratch_build.context, build_contexts={"far": f"{url}/x.tar"})
        running = scratch_build.engine.build(request)
        events = asyncio.ensure_future(_all(running))
        connection, _ = await asyncio.to_thread(listener.accept)
        before = time.monotonic()
        running.cancel()
        end = (await events)[-1]
        connection.close()
    assert isinstance(end, BuildFinished) and end.outcome == "cancelled"
    assert time.monotonic() - before < 5, "and not the half minute that a download waits for an answer"


async def _all(running: Build) -> list[BuildEvent]:
    return [event async for event in running]


async def test_a_download_that_is_cut_short_is_no_file(scratch_build: Builder, site: str) -> None:
    built = await scratch_build(f"FROM scratch\nADD {site}/cut /x\n")
    assert (built.end.outcome, built.end.line) == ("failed", 2) and "the connection was cut" in built.end.error
