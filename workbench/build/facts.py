"""What the files of a context are, remembered while nothing changes them: so that a change which leaves all as it was
can be told from one that does not, and so that a whole context has a digest."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from workbench.context.columns import Row, row_of, state_of
from workbench.context.digest import DigestCache
from workbench.context.ignore import IgnoreRules
from workbench.context.opening import Opener
from workbench.context.scan import KINDS, Cancelled, Scan, scan
from workbench.dataclass import dataclass
from workbench.errors import InputError

_MOST_FILES = 100_000
_MOST_BYTES = 1 << 30
"""A context of more than this is not read only to be remembered."""

Fact = tuple[object, ...]
"""Kind, mode, owner, group, size, and a file's digest or a link's target. Times are no part of it: they are no part
of what an image is made from either."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found, and when: each fact was read before `at` (`time.monotonic`), which stands beside it, too."""

    facts: dict[str, tuple[Fact | None, float]]
    at: float
    whole: bool
    """Whether every path of the context is there."""


class Facts:
    """The facts of one context. `look` and `digest` belong to another thread; everything else to the loop's.

    A path is known from the `look` that read it until `forget`; whoever hears of a change has to call that.
    """

    def __init__(self, digests: DigestCache) -> None:
        self._digests = digests
        self._facts: dict[str, tuple[Fact | None, float]] = {}
        self._whole_at: float | None = None
        self._stale: set[str] = set()
        self._all_stale = True

    @property
    def stale(self) -> frozenset[str] | None:
        """The paths to look at again; None where that is all of them."""
        return None if self._all_stale else frozenset(self._stale)

    def forget(self, paths: Iterable[str] | None) -> None:
        """These are no longer what they were; None: nobody knows which."""
        if paths is None:
            self._facts.clear()
            self._stale.clear()
            self._whole_at, self._all_stale = None, True
            return
        for path in paths:
            self._facts.pop(path, None)
            self._stale.add(path)

    def take(self, looked: Looked, changed: Iterable[str]) -> None:
        """Remembers what `look` found, but for the paths that changed while it looked."""
        if looked.whole:
            self._facts, self._stale = looked.facts, set()
            self._whole_at, self._all_stale = looked.at, False
        else:
            self._facts.update(looked.facts)
            self._stale.difference_update(looked.facts)
        self.forget(changed)

    def known(self, path: str, since: float) -> tuple[bool, Fact | None]:
        """Whether it is known what was at `path` before `since`, and what (None: nothing)."""
        fact, at = self._facts.get(path, (None, self._whole_at))
        if at is None or path in self._stale:
            return False, None
        return at < since, fact

    def sent(self) -> frozenset[str] | None:
        """Every path that is sent; None where that is not known."""
        if self._all_stale or self._stale:
            return None
        return frozenset(path for path, (fact, _) in dict(self._facts).items() if fact is not None)

    def digest(self) -> str:
        """`sha256:` of all that is sent: paths, kinds, modes and content; "" where it is not known. Takes its time."""
        if self._all_stale or self._stale:
            return ""
        return digest_of({path: fact for path, (fact, _) in dict(self._facts).items() if fact is not None})

    def look(
        self, context: Path, rules: IgnoreRules, paths: Iterable[str] | None, cancel: Callable[[], bool] = lambda: False
    ) -> Looked | None:
        """The facts of `paths`, of the whole context with None. None where the context is too large for that.
        Raises InputError, Cancelled."""
        if paths is not None:
            facts = {path: self.fact(context, rules, path) for path in paths}
            return _looked(facts, whole=False)
        whole = facts_of(scan(context, rules, cancel=cancel, list_ignored=False), self._digests, cancel)
        return None if whole is None else _looked(whole, whole=True)

    def fact(self, context: Path, rules: IgnoreRules, path: str) -> Fact | None:
        """What is at `path` now; None where nothing is, or nothing that is sent. Blocks. Raises InputError."""
        if rules.decide(path).excluded:
            return None
        try:
            found = os.lstat(context / path)
            link = os.readlink(context / path) if stat.S_ISLNK(found.st_mode) else ""  # noqa: PTH115
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputError(f"cannot read {path} of the build context: {error.strerror}") from error
        if stat.S_ISSOCK(found.st_mode):
            return None
        with Opener(context) as files:
            return _fact(self._digests, files, path, row_of(found), state_of(found), link)

    def save(self) -> None:
        """Keeps the digests for the next time. Blocks. Raises StoreError."""
        self._digests.save()


def facts_of(found: Scan, digests: DigestCache, cancel: Callable[[], bool]) -> dict[str, Fact] | None:
    """Of every path that is sent; None where these are too many, or too large, to be read for this. Blocks. Raises
    InputError, Cancelled."""
    if found.sent_files > _MOST_FILES or found.sent_bytes > _MOST_BYTES:
        return None
    facts: dict[str, Fact] = {}
    columns = found.columns
    with Opener(found.root) as files:
        for number, (at, row) in enumerate(found.sent_rows):
            if number % 64 == 0 and cancel():
                raise Cancelled
            path = columns.paths[at]
            facts[path] = _fact(digests, files, path, row, columns.state(at), columns.links.get(at, ""))
    return facts


def _fact(digests: DigestCache, files: Opener, path: str, row: Row, state: bytes, link: str) -> Fact:
    _, _, size, _, _, mode, uid, gid, _ = row
    kind = KINDS[stat.S_IFMT(mode)]
    if kind != "file":
        return kind, stat.S_IMODE(mode), uid, gid, 0, link if kind == "symlink" else ""
    content = f"sha256:{digests.of_file(files, path, state, _go_on).hex()}"
    if mode & 0o111:
        content += _capability(f"{files.root}/{path}")
    return kind, stat.S_IMODE(mode), uid, gid, size, content


def _looked(facts: Mapping[str, Fact | None], *, whole: bool) -> Looked:
    at = time.monotonic()
    return Looked({path: (fact, at) for path, fact in facts.items()}, at, whole)


def _go_on() -> None:
    """A file is read to its end."""


def _capability(file: str) -> str:
    """What `setcap` gave a program, which goes into an image with it; "" for nothing."""
    try:
        return " " + os.getxattr(file, "security.capability").hex()
    except OSError:
        return ""


def digest_of(facts: Mapping[str, Fact]) -> str:
    """The same for the same files in whatever order, owner and times."""
    hashed = hashlib.sha256()
    for path in sorted(facts):
        kind, mode, _, _, _, content = facts[path]
        hashed.update(f"{path}\0{kind}\0{mode}\0{content}\n".encode("utf-8", "surrogateescape"))
    return f"sha256:{hashed.hexdigest()}"
