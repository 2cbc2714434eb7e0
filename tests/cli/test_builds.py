"""`workbench builds` and `rollback` on the embedded engine, from the first build to an image that is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.build.history import History
from workbench.cli import main


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_ENGINE", "embedded")
    context = tmp_path / "lab"
    context.mkdir()
    (context / "data").write_text("one")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY data /\n")
    monkeypatch.chdir(context)
    return context


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that ends well; what it wrote to stdout."""

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(words) == code
        captured = capsys.readouterr()
        return captured.out if code == 0 else captured.err

    return run


def build_three(lab: Path, said: Callable[..., str]) -> list[str]:
    """Two images of one name, and a build that fails; the images' IDs."""
    found = []
    for content in ("one", "two"):
        (lab / "data").write_text(content)
        found.append(said("build", "-q", "-t", "lab", "--build-arg", "TOKEN=hunter2", ".").strip())
    (lab / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    said("build", "-q", "-t", "lab", ".", code=1)
    return found


def image_of(said: Callable[..., str], name: str) -> str:
    return str(json.loads(said("inspect", name))[0]["Id"])


def test_builds_are_listed_with_what_they_were_made_from(lab: Path, said: Callable[..., str]) -> None:
    first, second = build_three(lab, said)
    builds = [json.loads(line) for line in said("builds", "--format", "json").splitlines()]
    assert [(it["number"], it["outcome"], it["image"]) for it in builds] == [
        (3, "failed", ""), (2, "succeeded", second), (1, "succeeded", first),
    ]  # fmt: skip
    assert builds[1]["digest"] == builds[2]["digest"] != builds[0]["digest"]
    assert builds[1]["context_digest"] != builds[2]["context_digest"] and builds[1]["context_digest"]
    assert builds[1]["size"] == 3 and len(builds[1]["layers"]) == 1 and builds[1]["context"] == str(lab)
    assert ["--build-arg", "TOKEN=***"] in builds[1]["settings"]
    table = said("builds").splitlines()
    assert table[0].split() == ["BUILD", "WHEN", "RESULT", "TIME", "STEPS", "SIZE", "IMAGE", "ID", "ENGINE", "TAGS"]
    assert len(table) == 4 and "lab:latest" in table[2]
    assert len(said("builds", "-n", "1").splitlines()) == 2


def test_nothing_secret_is_in_the_state_folder(lab: Path, said: Callable[..., str]) -> None:
    import gzip

    from workbench.config import state_dir

    build_three(lab, said)
    files = [path for path in state_dir().rglob("*") if path.is_file()]
    content = b"".join(gzip.decompress(it.read_bytes()) if it.suffix == ".gz" else it.read_bytes() for it in files)
    assert b"hunter2" not in content and b"COPY data" in content


def test_two_builds_side_by_side(lab: Path, said: Callable[..., str]) -> None:
    build_three(lab, said)
    text = said("builds", "compare", "1", "3")
    assert "-COPY data /" in text and "+COPY nothing /" in text
    found = json.loads(said("builds", "compare", "1", "2", "--format", "json"))
    assert [sign for sign, _ in found["layers"]] == ["-", "+"] and found["dockerfile"] == []


def test_what_is_kept_of_a_build_is_printed(lab: Path, said: Callable[..., str]) -> None:
    build_three(lab, said)
    assert said("builds", "dockerfile", "1") == "FROM scratch\nCOPY data /\n"
    assert "Step 2: COPY data /" in said("builds", "--log", "1")
    shown = said("builds", "show", "#2")
    assert "Context digest  sha256:" in shown and "lab:latest" in shown


def test_a_name_goes_back_and_forth(lab: Path, said: Callable[..., str]) -> None:
    first, second = build_three(lab, said)
    assert said("rollback", "lab") == f"lab:latest: {second[7:19]} (build 2) -> {first[7:19]} (build 1)\n"
    assert image_of(said, "lab") == first
    assert "no earlier build" in said("rollback", "lab", code=2)
    said("rollback", "lab", "2")
    assert image_of(said, "lab") == second
    assert "has no image" in said("rollback", "lab", "3", code=2)
    said("rollback", "lab", "2")  # it is that image already: nothing to remember
    records = [json.loads(line) for line in said("builds", "--format", "json").splitlines()]
    assert [(it["number"], it["rolled_back_to"], it["rolled_back_from"]) for it in records[:3]] == [
        (5, 2, first), (4, 1, second), (3, 0, "")
    ]  # fmt: skip
    assert records[1]["image"] == first and records[1]["tags"] == ["lab:latest"] and records[1]["steps"] == []
    table = said("builds").splitlines()
    assert len(table) == 6 and "back to 2" in table[1] and "back to 1" in table[2] and first[7:19] in table[2]
    shown = said("builds", "show", "4")
    assert f"From            {second}\nTo              {first} (build 1)\n" in shown and "When            2" in shown
    assert said("builds", "dockerfile", "4") == said("builds", "dockerfile", "1")
    said("rollback", "lab", "4")
    assert image_of(said, "lab") == first, "a rollback can be gone back to, as its build"
    assert "no build '9'" in said("rollback", "lab", "9", code=2)


def test_the_builds_of_another_engine_are_not_what_a_name_goes_back_to(lab: Path, said: Callable[..., str]) -> None:
    first = said("build", "-q", "-t", "lab", ".").strip()
    history = History()
    history.add(lab, replace(history.list(lab)[0], engine="buildkit", image="sha256:" + "f" * 64))
    (lab / "data").write_text("two")
    second = said("build", "-q", "-t", "lab", ".").strip()
    assert said("rollback", "lab") == f"lab:latest: {second[7:19]} (build 3) -> {first[7:19]} (build 1)\n"
    wrong = said("rollback", "lab", "2", code=2)
    assert "build 2 is an image of the buildkit engine" in wrong and "--engine buildkit" in wrong
    assert image_of(said, "lab") == first


def test_an_image_that_was_pruned_is_said_to_be_gone(lab: Path, said: Callable[..., str]) -> None:
    _, second = build_three(lab, said)
    assert main(["prune", "--force"]) == 0
    wrong = said("rollback", "lab", code=1)
    assert "the image of build 1 is gone" in wrong and "workbench builds dockerfile 1" in wrong
    assert image_of(said, "lab") == second


def test_prune_says_which_builds_lose_their_images(
    lab: Path, said: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    build_three(lab, said)
    capsys.readouterr()
    assert main(["prune", "--dry-run"]) == 0
    assert "would go with it: what `workbench rollback` needs to go back to build 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("builds", "compare", "1"), "takes two builds"),
        (("builds", "show", "x"), "no build 'x'"),
        (("builds", "nowhere"), "no context nowhere"),
        (("builds", ".", "."), "one argument too many"),
    ],
)
def test_what_is_not_understood(words: tuple[str, ...], wrong: str, lab: Path, said: Callable[..., str]) -> None:
    assert wrong in said(*words, code=2)
