"""The samples, and what they need."""

from __future__ import annotations

import lzma
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.cli import busybox
from workbench.cli.samples import SUMMARIES, sample, samples_folder
from workbench.dockerfile import parse


def test_every_sample_is_described_and_parses() -> None:
    assert {path.name for path in samples_folder().iterdir()} == set(SUMMARIES)
    for name in SUMMARIES:
        parse((sample(name) / "Dockerfile").read_text())


def test_genesis_is_the_labs() -> None:
    assert (sample("genesis") / "Dockerfile").read_text() == (
        'FROM scratch\nMAINTAINER byjeon <mysummit@gmail.com>\nADD busybox.tar.xz /\nCMD ["sh"]\n'
    )


def test_a_demo_is_copied_and_made(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, static_busybox: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("demo", "--no-open")
    folder = tmp_path / "workbench-genesis"
    assert (done.code, done.out) == (0, "workbench-genesis\n")
    assert "copied the sample genesis" in done.err and "making busybox.tar.xz from /" in done.err
    with tarfile.open(folder / "busybox.tar.xz") as tar:
        names = tar.getnames()
        assert names == sorted(names) and "bin/sh" in names
        assert tar.getmember("bin/busybox").mode == 0o755 and tar.getmember("tmp").mode == 0o1777
        assert {(member.uid, member.gid, member.mtime) for member in tar} == {(0, 0, 0)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["workbench-genesis"]


def test_a_folder_that_is_there_is_taken_as_it_is(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "workbench-ignore"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n# mine\n")
    done = run("demo", "ignore", "--no-open")
    assert done.code == 0 and "as it is" in done.err
    assert [path.name for path in folder.iterdir()] == ["Dockerfile"]
    assert (folder / "Dockerfile").read_text().endswith("# mine\n")


def test_made_in_place(run: Run, tmp_path: Path, static_busybox: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nADD busybox.tar.xz /\n")
    assert run("demo", "--make", str(tmp_path)).code == 0
    first = (tmp_path / "busybox.tar.xz").read_bytes()
    (tmp_path / "busybox.tar.xz").unlink()
    assert run("demo", "--make", str(tmp_path)).code == 0
    assert (tmp_path / "busybox.tar.xz").read_bytes() == first, "the same busybox gives the same bytes"
    assert run("demo", "--make", str(tmp_path / "no")).code == 2


def test_an_unknown_sample_lists_those_that_there_are(run: Run) -> None:
    done = run("demo", "nothing")
    assert done.code == 2 and all(name in done.err for name in SUMMARIES)
    assert run("demo", "--list").out.splitlines()[0].split() == ["SAMPLE", "SHOWS"]
    assert run("demo", "--list", "--format", "json").out.count("\n") == len(SUMMARIES)


def test_a_context_that_wants_no_busybox_gets_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert run("demo", "--make", str(tmp_path)).code == 0
    assert not (tmp_path / "busybox.tar.xz").exists()


def test_without_any_busybox_it_says_what_to_do(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(busybox, "_PLACES", ())
    done = run("demo", "--no-open")
    assert done.code == 2 and "no static busybox" in done.err and "apt-get install busybox-static" in done.err
    assert not (tmp_path / "workbench-genesis" / "busybox.tar.xz").exists()


def test_a_program_that_wants_a_loader_is_not_static(static_busybox: Path, tmp_path: Path) -> None:
    assert busybox.is_static(static_busybox)
    assert not busybox.is_static(Path("/usr/bin/env")) and not busybox.is_static(tmp_path)
    (tmp_path / "text").write_text("#!/bin/sh\n")
    assert not busybox.is_static(tmp_path / "text")


def test_a_full_disk_leaves_no_half_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*unused: object, **more: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lzma, "open", full)
    with pytest.raises(busybox.StoreError, match="No space left"):
        busybox.write_archive(tmp_path / "busybox.tar.xz", b"", ["sh"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_debian_has_a_busybox_for_anybody(tmp_path: Path) -> None:
    said: list[str] = []
    try:
        found = busybox.fetch_static(tmp_path, said.append)
    except busybox.InputError as error:
        pytest.skip(f"no Debian mirror in reach: {error}")
    assert busybox.is_static(found) and "sh" in busybox.applets(found)
