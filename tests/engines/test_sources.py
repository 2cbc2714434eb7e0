"""What `docker build` takes as its context, on each engine: PATH, a URL of a Dockerfile or a tar, git, and `-`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WORKBENCH = str(Path(sys.executable).with_name("workbench"))
ALONE = "FROM scratch\nLABEL source=alone\n"
COPYING = "FROM scratch\nCOPY file /\nLABEL source=context\n"
SOURCES = [
    "PATH", "PATH and a Dockerfile on stdin", "URL of a Dockerfile", "URL of a tar", "git", "git folder",
    "Dockerfile on stdin", "tar on stdin", "tar.gz on stdin",
]  # fmt: skip


@dataclass
class Place:
    """The same context in every form."""

    folder: Path
    url: str
    git: str
    environment: dict[str, str]

    def tar(self, mode: str) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=mode) as tar:
            for path in sorted(self.folder.iterdir()):
                if path.name != ".git":
                    tar.add(path, path.name)
        return out.getvalue()

    def of(self, source: str) -> tuple[list[str], bytes]:
        """The arguments of the command, and its stdin."""
        match source:
            case "PATH":
                return [str(self.folder)], b""
            case "PATH and a Dockerfile on stdin":
                return ["-f", "-", str(self.folder)], COPYING.encode()
            case "URL of a Dockerfile":
                return [f"{self.url}/Alone"], b""
            case "URL of a tar":
                return [f"{self.url}/context.tar"], b""
            case "git":
                return [f"{self.git}#main"], b""
            case "git folder":
                return [f"{self.git}#main:sub"], b""
            case "Dockerfile on stdin":
                return ["-"], ALONE.encode()
        return ["-"], self.tar("w:gz" if "gz" in source else "w")


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *unused: object) -> None:
        return


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    folder, site = tmp_path / "context", tmp_path / "site"
    for path, text in {"Dockerfile": COPYING, "file": "content", "sub/Dockerfile": COPYING, "sub/file": "x"}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    site.mkdir()
    (site / "Alone").write_text(ALONE)
    identity = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main"]
    for words in (["init"], ["add", "."], ["commit", "-m", "one"], ["clone", "--bare", ".", str(site / "r.git")]):
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    # The dumb protocol has no shallow fetch; a file URL through insteadOf has.
    environment = {
        "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": f"url.file://{site}/.insteadOf", "GIT_CONFIG_VALUE_0": f"{url}/",
        "GIT_CONFIG_KEY_1": "safe.directory", "GIT_CONFIG_VALUE_1": "*",
    }  # fmt: skip
    found = Place(folder, url, f"{url}/r.git", environment)
    (site / "context.tar").write_bytes(found.tar("w"))
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["embedded", "docker_20", "buildkit_28", "docker_podman"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    name, _, which = request.param.partition("_")
    if name == "embedded":
        return ["--engine", "embedded", "--root", str(tmp_path / "store")]
    return ["--engine", name, "-H", request.getfixturevalue(f"docker_{which}")]


def test_every_source(engine: list[str], place: Place) -> None:
    name = f"sources-{uuid.uuid4().hex[:8]}"
    environment = {**os.environ, **place.environment}

    def workbench(*words: str, given: bytes = b"") -> bytes:
        command = [WORKBENCH, words[0], *engine, *words[1:]]
        done = subprocess.run(command, input=given, capture_output=True, env=environment, timeout=60, check=False)
        assert done.returncode == 0, (words, done.stderr.decode())
        assert b"RuntimeWarning" not in done.stderr, done.stderr.decode()
        return done.stdout

    names = [f"{name}:{number}" for number in range(len(SOURCES))]
    try:
        for tag, source in zip(names, SOURCES, strict=True):
            arguments, given = place.of(source)
            workbench("build", "-q", "-t", tag, *arguments, given=given)
        for facts, source in zip(json.loads(workbench("inspect", *names)), SOURCES, strict=True):
            wanted = "alone" if source in ("URL of a Dockerfile", "Dockerfile on stdin") else "context"
            assert facts["Config"]["Labels"]["source"] == wanted, source
            assert len(facts["RootFS"].get("Layers") or ()) == (wanted == "context"), source
    finally:
        subprocess.run([WORKBENCH, "rmi", *engine, "-f", *names], capture_output=True, env=environment, check=False)
