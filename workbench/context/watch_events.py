"""Watching by events of the file system, through watchfiles' Rust backend.

The backend cannot add a folder to a running watch, and following whole trees it would also follow links and enter
ignored trees. So each folder is named, and when folders come or go the watch is set up anew before the change is told.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.context.ignore import IgnoreRules, Rule
from workbench.context.notify import backend
from workbench.context.watch import ContextChanged, Tell, Watched
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_STEP_MS = 5
"""How long the backend sleeps between two looks while changes come in."""
_IDLE_STEP_MS = 10
"""The same while nothing happens: 0.3 % of a processor."""
_OF_QUIET = 0.5
"""The part of the quiet that is enough where files came by renames alone: what is on the way is a second file, and not
the rest of the first."""
_LONGEST = 1.0
"""Seconds after which changes are told although more of them come."""
_ATTEMPTS = 20
"""A folder may vanish between listing and watching; so often the set-up is tried."""
_DOUBT = 2.0
"""Seconds after a change of an extra file in which `rules` may still answer with what it said before."""
_LOOK_MS = 100
"""How often it is asked in that time."""
_EXACT_MS = 40
"""How exactly the beginning of a batch is known. Costs a few wake-ups a second, next to those of the backend."""
_AWAY = 0.3
"""Seconds between two looks for a context that was removed."""

_ADDED, _DELETED = 1, 3  # watchfiles.Change
_NAMELESS = re.compile(r"#\d+")
"""What Linux calls a file that is written without a name (O_TMPFILE) in its events: by the number of its inode."""


class EventWatcher:
    """Implements `watch.Watcher`. Raises WorkbenchError where the system gives no more watches."""

    def __init__(self, watched: Watched, quiet: float) -> None:
        self._watched = watched
        self._quiet_ms = max(1, round(quiet * 1000))
        self._folders: set[str] = set()
        self._rules: tuple[Rule, ...] = ()
        self._doubtful_until = 0.0

    def run(self, tell: Tell, halt: threading.Event) -> None:
        notify = self._set_up(halt)
        tell(ContextChanged(frozenset()))
        while notify is not None and not halt.is_set():
            since, events = self._gather(notify, halt)
            told, outdated = self._judge(events)
            if not events and not halt.is_set() and self._has_new_folders():
                told, outdated = set(self._watched.extra.values()), True
            if outdated:
                notify.close()
                if not Path(self._watched.root).is_dir():
                    tell(ContextChanged(frozenset(told)))
                # What changes meanwhile is not seen: what is told below is told after the new watch stands, and says
                # that there may be more.
                notify = self._set_up(halt)
            if told and not halt.is_set():
                tell(ContextChanged(frozenset(told), None if outdated else since))
            if told & set(self._watched.extra.values()):
                self._doubtful_until = time.monotonic() + _DOUBT
        if notify is not None:
            notify.close()

    def _judge(self, events: set[tuple[int, str]]) -> tuple[set[str], bool]:
        """The paths that are told, and whether there are other folders to watch than before."""
        told: set[str] = set()
        outdated = False
        rules = self._watched.rules()
        for kind, place in events:
            if (path := self._counts(kind, place, rules)) is not None:
                told.add(path)
                outdated = outdated or self._is_outdated(kind, place)
        of_extra = not told.isdisjoint(self._watched.extra.values())
        return told, outdated or (of_extra and self._has_new_folders())

    def _has_new_folders(self) -> bool:
        """Whether rules that changed (they may be read only after their file was told) bring folders back."""
        rules = self._watched.rules().rules
        if rules == self._rules:
            return False
        self._rules = rules
        return not self._folders.issuperset(list_folders(self._watched.root, self._watched.rules()))

    def _gather(self, notify: RustNotify, halt: threading.Event) -> tuple[float, set[tuple[int, str]]]:
        """Waits for a change, and then for quiet; and a time before which all was gathered by earlier calls. Empty
        when halted, or when the rules are to be looked at."""
        events: set[tuple[int, str]] = set()
        end = since = 0.0
        silent = 0  # milliseconds without a change, at least
        while True:
            if events:
                quiet = max(1, self._quiet_after(events) - silent)
                batch, silent = notify.watch(4 * _STEP_MS, _STEP_MS, quiet, halt), _STEP_MS
            else:
                since = time.monotonic()
                doubtful = since < self._doubtful_until
                timeout = _LOOK_MS if doubtful else _EXACT_MS
                batch, silent = notify.watch(4 * _STEP_MS, _IDLE_STEP_MS, timeout, halt), _IDLE_STEP_MS
                if batch == "timeout" and not doubtful:
                    continue
            if isinstance(batch, str):
                return since, events
            if not events:
                end = time.monotonic() + _LONGEST
            events |= batch
            if time.monotonic() > end:
                return since, events

    def _quiet_after(self, events: set[tuple[int, str]]) -> int:
        """The milliseconds of quiet to wait for: fewer where files came by renames alone, and so are whole."""
        came = {place for kind, place in events if kind == _ADDED}
        went = {place for kind, place in events if kind == _DELETED}
        whole = bool(came - went) and bool(went) and len(events) == len(came) + len(went)
        return round(self._quiet_ms * _OF_QUIET) if whole else self._quiet_ms

    def _counts(self, kind: int, place: str, rules: IgnoreRules) -> str | None:
        """How a change is told, None where it does not matter."""
        if place in self._watched.extra:
            return self._watched.extra[place]
        if place == self._watched.root:
            return "." if kind == _DELETED else None
        path = self._watched.relative(place)
        if path is None or (kind != _DELETED and _is_nameless(place)):
            return None
        rank = rules.rank(path)
        if rank < 0 or rules.rules[rank].negated:
            return path
        is_folder = place in self._folders or (kind == _ADDED and _is_folder(place))
        return path if is_folder and rules.may_include_after(path, rank) else None

    def _is_outdated(self, kind: int, place: str) -> bool:
        """Whether after this change there are other folders to watch: one came or went."""
        if kind == _DELETED:
            return place in self._folders
        return place not in self._folders and _is_folder(place)

    def _set_up(self, halt: threading.Event) -> RustNotify | None:
        """A watch on every folder that matters; None when halted. Waits for a context that is not there."""
        notify, attempts = backend(), 0
        while not halt.is_set():
            rules = self._watched.rules()
            self._rules = rules.rules
            folders = list_folders(self._watched.root, rules)
            if not folders:
                halt.wait(_AWAY)
                continue
            self._folders = set(folders)
            beside = {Path(place).parent for place in self._watched.extra}
            places = self._folders | {str(folder) for folder in beside if folder.is_dir()}
            try:
                made: RustNotify = notify.RustNotify(sorted(places), False, False, 0, False, False)
                return made
            except (FileNotFoundError, PermissionError) as error:
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise self._refused(error) from error
            except (OSError, notify.WatchfilesRustInternalError) as error:
                raise self._refused(error) from error
        return None

    def _refused(self, error: Exception) -> WorkbenchError:
        limits = {name: _limit(name) for name in ("max_user_watches", "max_user_instances")}
        return WorkbenchError(
            f"cannot watch the {len(self._folders)} folders of {self._watched.context}: {error}",
            hint="Raise the limit as root, for instance `sysctl fs.inotify.max_user_watches=524288` "
            f"(now: {', '.join(f'{name} {value}' for name, value in limits.items())}), "
            "or leave folders out by lines in .dockerignore.",
        )


def list_folders(root: str, rules: IgnoreRules) -> list[str]:
    """`root` and every folder below which something may be sent; empty where there is no `root`. Links are not
    followed; left out is what cannot be read, and names that are not UTF-8, for which the backend has no words."""
    folders: list[str] = []
    waiting = [("", -1)]
    while waiting:
        prefix, rank = waiting.pop()
        place = f"{root}/{prefix}" if prefix else root
        try:
            place.encode()
            with os.scandir(place) as entries:
                below = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except UnicodeEncodeError as error:
            if not prefix:
                raise WorkbenchError(f"cannot watch {root!r}: its name is not UTF-8") from error
            continue
        except OSError as error:
            if not prefix and error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise WorkbenchError(f"cannot watch {root}: {error.strerror}") from error
            continue
        folders.append(place.rstrip("/") or "/")
        for name, its_rank in zip(below, rules.inside(prefix, rank).ranks(prefix, below), strict=True):
            if rules.may_include_after(prefix + name, its_rank):
                waiting.append((f"{prefix}{name}/", its_rank))
    return folders


def _is_nameless(place: str) -> bool:
    return _NAMELESS.fullmatch(place.rpartition("/")[2]) is not None and not os.path.lexists(place)


def _is_folder(place: str) -> bool:
    path = Path(place)
    return path.is_dir() and not path.is_symlink()


def _limit(name: str) -> str:
    try:
        return Path("/proc/sys/fs/inotify", name).read_text().strip()
    except OSError:
        return "unknown"
