"""A build context as it is on disk: every entry, whether it is sent, and the rule that decided.

One blocking pass over the folder. Facts are kept packed and turned into `Entry` when somebody looks, so that a context
of 100,000 files costs little more than asking the kernel about each.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, overload

from workbench.context.columns import LATE, Columns, Row, owner_of, pack_stat
from workbench.context.ignore import IgnoreRules, Rule
from workbench.errors import InputError

Kind = Literal["file", "directory", "symlink", "fifo", "socket", "device"]

KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class Cancelled(Exception):
    """`cancel` answered True."""


class Entry(NamedTuple):
    """One path of a context. A named tuple: a scan makes 100,000 of them, and this is the cheapest frozen value."""

    path: str
    """Relative to the context, `/` between its parts, no leading `./`; bytes that are not UTF-8 as surrogateescape."""
    kind: Kind
    size: int
    """Bytes of a file's content; 0 for everything else."""
    mode: int
    """Permission bits with set-user-ID, set-group-ID and sticky; no file type."""
    uid: int
    gid: int
    mtime_ns: int
    link: str
    """The target as it is written, "" unless a symlink."""
    sent: bool
    """False for what a rule excludes, and for sockets, which no archive can carry."""
    rule: Rule | None
    error: str
    """Why it cannot be read, "" where it can. Never set for what is not sent."""
    device: int
    inode: int
    ctime_ns: int
    nlink: int


class Scan:
    """The result: entries with parents before their children, in the order of bytes within a directory.

    An excluded directory below which nothing can be sent is one entry that is not sent; nothing below it is known.
    A directory that is excluded while something below it is sent has `sent=False`: Docker makes it anew.
    """

    def __init__(self, root: Path, rules: IgnoreRules, columns: Columns) -> None:
        self.root = root
        self.rules = rules
        self.columns = columns
        self._excluding = excluding(rules)
        self._entry = _entry_maker(columns, rules)
        self._index: dict[str, int] | None = None
        self.files = 0
        """How many entries are no directories."""
        self.bytes = 0
        self.sent_files = 0
        self.sent_bytes = 0
        self._count()

    @property
    def entries(self) -> Sequence[Entry]:
        return _Entries(self)

    @property
    def sent(self) -> Iterator[Entry]:
        """What is sent, in order, directories included."""
        return (self._entry(at) for at, _ in self.sent_rows)

    @property
    def sent_rows(self) -> Iterator[tuple[int, Row]]:
        """Where in `entries` that stands, with its row."""
        excluding = self._excluding
        for at, (rank, row) in enumerate(zip(self.columns.ranks, self.columns.all_rows(), strict=True)):
            if not excluding[rank] and row[5] & 0o170000 != stat.S_IFSOCK:
                yield at, row

    @property
    def errors(self) -> Iterator[Entry]:
        """What should be sent and cannot be read."""
        return (self._entry(at) for at in sorted(self.columns.errors))

    def closed_folders(self) -> Iterator[str]:
        """The paths of the excluded folders of which the scan has nothing that lies below."""
        paths = self.columns.paths
        for at, rank in enumerate(self.columns.ranks):
            last = at + 1 == len(paths) or not paths[at + 1].startswith(f"{paths[at]}/")
            if last and self._excluding[rank] and stat.S_ISDIR(self.columns.row(at)[5]):
                yield paths[at]

    def get(self, path: str) -> Entry | None:
        """The entry of that path, None where the scan has none."""
        at = self.place(path)
        return None if at is None else self._entry(at)

    def place(self, path: str) -> int | None:
        """Where in `entries` that is."""
        if self._index is None:
            self._index = {known: at for at, known in enumerate(self.columns.paths)}
        return self._index.get(path)

    def _count(self) -> None:
        excluding = self._excluding
        for (_, _, size, _, _, mode, _, _, _), rank in zip(self.columns.all_rows(), self.columns.ranks, strict=True):
            kind = mode & 0o170000
            if kind == stat.S_IFDIR:
                continue
            if kind != stat.S_IFREG:
                size = 0
            self.files += 1
            self.bytes += size
            if not excluding[rank] and kind != stat.S_IFSOCK:
                self.sent_files += 1
                self.sent_bytes += size


class _Entries(Sequence[Entry]):
    """The rows of a scan's columns, made when they are looked at."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan

    def __len__(self) -> int:
        return len(self._scan.columns.paths)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | Sequence[Entry]:
        places = range(len(self))[at]
        if isinstance(places, int):
            return self._scan._entry(places)
        return [self._scan._entry(place) for place in places]

    def __iter__(self) -> Iterator[Entry]:
        return map(self._scan._entry, range(len(self)))


def _entry_maker(columns: Columns, rules: IgnoreRules) -> Callable[[int], Entry]:
    """What makes the entry at a place of `columns`."""
    excludes = excluding(rules)

    def make(at: int) -> Entry:
        rank = columns.ranks[at]
        device, inode, size, mtime_ns, ctime_ns, mode, uid, gid, nlink = columns.row(at)
        kind = KINDS[stat.S_IFMT(mode)]
        return Entry(
            columns.paths[at],
            kind,
            size if kind == "file" else 0,
            stat.S_IMODE(mode),
            uid,
            gid,
            columns.late.get(at, mtime_ns) if columns.late else mtime_ns,
            columns.links.get(at, "") if kind == "symlink" else "",
            kind != "socket" and not excludes[rank],
            rules.rules[rank] if rank >= 0 else None,
            columns.errors.get(at, ""),
            device,
            inode,
            ctime_ns,
            nlink,
        )

    return make


def walk(context: Path, rules: IgnoreRules, *, cancel: Callable[[], bool] | None = None) -> Iterator[Entry]:
    """The entries of a `scan`, each as soon as its folder is read: who sends them on does not wait for the last.

    Blocks and raises as `scan` does, the errors of `context` itself at the first entry.
    """
    walking = _Walk(context, rules)
    make = _entry_maker(walking.columns, rules)
    told = 0
    for known in walking.run(cancel):
        yield from map(make, range(told, known))
        told = known


def scan(
    context: Path,
    rules: IgnoreRules,
    *,
    cancel: Callable[[], bool] | None = None,
    list_ignored: bool = True,
    below: str = "",
) -> Scan:
    """Reads the folder. Blocks; call it from a thread. Never follows a link below `context`.

    With `below` only the entry of that path is read, and what is below it; nothing where it is not there.

    What cannot be read, or vanishes meanwhile, is no failure: it is an entry's `error`, or no entry.
    Raises InputError when `context` itself is no readable folder, Cancelled when `cancel` answers True.
    """
    walking = _Walk(context, rules)
    for _ in walking.run(cancel, below):
        pass
    columns = walking.columns
    return Scan(context, rules, columns if list_ignored else columns.only_sent(excluding(rules)))


class _Folder:
    """A directory that was read: its names in the order of their bytes, what stands behind each, who decided."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.names: list[str] = []
        self.modes: list[int] = []
        self.rows: list[bytes] = []
        self.ranks: list[int] = []
        self.links: dict[int, str] = {}
        self.errors: dict[int, str] = {}
        self.late: dict[int, int] = {}
        self.descend: list[int] = []
        """Places of the directories to go into, the first one last."""
        self.done = 0

    def add(self, found: os.stat_result) -> None:
        """The facts of the next name."""
        if found.st_mtime_ns >= LATE:
            self.late[len(self.rows)] = found.st_mtime_ns
        self.rows.append(pack_stat(found))
        self.modes.append(found.st_mode)


class _Walk:
    """One pass, depth first, without recursion."""

    def __init__(self, root: Path, rules: IgnoreRules) -> None:
        self._root = os.fspath(root)
        self._rules = rules
        self._excluding = excluding(rules)
        self._me = os.geteuid()
        self.columns = Columns()

    def run(self, cancel: Callable[[], bool] | None, below: str = "") -> Iterator[int]:
        """Reads folder by folder; how many entries are known after each, and will not change."""
        parent, slash, name = below.rpartition("/")
        stack = [self._read(parent + slash, self._rules.rank(parent) if parent else -1, name)]
        while stack:
            if cancel is not None and cancel():
                raise Cancelled
            folder = stack[-1]
            if folder.descend:
                at = folder.descend.pop()
                self._emit(folder, at + 1)
                stack.append(self._read(f"{folder.prefix}{folder.names[at]}/", folder.ranks[at]))
            else:
                self._emit(folder, len(folder.names))
                stack.pop()
            yield len(self.columns.paths)

    def _emit(self, folder: _Folder, end: int) -> None:
        """Appends the entries from where the last call ended."""
        columns, prefix, start = self.columns, folder.prefix, folder.done
        shift = len(columns.paths) - start
        columns.paths += [prefix + name for name in folder.names[start:end]]
        columns.rows += b"".join(folder.rows[start:end])
        columns.ranks.extend(folder.ranks[start:end])
        columns.links.update((at + shift, link) for at, link in folder.links.items() if start <= at < end)
        columns.late.update((at + shift, when) for at, when in folder.late.items() if start <= at < end)
        columns.errors.update((at + shift, why) for at, why in folder.errors.items() if start <= at < end)
        folder.done = end

    def _read(self, prefix: str, rank: int, only: str = "") -> _Folder:
        folder = _Folder(prefix)
        nofollow = os.O_NOFOLLOW if prefix else 0
        try:
            # Without the slash at its end, at which O_NOFOLLOW would follow.
            fd = os.open(
                f"{self._root}/{prefix}".rstrip("/") or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | nofollow
            )
            try:
                if only:
                    folder.add(os.stat(only, dir_fd=fd, follow_symlinks=False))
                    folder.names = [only]
                else:
                    self._list(folder, fd)
                folder.ranks = self._rules.inside(prefix, rank).ranks(prefix, folder.names)
                self._look(folder, fd)
            finally:
                os.close(fd)
        except OSError as error:
            if not prefix and not only:
                raise _not_a_context(self._root, error) from error
            if not only and not self._excluding[rank]:
                self.columns.errors[len(self.columns.paths) - 1] = error.strerror or str(error)
            return _Folder(prefix)
        return folder

    def _list(self, folder: _Folder, fd: int) -> None:
        """Names and facts, sorted. Relative to `fd`, so that a directory swapped for a link is not followed."""
        names = sorted(os.listdir(fd))
        if not "".join(names).isascii():
            names.sort(key=os.fsencode)
        look = os.stat
        try:
            for name in names:
                folder.add(look(name, dir_fd=fd, follow_symlinks=False))
            folder.names = names
        except OSError:
            self._list_slowly(folder, fd)

    def _list_slowly(self, folder: _Folder, fd: int) -> None:
        """Drops what vanished; keeps what may be listed but not looked at (a directory without `x`) as an error."""
        folder.rows, folder.modes, folder.names, folder.late = [], [], [], {}
        with os.scandir(fd) as entries:
            for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    found = _unknown(entry)
                    folder.errors[len(folder.names)] = error.strerror or str(error)
                folder.add(found)
                folder.names.append(entry.name)

    def _look(self, folder: _Folder, fd: int) -> None:
        """Directories to go into, targets of links, files that cannot be read: all but world-readable files."""
        odd = [at for at, mode in enumerate(folder.modes) if mode & 0o170444 != 0o100444]
        for at in odd:
            mode, name = folder.modes[at], folder.names[at]
            excluded = self._excluding[folder.ranks[at]]
            if at in folder.errors:
                if excluded:
                    del folder.errors[at]
            elif stat.S_ISDIR(mode):
                if not excluded or self._rules.may_include_after(folder.prefix + name, folder.ranks[at]):
                    folder.descend.append(at)
            elif stat.S_ISLNK(mode):
                try:
                    folder.links[at] = os.readlink(name, dir_fd=fd)
                except OSError as error:
                    folder.errors[at] = error.strerror or str(error)
            elif stat.S_ISREG(mode) and not excluded and not self._readable(folder, at, fd):
                folder.errors[at] = os.strerror(errno.EACCES)
        folder.descend.reverse()

    def _readable(self, folder: _Folder, at: int, fd: int) -> bool:
        if folder.modes[at] & stat.S_IRUSR and owner_of(folder.rows[at]) == self._me:
            return True
        return os.access(folder.names[at], os.R_OK, dir_fd=fd)


def ancestors(path: str) -> Iterator[str]:
    """The folders above `path`, outermost first."""
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))


def excluding(rules: IgnoreRules) -> list[bool]:
    """By rank whether that rule excludes. The last one is rank -1: no rule."""
    return [*(not rule.negated for rule in rules), False]


def _unknown(entry: os.DirEntry[str]) -> os.stat_result:
    """What the directory itself says of an entry that cannot be looked at: its type."""
    kind = stat.S_IFLNK if entry.is_symlink() else stat.S_IFREG
    if entry.is_dir(follow_symlinks=False):
        kind = stat.S_IFDIR
    return os.stat_result((kind, entry.inode(), 0, 1, 0, 0, 0, 0, 0, 0), {"st_mtime_ns": 0, "st_ctime_ns": 0})


def _not_a_context(context: str, error: OSError) -> InputError:
    if isinstance(error, NotADirectoryError):
        return InputError(f"{context} is not a folder", hint="A build context is a folder.")
    return InputError(f"{context}: {error.strerror}", hint="Name the folder of the build context.")
