"""The context tree: totals, rows, keys, search, what survives a new scan, and why an entry is sent."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from workbench.context.ignore import IgnoreRules, load_rules
from workbench.context.scan import Entry, scan
from workbench.tui.widgets.context_model import Model, build_model, describe
from workbench.tui.widgets.context_tree import OPEN_AT_FIRST, ContextTree


class Host(App[None]):
    """A tree in a frame of 40 columns, 16 rows."""

    CSS = "ContextTree { width: 40; height: 16; }"

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model
        self.highlighted: list[str | None] = []
        self.opened: list[str] = []

    def compose(self) -> ComposeResult:
        yield ContextTree()

    def on_mount(self) -> None:
        self.tree.focus()
        self.tree.show_model(self._model)

    def on_context_tree_highlighted(self, event: ContextTree.Highlighted) -> None:
        self.highlighted.append(None if event.entry is None else event.entry.path)

    def on_context_tree_opened(self, event: ContextTree.Opened) -> None:
        self.opened.append(event.entry.path)

    @property
    def tree(self) -> ContextTree:
        return self.query_one(ContextTree)


def look(context: Path) -> Model:
    return build_model(scan(context, load_rules(context, "Dockerfile")))


def at(model: Model, path: str) -> int:
    place = model.place(path)
    assert place is not None
    return place


def write(context: Path, files: dict[str, int]) -> None:
    for name, size in files.items():
        place = context / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x" * size)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Two folders that are sent, one of which has a folder; one that is not, and one file excepted from a rule."""
    context = tmp_path / "genesis"
    write(context, {"Dockerfile": 20, "README.md": 5, "notes.md": 7, "src/app.py": 4000, "src/lib/util.py": 2000,
                    "static/logo.svg": 300, "node_modules/left-pad/index.js": 9000})  # fmt: skip
    (context / ".dockerignore").write_text("# not wanted\nnode_modules\n\n*.md\n!README.md\n")
    (context / "link").symlink_to("src/app.py")
    return context


async def rows(pilot: Pilot[None]) -> list[str]:
    await pilot.pause()
    strips = [strip.text[:40].rstrip() for strip in pilot.app.screen._compositor.render_strips()]
    return [row for row in strips if row]


async def names(pilot: Pilot[None]) -> list[str]:
    return [row.strip(" ▾▸·").split()[0] for row in await rows(pilot)]


def cursor(pilot: Pilot[None]) -> str | None:
    entry = pilot.app.query_one(ContextTree).entry
    return None if entry is None else entry.path


def test_a_model_has_the_totals_of_every_folder(context: Path) -> None:
    model = look(context)
    assert model.sizes[at(model, "src")] == 6000
    assert model.sizes[at(model, "src/lib")] == 2000
    assert model.spans[at(model, "src")] == 4
    assert not model.sent[at(model, "node_modules")]
    found = scan(context, load_rules(context, "Dockerfile"))
    assert (model.files, model.sent_files, model.sent_bytes) == (found.files, found.sent_files, found.sent_bytes)


def test_a_folder_that_is_excluded_counts_what_is_sent_below_it(tmp_path: Path) -> None:
    write(tmp_path, {"docs/a.md": 10, "docs/deep/keep.txt": 33, "docs/deep/drop.txt": 70})
    model = build_model(scan(tmp_path, IgnoreRules(["docs", "!docs/deep/keep.txt"])))
    assert model.sent[at(model, "docs")]
    assert model.sizes[at(model, "docs")] == 33
    assert model.sent_bytes == 33


async def test_sizes_and_what_is_not_sent_stand_at_the_right(context: Path) -> None:
    async with Host(look(context)).run_test(size=(80, 24)) as pilot:
        shown = await rows(pilot)
    assert shown[0].startswith("▾ genesis") and shown[0].endswith("kB")
    by_name = {row.strip(" ▾▸·").split()[0]: row for row in shown}
    assert by_name["src"].endswith("6kB")
    assert by_name["app.py"].endswith("4kB")
    assert "not sent" in by_name["node_modules"]
    assert "not sent" in by_name["notes.md"]
    assert "not sent" not in by_name["README.md"]
    assert by_name["link"].endswith("symlink")
    assert all(len(row) <= 40 for row in shown)


async def test_narrow_rows_still_say_what_is_not_sent(context: Path) -> None:
    async with Host(look(context)).run_test(size=(80, 24)) as pilot:
        pilot.app.query_one(ContextTree).styles.width = 20
        shown = await rows(pilot)
    assert any(row.lstrip(" ·▸").startswith("node_") and row.endswith("not sent") for row in shown)


async def test_keys_move_open_and_close(context: Path) -> None:
    app = Host(look(context))
    async with app.run_test(size=(80, 24)) as pilot:
        assert "app.py" in await names(pilot)  # so few entries are open from the start
        await pilot.press("end")
        assert cursor(pilot) == "static/logo.svg"
        await pilot.press("left")
        assert cursor(pilot) == "static"
        await pilot.press("left")
        assert "logo.svg" not in await names(pilot)
        await pilot.press("right")
        assert "logo.svg" in await names(pilot)
        await pilot.press("enter")
        assert "logo.svg" not in await names(pilot)
        await pilot.press("g", "j", "j", "k")
        assert cursor(pilot) == ".dockerignore"
        await pilot.press("enter")
        assert app.opened == [".dockerignore"]
        assert app.highlighted[-1] == ".dockerignore"
        await pilot.press("home")
        assert cursor(pilot) is None
        await pilot.pause()
        assert app.highlighted[-1] is None
        await pilot.press("enter")
        assert await names(pilot) == ["genesis"]


async def test_pages_and_scrolling_follow_the_cursor(tmp_path: Path) -> None:
    write(tmp_path, {f"file{number:03}": 1 for number in range(100)})
    async with Host(look(tmp_path)).run_test(size=(80, 24)) as pilot:
        await pilot.press("pagedown", "pagedown")
        assert cursor(pilot) == "file029"
        assert any("file029" in row for row in await rows(pilot))
        await pilot.press("G")
        assert (await names(pilot))[-1] == "file099"
        await pilot.press("pageup")
        assert cursor(pilot) == "file084"


async def test_a_new_scan_keeps_cursor_and_open_folders(context: Path) -> None:
    app = Host(look(context))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end", "left", "left")  # static is closed now
        app.tree.search("util")
        assert cursor(pilot) == "src/lib/util.py"
        write(context, {"aaa/first.txt": 3, "static/other.svg": 3})
        app.tree.show_model(look(context))
        shown = await names(pilot)
        assert cursor(pilot) == "src/lib/util.py"
        assert "aaa" in shown and "other.svg" not in shown and "util.py" in shown
        (context / "src/lib/util.py").unlink()
        app.tree.show_model(look(context))
        await pilot.pause()
        assert cursor(pilot) == "src/lib"  # the nearest that is left
        assert app.highlighted[-1] == "src/lib"


@pytest.mark.slow
async def test_search_goes_into_closed_folders_and_around(tmp_path: Path) -> None:
    write(tmp_path, {f"d{at}/inner/{'needle' if at % 5 == 0 else 'hay'}{at}.txt": 1 for at in range(OPEN_AT_FIRST)})
    async with Host(look(tmp_path)).run_test(size=(80, 24)) as pilot:
        assert "inner" not in await names(pilot)
        await pilot.press("slash", *"Needle", "backspace")
        await pilot.press("enter")
        assert cursor(pilot) is None  # a capital letter counts
        await pilot.press("slash", *"needle", "enter")
        first = cursor(pilot)
        assert first == "d0/inner/needle0.txt"
        assert "needle0.txt" in await names(pilot)
        await pilot.press("n")
        assert cursor(pilot) == "d10/inner/needle10.txt"
        await pilot.press("N", "N")
        assert cursor(pilot) == "d55/inner/needle55.txt"
        await pilot.press("n")
        assert cursor(pilot) == first


async def test_letters_of_a_search_are_no_commands(context: Path) -> None:
    app = Host(look(context))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash", *"jig")
        assert "/jig" in (await rows(pilot))[-1]
        assert "notes.md" in await names(pilot)  # `i` hid nothing
        await pilot.press("escape", "i")
        assert "notes.md" not in await names(pilot)
        await pilot.press("i")
        assert "notes.md" in await names(pilot)


async def test_the_mouse_selects_toggles_and_opens(context: Path) -> None:
    app = Host(look(context))
    async with app.run_test(size=(80, 24)) as pilot:
        place = (await names(pilot)).index("app.py")
        await pilot.click(ContextTree, offset=(12, place))
        assert cursor(pilot) == "src/app.py" and app.opened == []
        await pilot.click(ContextTree, offset=(12, place), times=2)
        assert "src/app.py" in app.opened
        place = (await names(pilot)).index("static")
        await pilot.click(ContextTree, offset=(2, place))
        assert cursor(pilot) == "static"
        assert "logo.svg" not in await names(pilot)


async def test_names_of_strangers_are_text(tmp_path: Path) -> None:
    write(tmp_path, {"[red]bold": 1, "two\nlines": 1, "escape\x1b[2Jd": 1, "wide世界.txt": 1})
    (tmp_path / os.fsdecode(b"latin\xe9")).write_bytes(b"")
    (tmp_path / "tölink").symlink_to("\x1b]0;title\x07")
    model = look(tmp_path)
    async with Host(model).run_test(size=(80, 24)) as pilot:
        shown = "\n".join(await rows(pilot))
    for name in ("[red]bold", "two\\nlines", "escape\\x1b[2Jd", "latin\\xe9", "wide世界.txt"):
        assert name in shown
    assert "\x1b" not in shown
    said = describe(model.entries[at(model, "tölink")])
    assert "\x1b" not in said and "\x07" not in said


async def test_an_empty_context_is_its_own_row(tmp_path: Path) -> None:
    async with Host(look(tmp_path)).run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "G", "enter", "right", "left", "slash", "x", "enter", "n")
        assert len(await rows(pilot)) == 1
        assert cursor(pilot) is None


def test_why_an_entry_is_sent_or_not(context: Path) -> None:
    found = scan(context, load_rules(context, "Dockerfile"))

    def said(path: str) -> str:
        entry = found.get(path)
        assert entry is not None
        return describe(entry)

    for path, state, line in (("node_modules", "not sent", 2), ("notes.md", "not sent", 4), ("README.md", "sent", 5)):
        assert said(path).startswith(f"{path}: {state} by ")
        assert f"line {line} of .dockerignore" in said(path)
    assert "!README.md" in said("README.md")
    assert said("src/app.py").startswith("src/app.py: sent")
    assert "src/app.py" in said("link")


def test_what_cannot_be_read_is_said(context: Path, entry: Callable[..., Entry]) -> None:
    assert describe(entry("key.pem", error="Permission denied")) == "key.pem: cannot be read: Permission denied"
    assert "socket" in describe(entry("agent.sock", kind="socket", sent=False))


def flat(entries: Sequence[Entry]) -> Model:
    """A model of files that are sent, all in the context itself."""
    count = len(entries)
    return Model(
        "here", Path("/here"), IgnoreRules(), entries, [entry.path for entry in entries], array("H", [0]) * count,
        array("i", [1]) * count, bytearray(count), array("q", [0]) * count, bytearray(b"\1" * count),
    )  # fmt: skip


async def test_unreadable_files_are_marked(tmp_path: Path, entry: Callable[..., Entry]) -> None:
    model = flat([entry("key.pem", error="Permission denied")])
    async with Host(model).run_test(size=(80, 24)) as pilot:
        assert "unreadable" in (await rows(pilot))[1]


@pytest.fixture
def entry() -> Callable[..., Entry]:
    def make(path: str, *, kind: str = "file", sent: bool = True, error: str = "") -> Entry:
        return Entry(path, kind, 0, 0o644, 0, 0, 0, "", sent, None, error, 0, 0, 0, 1)  # type: ignore[arg-type]

    return make


class Counted(list[Entry]):
    """Entries that know how often one was looked at."""

    looks = 0

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        self.looks += 1
        return super().__getitem__(at)

    def __iter__(self) -> Iterator[Entry]:
        self.looks += len(self)
        return super().__iter__()


async def test_keys_in_a_huge_context_look_at_few_entries(entry: Callable[..., Entry]) -> None:
    """A scan makes an entry whenever one is looked at: 100,000 of them take longer than a key may."""
    count = 100_000
    entries = Counted(entry(f"file{at:06}") for at in range(count))
    model = flat(entries)
    entries.looks = 0
    app = Host(model)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end")
        assert cursor(pilot) == "file099999"
        assert app.tree.search("050000") and cursor(pilot) == "file050000"
        assert not app.tree.search("nothing like it")
        app.tree.show_model(model)
        assert cursor(pilot) == "file050000"
        await pilot.pause()
    assert entries.looks < 1000
