"""The build context in its panel: scanned in a thread, shown as a tree, explained in the lines below."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer

from workbench.build.engine import SENDING_AS_CLASSIC
from workbench.build.format import human_size
from workbench.build.taken import Taker, takers
from workbench.build.text import one_line
from workbench.context.ignore import IGNORE_FILE, IgnoreRules, load_rules
from workbench.context.rarely import rarely_sent
from workbench.context.scan import Cancelled, Entry, Scan, scan
from workbench.context.weigh import Weigher, Weight
from workbench.dockerfile import parse
from workbench.errors import WorkbenchError
from workbench.files import read_text
from workbench.tui.seen import ROWS, Seen
from workbench.tui.widgets.context_model import Model, build_model, describe
from workbench.tui.widgets.context_renewal import Renewal, renew
from workbench.tui.widgets.context_tree import ContextTree
from workbench.tui.widgets.note import Note
from workbench.tui.widgets.panel import Panel

_LOOK_AFTER = 0.15
"""Seconds of quiet before a file that is being edited decides anew."""
_WHOLE_AFTER = 1.0
"""Seconds of quiet after which all is looked at again where more may have changed than was told."""
_WHOLE_EVERY = 60.0
"""Seconds after which that is done in any case: of what is not sent nobody tells."""


class ContextPanel(Panel):
    """Call `look` when anything may have changed, `follow` when it is known what."""

    DEFAULT_CSS = """
    ContextPanel {
        & > ContextTree { height: 1fr; }
        & > Note { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
        & > #context-note.-error { color: $text-error; }
        & > #context-warning { color: $text-warning; display: none; }
        & > #context-warning.-there { display: block; }
    }
    """

    class Opened(Message):
        """A file of the context should be opened."""

        def __init__(self, entry: Entry) -> None:
            super().__init__()
            self.entry = entry

    class Scanned(Message):
        """All of the context was looked at, and is shown."""

        def __init__(self, panel: ContextPanel) -> None:
            super().__init__()
            self.panel = panel

    def __init__(self, context: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.context = context
        self.dockerfile = "Dockerfile"
        self.classic = False
        """Whether the tree shows what the classic builder's client sends, which goes into fewer excluded folders."""
        self.unsaved_text: Callable[[Path], str | None] = lambda path: None
        """The text of a file that is being edited, None where it is as on the disk."""
        self._takers: tuple[Taker, ...] = ()
        self._weigher = Weigher()
        self._weights: dict[str, Weight] = {}
        self._changed: set[str] = set()
        """What changed since the tree's model was made."""
        self._scanning = 0
        self._renewing = False
        self._last_whole = 0.0
        self._resting: dict[str, Timer] = {}
        self._seen = Seen()

    @property
    def context_tree(self) -> ContextTree:
        return self.query_one(ContextTree)

    def compose(self) -> ComposeResult:
        yield ContextTree()
        yield Note(id="context-warning")
        yield Note(id="context-note")

    def on_mount(self) -> None:
        self.title = self._seen.title or "Context"
        self.context_tree.seen = self._seen.rows

    # -- what was seen last, until the first scan is there

    def show_seen(self, seen: Seen) -> None:
        """Call before it is mounted."""
        self._seen = seen

    def seen(self, pens: Mapping[str, str], terminal: str) -> Seen:
        """What the next start is to show first."""
        return Seen(self.title, self.context_tree.first_rows(ROWS), pens, terminal)

    # -- what is there

    def look(self, dockerfile: str) -> None:
        """Scans anew, for that Dockerfile's ignore rules; a scan that runs is given up."""
        self.dockerfile = dockerfile
        self.run_worker(self._look(), group="scan", exclusive=True, exit_on_error=False, description="scan the context")

    def use_engine(self, name: str) -> None:
        """Shows from now on what that engine sends."""
        if self.classic != (name in SENDING_AS_CLASSIC):
            self.classic = not self.classic
            if self.context_tree.model is not None:
                self.look(self.dockerfile)

    def look_soon(self, seconds: float = _LOOK_AFTER) -> None:
        """As `look`, when typing has come to rest."""
        self._soon("scan", seconds, lambda: self.look(self.dockerfile))

    def look_at_takers_soon(self) -> None:
        """Reads the Dockerfile again when typing has come to rest: which of its lines take something."""
        self._soon("takers", _LOOK_AFTER, lambda: self.run_worker(
            self._look_at_takers(), group="takers", exclusive=True, exit_on_error=False, description="read COPY lines"
        ))  # fmt: skip

    def _soon(self, name: str, seconds: float, what: Callable[[], object]) -> None:
        if (timer := self._resting.get(name)) is not None:
            timer.stop()
        self._resting[name] = self.set_timer(seconds, what, name=f"{name} of the context")

    def follow(self, paths: Collection[str]) -> None:
        """These changed, relative to the context: looks at them again, and at everything where that is not enough."""
        if not paths or self.context_tree.model is None or not self.ignore_files.isdisjoint(paths):
            self.look(self.dockerfile)
            return
        self._changed |= set(paths)
        self._renew_soon()
        self.look_at_takers_soon()

    @property
    def build_files(self) -> frozenset[str]:
        """What a build is read from, and is sent in any case."""
        return self.ignore_files | {self.dockerfile}

    @property
    def ignore_files(self) -> frozenset[str]:
        return frozenset((f"{self.dockerfile}{IGNORE_FILE}", IGNORE_FILE))

    async def _look(self) -> None:
        gone = threading.Event()
        text = self._ignore_text()
        self._scanning += 1
        self._changed.clear()
        try:
            found, model, weights = await asyncio.to_thread(self._scan, text, gone.is_set)
            self._weights = weights
            self._last_whole = time.monotonic()
            self.context_tree.show_model(model)
            self._sum()
            await self._look_at_takers()
            self._weights = await asyncio.to_thread(self._weigher.weigh, found, gone.is_set)
            warned = await asyncio.to_thread(lambda: {it.path: it.why for it in rarely_sent(found)})
        except Cancelled:
            return
        except WorkbenchError as error:
            self._say(str(error), error=True)
            return
        finally:
            gone.set()
            self._scanning -= 1
            self._renew_soon()
        self._show_more(warned)
        self.post_message(self.Scanned(self))

    def _renew_soon(self) -> None:
        if self._changed and not self._scanning and not self._renewing:
            self._renewing = True
            self.run_worker(self._renew(), group="renew", exit_on_error=False, description="look at what changed")

    async def _renew(self) -> None:
        """Looks at what changed until a scan does, or nothing is left."""
        tree = self.context_tree
        try:
            while self._changed and not self._scanning and (model := tree.model) is not None:
                paths = frozenset(self._changed)
                self._changed.clear()
                renewal = await asyncio.to_thread(renew, model, paths)
                if renewal is None:
                    self.look(self.dockerfile)
                elif tree.model is model:
                    await self._show_renewal(renewal)
                else:
                    self._changed |= paths
        finally:
            self._renewing = False

    async def _show_renewal(self, renewal: Renewal) -> None:
        tree = self.context_tree
        warned = {path: why for path, why in tree.warned.items() if not renewal.renewed(path)}
        self._weights = {path: weight for path, weight in self._weights.items() if not renewal.renewed(path)}
        tree.show_model(renewal.model, warned | {it.path: it.why for it in renewal.rarely})
        self._sum()
        if renewal.of_folders or time.monotonic() - self._last_whole > _WHOLE_EVERY:
            self.look_soon(_WHOLE_AFTER)
        for found in renewal.scans.values():
            if any(found.closed_folders()):
                self._weights |= await asyncio.to_thread(self._weigher.weigh, found, lambda: False)
                self._show_more(tree.warned)

    def _show_more(self, warned: Mapping[str, str]) -> None:
        self.context_tree.show_more(warned, {path: weight.bytes for path, weight in self._weights.items()})
        self._sum()

    def _sum(self) -> None:
        """The title: what is sent of what is there, and what should rarely be."""
        files, size = self._totals()
        self.strip_text = f"{files} files · {size}"
        warned = len(self.context_tree.warned)
        self.title = f"Context  {self.strip_text}{f' · {warned} !' if warned else ''}"
        if self.context_tree.entry is None:
            self._explain()

    def _totals(self) -> tuple[str, str]:
        """Files and bytes, sent of all."""
        model = self.context_tree.model
        assert model is not None, "only of what is shown"
        files = model.files + sum(weight.files for weight in self._weights.values())
        size = model.bytes + sum(weight.bytes for weight in self._weights.values())
        whole = f" of {human_size(size)}" if size > model.sent_bytes else ""
        return f"{model.sent_files:,} of {files:,}", f"{human_size(model.sent_bytes)}{whole}"

    def _ignore_text(self) -> tuple[str, str] | None:
        """The ignore file's name and its unsaved text."""
        for name in (f"{self.dockerfile}{IGNORE_FILE}", IGNORE_FILE):
            text = self.unsaved_text(self.context / name)
            if text is not None:
                return name, text
        return None

    def _scan(
        self, ignoring: tuple[str, str] | None, cancel: Callable[[], bool]
    ) -> tuple[Scan, Model, dict[str, Weight]]:
        """On another thread. What was below the folders that are not gone into is taken to be there still."""
        if ignoring is None:
            rules = load_rules(self.context, self.dockerfile)
        else:
            name, text = ignoring
            rules = IgnoreRules.parse(text, source=name, build_files=(self.dockerfile, IGNORE_FILE))
        if self.classic:
            rules = rules.as_classic()
        found = scan(self.context, rules, cancel=cancel)
        before = self._weights
        return found, build_model(found), {path: before[path] for path in found.closed_folders() if path in before}

    # -- what is said of the entry under the cursor

    async def _look_at_takers(self) -> None:
        """Of the Dockerfile as it is in the editor. While it cannot be read, which is said elsewhere, what was read
        before counts."""
        text = self.unsaved_text(self.context / self.dockerfile)
        found = await asyncio.to_thread(_read_takers, self.context, self.dockerfile, text)
        if found is not None and self.is_attached:
            self._takers = found
            self._explain()

    def on_context_tree_highlighted(self, event: ContextTree.Highlighted) -> None:
        event.stop()
        self._explain()

    def on_context_tree_opened(self, event: ContextTree.Opened) -> None:
        event.stop()
        self.post_message(self.Opened(event.entry))

    def _explain(self) -> None:
        """Whether the entry is sent, which line decided, which lines take it; and whether it should be."""
        entry = self.context_tree.entry
        if entry is None and self.context_tree.model is not None:
            files, size = self._totals()
            self._say(f"Sending {size}, {files} files")
            self.query_one("#context-warning", Note).remove_class("-there")
            return
        why = self.context_tree.warned.get(entry.path, "") if entry is not None else ""
        warning = self.query_one("#context-warning", Note)
        warning.set_class(bool(why), "-there")
        warning.say(f"! {why}; x adds an ignore line" if why else "")
        taken = ""
        if entry is not None and entry.sent:
            lines = [str(it.line) for it in self._takers if it.taken.takes(entry.path)]
            taken = f" · taken by line {', '.join(lines)}" if lines else " · no step takes it"
        self._say(f"{describe(entry)}{taken}")

    def _say(self, text: str, *, error: bool = False) -> None:
        note = self.query_one("#context-note", Note)
        note.say(one_line(text))
        note.set_class(error, "-error")


def _read_takers(context: Path, dockerfile: str, text: str | None) -> tuple[Taker, ...] | None:
    try:
        text = read_text(context / dockerfile).text if text is None else text
        return takers(parse(text), context)
    except WorkbenchError:
        return None
