"""A git repository as a folder of files, through the system's git: for contexts and for ADD.

`URL#REF:FOLDER`, or BuildKit's `URL?ref=REF&subdir=FOLDER` (moby/buildkit, frontend/dockerfile/dfgitutil).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

from workbench.dataclass import dataclass
from workbench.errors import InputError

_URL = re.compile(r"(?:git|ssh)://.+|[A-Za-z0-9][\w.-]*@[\w.-]+:.+|https?://[^?#]*\.git(?:[?#].*)?", re.DOTALL)
_OF_SSH = re.compile(r"Host key verification failed|.*: Permission denied \(|ssh: ")
_BOOLEANS = {"": True, "1": True, "true": True, "0": False, "false": False}
_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "advice.detachedHead=false")

_LOCAL = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
     "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_SHALLOW_FILE"}
)  # fmt: skip
"""What `git rev-parse --local-env-vars` names: a hook of another repository may run us."""

OnStart = Callable[[Callable[[], None]], Callable[[], None]]
"""Is handed what ends a running git, and returns what forgets it."""


@dataclass(frozen=True, slots=True)
class GitSource:
    """What a git URL names. `checksum` is (the beginning of) a commit's hash."""

    url: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository that was fetched: `folder` is what the URL names, `commit` its hash, `time` when it was made."""

    folder: Path
    commit: str
    time: int


def is_git(name: str) -> bool:
    """The forms of `docker build`: `git://`, `ssh://`, `user@host:path`, and http(s) whose path ends in `.git`."""
    return _URL.fullmatch(name) is not None


def parse_git(text: str) -> GitSource:
    """Raises InputError for a query that BuildKit does not have."""
    rest, _, fragment = text.partition("#")
    url, _, query = rest.partition("?")
    ref, _, subdir = fragment.partition(":")
    source = GitSource(url, ref, subdir)
    for key, value in parse_qsl(query, keep_blank_values=True):
        source = _with(source, key, value, text)
    if source.ref.startswith("-"):
        raise InputError(f"{source.ref!r} is not a branch, tag or commit")
    return source


def _with(source: GitSource, key: str, value: str, text: str) -> GitSource:
    if key in ("keep-git-dir", "submodules"):
        if value not in _BOOLEANS:
            raise InputError(f"{without_secrets(text)}: {key} is true or false, not {value!r}")
        if key == "submodules":
            return replace(source, submodules=_BOOLEANS[value])
        return replace(source, keep_git_dir=_BOOLEANS[value])
    if not value:
        raise InputError(f"{without_secrets(text)}: {key} has no value")
    if key in ("ref", "tag", "branch"):
        prefix = {"ref": "", "tag": "refs/tags/", "branch": "refs/heads/"}[key]
        ref = value if value.startswith(prefix) else prefix + value
        if source.ref and source.ref != ref:
            raise InputError(f"{without_secrets(text)}: two refs, {source.ref!r} and {ref!r}")
        return replace(source, ref=ref)
    if key == "subdir":
        if source.subdir and source.subdir != value:
            raise InputError(f"{without_secrets(text)}: two folders, {source.subdir!r} and {value!r}")
        return replace(source, subdir=value)
    if key in ("checksum", "commit"):
        return replace(source, checksum=value)
    raise InputError(
        f"{without_secrets(text)}: {key!r} is nothing that a git URL says",
        hint="It has ref, branch, tag, subdir, checksum, commit, keep-git-dir and submodules.",
    )


def without_secrets(url: str) -> str:
    """The URL without the user and password that it may carry."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def fetch_git(
    source: GitSource, folder: Path, on_start: OnStart | None = None, environment: Mapping[str, str] | None = None
) -> Checkout:
    """Checks the repository and its submodules out below `folder`, at depth 1 where the server can. Blocks. git has
    `environment` beside this process' own variables.

    Raises InputError where there is no git, no such repository, ref or folder, or the commit is not the one asked for.
    """
    run = _Git(source.url, on_start, environment or {})
    checkout = folder / "checkout"
    run(folder, "init", "--quiet", str(checkout))
    _check_out(run, checkout, source.ref)
    commit, time = run(checkout, "log", "-1", "--format=%H %ct").split()
    if source.checksum and not commit.startswith(source.checksum):
        raise InputError(
            f"{run.shown}: expected the commit {source.checksum} and got {commit}",
            hint="The branch or tag has moved, or the checksum is another commit's.",
        )
    if source.submodules and (checkout / ".gitmodules").exists():
        run(checkout, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
    if not source.keep_git_dir:
        _forget_git(checkout)
    below = (checkout / source.subdir.lstrip("/")).resolve()
    if not below.is_relative_to(checkout.resolve()) or not below.is_dir():
        raise InputError(f"{run.shown} has no folder {source.subdir!r}")
    _settle(checkout, int(time))
    return Checkout(below, commit, int(time))


def _settle(checkout: Path, time: int) -> None:
    """The same files on every machine: of the commit's time, and executable or not, which is all that git knows."""
    for path in checkout.rglob("*"):
        if not path.is_symlink() and ".git" not in path.relative_to(checkout).parts:
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (time, time), follow_symlinks=False)


def _check_out(run: _Git, checkout: Path, ref: str) -> None:
    try:
        run(checkout, "fetch", "--quiet", "--depth=1", "--", run.url, ref or "HEAD")
    except InputError:
        # A server that speaks plain HTTP has no depth, and one that does not hand out a bare commit hands out all.
        run(checkout, "fetch", "--quiet", "--tags", "--", run.url, "HEAD", "+refs/heads/*:refs/remotes/origin/*")
        branch = f"refs/remotes/origin/{ref.removeprefix('refs/heads/')}"
        heads = run(checkout, "for-each-ref", "--format=%(refname)", branch, f"refs/tags/{ref}").split()
        tagged = f"refs/tags/{ref}" in heads  # which comes before a branch, as in a fetch of it
        found = branch if branch in heads and not tagged else ref or "FETCH_HEAD"
        try:
            run(checkout, "rev-parse", "--quiet", "--verify", f"{found}^{{commit}}")
        except InputError as error:
            raise InputError(f"{run.shown} has no branch, tag or commit {ref or 'HEAD'!r}") from error
        run(checkout, "checkout", "--quiet", "--detach", found)
    else:
        run(checkout, "checkout", "--quiet", "--detach", "FETCH_HEAD")


def _forget_git(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    for path in checkout.rglob(".git"):  # a submodule's is a file that names the one above
        if path.is_file() and not path.is_symlink():
            path.unlink()


class _Git:
    """Runs git about one URL; its last words are the error's."""

    def __init__(self, url: str, on_start: OnStart | None, environment: Mapping[str, str]) -> None:
        self.url = url
        self.shown = without_secrets(url)
        self._on_start = on_start
        self._environment = environment
        git = shutil.which("git")
        if git is None:
            raise InputError(f"{self.shown} needs git, which is not installed here")
        self._git = git

    def __call__(self, where: Path, *words: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name not in _LOCAL}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **self._environment}
        process = subprocess.Popen(
            [self._git, *_SAFE, *words], cwd=where, env=environment, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=self._on_start is not None,
        )  # fmt: skip

        def kill() -> None:
            """With its helpers, which would hold its output open."""
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        forget = self._on_start(kill) if self._on_start else None
        try:
            out, said = process.communicate()
        finally:
            if forget is not None:
                forget()
                if process.poll() is None:
                    kill()
        if process.returncode != 0:
            raise self._failed(words[0], said.strip().splitlines() or [f"exit code {process.returncode}"])
        return out

    def _failed(self, word: str, said: list[str]) -> InputError:
        """What ssh says stands above git's last words, which are the same whatever went wrong there."""
        for line in said:
            if _OF_SSH.match(line):
                return InputError(
                    f"{self.shown}: git {word}: {without_secrets(line.strip())}",
                    hint="`ssh HOST` must work without a question: the host in ~/.ssh/known_hosts, a key in the agent "
                    "(ssh-add), and --ssh default.",
                )
        return InputError(f"{self.shown}: git {word}: {without_secrets(said[-1])}")
