"""The commands on images, over images that are held in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.build.images import Image
from workbench.build.talk import Talk
from workbench.engines.replay import ReplayEngine

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")


class Recorded(ReplayEngine):
    """A replay engine whose archives are what was asked for."""

    def __init__(self) -> None:
        super().__init__(
            images=[
                Image(A, tags=("genesis:latest", "genesis:1.0"), created=1_700_000_100, size=1_130_000),
                Image(B, tags=("other:latest",), created=1_700_000_000, size=5),
                Image(C, created=1_600_000_000, size=7),
            ]
        )
        self.images.save = self.save  # type: ignore[method-assign]
        self.images.load = self.load  # type: ignore[method-assign]
        self.images.import_ = self.import_  # type: ignore[method-assign]
        self.asked: list[object] = []

    async def save(self, references: Sequence[str], out: Path, talk: Talk | None = None) -> None:
        out.write_bytes(b"tar of " + " ".join(references).encode())

    async def load(self, archive: Path, talk: Talk | None = None) -> Sequence[str]:
        self.asked.append(archive.read_bytes())
        return ["genesis:latest", A]

    async def import_(
        self,
        archive: Path,
        *,
        tag: str | None = None,
        changes: Sequence[str] = (),
        message: str = "",
        talk: Talk | None = None,
    ) -> str:
        self.asked.append((archive.read_bytes(), tag, list(changes), message))
        return B


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    held = Recorded()
    monkeypatch.setenv("WORKBENCH_ENGINE", "replay")
    monkeypatch.setattr("workbench.cli.engine.make", lambda name, config, **more: held)
    return held


def test_images(engine: Recorded, run: Run) -> None:
    lines = run("images").out.splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["genesis", "latest", "a" * 12], ["genesis", "1.0", "a" * 12],
        ["other", "latest", "b" * 12], ["<none>", "<none>", "c" * 12],
    ]  # fmt: skip
    assert run("images", "-q", "--no-trunc", "genesis:1.0").out == f"{A}\n"
    assert [json.loads(line)["Tag"] for line in run("images", "--format", "json", "genesis").out.splitlines()] == [
        "latest",
        "1.0",
    ]


def test_rmi_goes_on_after_an_error(engine: Recorded, run: Run) -> None:
    done = run("rmi", "nothing", "genesis", "other")
    assert done.code == 1 and done.err == "workbench: no such image: nothing\n"
    assert done.out == f"Untagged: genesis:latest\nUntagged: other:latest\nDeleted: {B}\n"


def test_tag_history_inspect(engine: Recorded, run: Run) -> None:
    assert run("tag", "genesis", "genesis:2").code == 0
    assert "genesis:2" in engine.images.held[A].tags
    assert run("tag", "genesis", "NOT").code == 2
    assert run("history", "-q", "genesis").out == f"{'a' * 12}\n"
    assert [it["Id"] for it in json.loads(run("inspect", "genesis", "other").out)] == [A, B]
    done = run("inspect", "nothing")
    assert (done.code, json.loads(done.out)) == (1, [])


@pytest.mark.parametrize(
    ("answer", "gone"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("", False), ("\n", False)]
)
def test_prune_asks(engine: Recorded, run: Run, answer: str, gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    done = run("prune")
    assert done.code == 0 and "Are you sure you want to continue? [y/N]" in done.err
    assert (C not in engine.images.held) is gone
    assert ("Total reclaimed space: 7B" in done.out) is gone


def test_prune_without_a_question(engine: Recorded, run: Run) -> None:
    assert run("prune", "--dry-run").out == f"Would delete images:\ndeleted: {C}\n\nTotal reclaimable space: 7B\n"
    assert C in engine.images.held
    done = run("prune", "-f", "--all", "--format", "json")
    assert set(json.loads(done.out)["deleted"]) == {A, B, C} and done.err == ""


def test_save_to_a_file_and_to_a_pipe(engine: Recorded, run: Run, tmp_path: Path) -> None:
    assert run("save", "-o", str(tmp_path / "x.tar"), "genesis", "other").out == ""
    assert (tmp_path / "x.tar").read_bytes() == b"tar of genesis other"
    assert run("save", "genesis").out == "tar of genesis"


def test_save_does_not_write_on_a_terminal(engine: Recorded, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.cli.output.is_terminal", lambda stream: True)
    done = run("save", "genesis")
    assert done.code == 2 and "-o FILE" in done.err
    assert run("load").code == 2


def test_load_and_import_read_files_and_stdin(
    engine: Recorded, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.tar").write_bytes(b"a tar")
    done = run("load", "-i", str(tmp_path / "x.tar"))
    assert done.out == f"Loaded image: genesis:latest\nLoaded image ID: {A}\n"
    stdin = io.TextIOWrapper(io.BytesIO(b"from a pipe"))
    monkeypatch.setattr("sys.stdin", stdin)
    assert run("import", "-", "mine", "-c", 'CMD ["sh"]', "-m", "words").out == f"{B}\n"
    assert engine.asked == [b"a tar", (b"from a pipe", "mine", ['CMD ["sh"]'], "words")]


def test_import_reads_a_url(engine: Recorded, run: Run, site: tuple[str, Path]) -> None:
    url, folder = site
    (folder / "x.tar").write_bytes(b"a tar")
    assert run("import", f"{url}/x.tar", "mine").out == f"{B}\n"
    assert engine.asked == [(b"a tar", "mine", [], f"Imported from {url}/x.tar")]
    done = run("import", f"{url}/none.tar")
    assert done.code == 2 and "404" in done.err


def test_archives_that_are_not_there(engine: Recorded, run: Run, tmp_path: Path) -> None:
    assert run("load", "-i", str(tmp_path / "no")).code == 2
    assert run("import", str(tmp_path)).code == 2


def test_context_lists_what_decided(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("# texts\n*.md\n!README.md\n")
    for name in ("README.md", "NOTES.md", "Dockerfile", "two\nlines"):
        (tmp_path / name).write_text("x" * 1500)
    done = run("context", str(tmp_path))
    assert done.err == "workbench: 4 files, 4.52kB sent; 1 file, 1.5kB not sent\n"
    lines = {line.split()[-1]: line.split() for line in done.out.splitlines()}
    assert lines["NOTES.md"] == ["no", "1.5kB", ".dockerignore:2", "*.md", "NOTES.md"]
    assert lines["README.md"][:4] == ["yes", "1.5kB", ".dockerignore:3", "!README.md"]
    assert lines["two\\nlines"][2] == "-"
    ignored = [
        json.loads(line) for line in run("context", "--ignored", "--format", "json", str(tmp_path)).out.splitlines()
    ]
    assert [(it["path"], it["sent"], it["rule"]["line"]) for it in ignored] == [("NOTES.md", False, 2)]


def test_check_says_where_and_what(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nMAINTAINER me\n")
    monkeypatch.chdir(tmp_path)
    done = run("check")
    assert done.code == 0 and done.out.startswith("Dockerfile:2:1: MaintainerDeprecated: ")
    assert run("check", "--strict").code == 1
    assert json.loads(run("check", "--format", "json").out)["line"] == 2
    assert run("check", str(tmp_path / "Dockerfile")).out.startswith(f"{tmp_path}/Dockerfile:2:1: ")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n\nRUNN x\n")
    broken = run("check")
    assert broken.code == 2 and broken.err.startswith("workbench: Dockerfile:3:1: ") and broken.out == ""
    (tmp_path / "Dockerfile").unlink()
    assert run("check").code == 2


def test_the_trash_takes_back_what_rmi_held(engine: Recorded, run: Run) -> None:
    done = run("rmi", "--trash", "genesis", "other")
    assert done.code == 0 and done.out.splitlines() == [
        "Untagged: genesis:latest", "Untagged: other:latest", f"Held: {B}",
    ]  # fmt: skip
    assert [line.split()[:2] for line in run("images").out.splitlines()[1:]] == [
        ["genesis", "1.0"], ["<none>", "<none>"],
    ]  # fmt: skip
    assert {line.split()[0] for line in run("trash").out.splitlines()[1:]} == {"genesis:latest", "other:latest"}
    held = [json.loads(line) for line in run("trash", "list", "--format", "json").out.splitlines()]
    assert {it["Name"]: round(it["Until"] - it["Deleted"]) for it in held} == {
        "genesis:latest": 1800, "other:latest": 1800,
    }  # fmt: skip
    assert "latest (trash)" in run("df", "-v").out and "workbench-trash" not in run("df", "-v").out
    done = run("trash", "restore", "other")
    assert (done.out, done.err) == ("Restored: other:latest\n", "")
    assert run("trash", "restore", "nothing").code == 1
    assert run("trash", "empty", "--force").out.splitlines()[0] == "Deleted: genesis:latest"
    assert run("trash", "-q").code == 2 and run("trash").out.splitlines()[1:] == []
    assert set(engine.images.held) == {A, B, C}
    assert run("rmi", "--trash", "--force", "other").code == 2


def test_untag_leaves_the_image(engine: Recorded, run: Run) -> None:
    assert run("untag", "genesis:1.0").out == "Untagged: genesis:1.0\n"
    done = run("untag", "genesis:latest")
    assert done.code == 2 and "is the only name of its image" in done.err
    assert engine.images.held[A].tags == ("genesis:latest",)
    assert run("commit", "web", "x").code == 2
