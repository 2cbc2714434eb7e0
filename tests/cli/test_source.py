"""Contexts from stdin, from URLs and from git; and tars that would like to be elsewhere."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from workbench.cli.source import Source, local_context, open_source
from workbench.context.git import is_git, without_secrets
from workbench.context.remote import is_url
from workbench.context.unpack import Peeked, is_archive, unpack
from workbench.errors import DockerfileError, InputError, UsageError


def tar_of(*members: tuple[str, bytes | str], mode: str = "w") -> bytes:
    """Bytes are a file's content, a text `kind:target` is a member of another kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, what in members:
            member = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                member.size = len(what)
                tar.addfile(member, io.BytesIO(what))
                continue
            kind, _, member.linkname = what.partition(":")
            member.type = {"dir": tarfile.DIRTYPE, "sym": tarfile.SYMTYPE, "link": tarfile.LNKTYPE,
                           "fifo": tarfile.FIFOTYPE, "dev": tarfile.CHRTYPE}[kind]  # fmt: skip
            member.mode = 0o755 if kind == "dir" else 0o644
            tar.addfile(member)
    return out.getvalue()


def unpacked(data: bytes, folder: Path) -> None:
    unpack(Peeked(io.BytesIO(data)), folder)


class _Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_on_stdin_is_a_context(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tar_of(
        ("./sub", "dir:"), ("./sub/a", b"hi"), ("Dockerfile", b"FROM scratch\n"), ("s", "sym:../out"), mode=mode
    )
    monkeypatch.setattr("sys.stdin", _Stdin(data))
    with open_source("-", None) as source:
        assert source.context is not None and source.temporary
        assert (source.context / "sub/a").read_bytes() == b"hi"
        assert (source.context / "s").is_symlink()
        folder = source.context
    assert not folder.exists()


def test_anything_else_on_stdin_is_a_dockerfile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(b"FROM scratch\n" + b"# long\n" * 1000))
    with open_source("-", None) as source:
        assert source.context is None and source.text is not None and len(source.text) == 7013


def test_a_dockerfile_on_stdin_for_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(b"FROM scratch\n"))
    with open_source(str(tmp_path), "-") as source:
        assert source == Source(tmp_path.resolve(), "Dockerfile", "FROM scratch\n", "-")


@pytest.mark.parametrize(
    ("data", "file", "error"),
    [(b"", None, InputError), (b"FROM x\n", "Dockerfile", UsageError), (b"FROM \xff\n", None, DockerfileError),
     (tar_of(("a", b"")), None, InputError), (b"\x28\xb5\x2f\xfd" + b"0" * 600, None, InputError)],
)  # fmt: skip
def test_what_stdin_cannot_be(
    data: bytes, file: str | None, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(data))
    with pytest.raises(error), open_source("-", file):
        pytest.fail("it was taken")


@pytest.mark.parametrize(
    "members",
    [
        [("../x", b"")],
        [("a/../../x", b"")],
        [("s", "sym:/tmp"), ("s/x", b"")],
        [("s", "sym:.."), ("s/x", "dir:")],
        [("l", "link:/etc/passwd")],
        [("l", "link:../x")],
        [("s", "sym:/etc/passwd"), ("l", "link:s")],
        [("d", "dev:")],
    ],
)
def test_a_tar_cannot_leave_its_folder(members: list[tuple[str, bytes | str]], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(InputError):
        unpacked(tar_of(*members), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_absolute_names_count_from_the_folder(tmp_path: Path) -> None:
    unpacked(tar_of(("/etc/x", b"1"), ("y", "link:/etc/x")), tmp_path)
    assert (tmp_path / "etc/x").read_bytes() == (tmp_path / "y").read_bytes() == b"1"


def test_a_later_member_replaces_an_earlier_one(tmp_path: Path) -> None:
    unpacked(tar_of(("a", "sym:/etc/passwd"), ("a", b"mine"), ("d", "dir:"), ("d/x", b""), ("d", b"file")), tmp_path)
    assert (tmp_path / "a").read_bytes() == b"mine" and not (tmp_path / "a").is_symlink()
    assert (tmp_path / "d").read_bytes() == b"file"


def test_a_tar_that_is_cut_short_is_damaged(tmp_path: Path) -> None:
    whole = tar_of(("Dockerfile", b"FROM scratch\n" * 1000), mode="w:gz")
    with pytest.raises(InputError, match="damaged"):
        unpacked(whole[: len(whole) // 2], tmp_path)


def test_archives_are_known_by_their_first_bytes() -> None:
    assert is_archive(tar_of()[:512]) and is_archive(tar_of(("a", b""))[:512])
    assert not is_archive(b"FROM scratch\n") and not is_archive(b"BZ" * 256)


def test_a_url_is_a_tar_or_a_dockerfile(site: tuple[str, Path]) -> None:
    url, folder = site
    (folder / "c.tar").write_bytes(tar_of(("build/Dockerfile", b"FROM scratch\n")))
    (folder / "Dockerfile").write_text("FROM scratch\n")
    with open_source(f"{url}/c.tar", "build/Dockerfile") as source:
        assert source.context is not None and source.dockerfile == "build/Dockerfile"
    with open_source(f"{url}/Dockerfile", None) as source:
        assert source.context is None and source.text == "FROM scratch\n"
    with pytest.raises(InputError, match="404"), open_source(f"{url}/nothing", None):
        pytest.fail("it was taken")
    with pytest.raises(InputError, match="lies outside"), open_source(f"{url}/c.tar", "../Dockerfile"):
        pytest.fail("it was taken")


def test_a_git_repository_at_a_branch_and_a_folder(site: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = site
    work = tmp_path / "work"
    (work / "image").mkdir(parents=True)
    (work / "image" / "Dockerfile").write_text("FROM scratch\n")

    def git(*words: str, where: Path = work) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *identity, *words], cwd=where, check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    git("branch", "other")
    git("clone", "--bare", str(work), str(folder / "r.git"), where=tmp_path)
    git("update-server-info", where=folder / "r.git")
    # The dumb protocol has no shallow fetch; a file URL through insteadOf has.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_COUNT", "1")
        patch.setenv("GIT_CONFIG_KEY_0", f"url.file://{folder}/.insteadOf")
        patch.setenv("GIT_CONFIG_VALUE_0", f"{url}/")
        with open_source(f"{url}/r.git#other:image", None) as source:
            assert source.context is not None and (source.context / "Dockerfile").is_file()
        for wrong in ("#nowhere", "#other:..", "#other:missing", "#--upload-pack=x"):
            with pytest.raises(InputError), open_source(f"{url}/r.git{wrong}", None):
                pytest.fail("it was taken")


def test_a_git_server_that_only_has_files(site: tuple[str, Path], tmp_path: Path) -> None:
    """The dumb protocol has no shallow fetch: branches, tags and commits are found among all that there is."""
    url, folder = site
    work = tmp_path / "work"
    work.mkdir()

    def git(*words: str, where: Path = work) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main"]
        return subprocess.run(
            ["git", *identity, *words], cwd=where, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(text: str) -> str:
        (work / "Dockerfile").write_text(text)
        git("add", ".")
        git("commit", "-m", text)
        return git("rev-parse", "HEAD")

    git("init")
    first = commit("first")
    git("tag", "v1")
    git("tag", "both")
    git("checkout", "-b", "side/one")
    commit("side")
    git("branch", "both")
    git("checkout", "main")
    commit("last")
    git("clone", "--bare", str(work), str(folder / "r.git"), where=tmp_path)
    git("update-server-info", where=folder / "r.git")
    wanted = {
        "": "last", "#main": "last", "#side/one": "side", "#refs/heads/side/one": "side", "?branch=main": "last",
        "#v1": "first", "?tag=v1": "first", f"#{first}": "first", "#both": "first", "#refs/heads/both": "side",
    }  # fmt: skip
    for name, text in wanted.items():
        with open_source(f"{url}/r.git{name}", None) as source:
            assert source.context is not None and (source.context / "Dockerfile").read_text() == text, name
    said = "has no branch, tag or commit 'nowhere'"
    with pytest.raises(InputError, match=said), open_source(f"{url}/r.git#nowhere", None):
        pytest.fail("it was taken")


def test_what_is_git_and_what_is_a_url() -> None:
    assert is_git("https://h/r.git") and is_git("https://h/r.git#b:f") and is_git("git@h:r")
    assert not is_git("https://h/r.tar") and not is_git("r.git")
    assert is_url("https://h/x") and not is_url("./https")


def test_passwords_of_a_url_are_not_shown() -> None:
    assert without_secrets("fetch https://me:secret@h/r.git failed") == "fetch https://h/r.git failed"


def test_contexts_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for name, said in (("nothing", "there is no context"), ("file", "not a folder"), ("loop", "symbolic links")):
        with pytest.raises(InputError, match=said):
            local_context(str(tmp_path / name))
