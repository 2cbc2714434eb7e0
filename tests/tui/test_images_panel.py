"""The images table: a row for each tag, the cursor kept, the filter, and what each key asks for."""

from __future__ import annotations

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from workbench.build.images import Image
from workbench.build.trash import hidden_name
from workbench.build.usage import ImageUsage
from workbench.tui.widgets import image_columns
from workbench.tui.widgets.image_rows import Facts, ImageRow, rows_of
from workbench.tui.widgets.images_panel import ImagesPanel

NOW = 1_000_000.0


def image(number: int, *tags: str, age: float = 29, size: int = 1_130_000) -> Image:
    return Image(id=f"sha256:{number:064x}"[:7] + f"{number:064x}"[::-1], tags=tags, created=NOW - age, size=size)


GENESIS = image(1, "genesis:latest", "genesis:r7", age=29)
OLD = image(2, "localhost:5000/team/genesis:r6", age=240, size=987)
DANGLING = image(3, age=7200, size=0)


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str]] = []
        self.summary = ""

    def compose(self) -> ComposeResult:
        yield ImagesPanel()

    def on_mount(self) -> None:
        self.panel.focus()
        self.panel.show([DANGLING, OLD, GENESIS], NOW)

    def on_images_panel_asked(self, event: ImagesPanel.Asked) -> None:
        self.asked += [(event.what, row.image.id, row.reference) for row in event.rows]

    def on_images_panel_changed(self, event: ImagesPanel.Changed) -> None:
        self.summary = event.summary

    @property
    def panel(self) -> ImagesPanel:
        return self.query_one(ImagesPanel)


async def rows(pilot: Pilot[None]) -> list[str]:
    await pilot.pause()
    shown = [strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips()]
    return [row for row in shown if row]


def reference(pilot: Pilot[None]) -> str | None:
    row = pilot.app.query_one(ImagesPanel).row
    return None if row is None else row.reference


def test_a_row_for_each_tag_newest_first() -> None:
    assert [(row.repository, row.tag) for row in rows_of([DANGLING, OLD, GENESIS])] == [
        ("genesis", "latest"),
        ("genesis", "r7"),
        ("localhost:5000/team/genesis", "r6"),
        ("<none>", "<none>"),
    ]
    assert rows_of([DANGLING])[0].reference == DANGLING.id


async def test_the_table_is_that_of_docker_images() -> None:
    async with Host().run_test(size=(100, 24)) as pilot:
        head, first, _, old, dangling = await rows(pilot)
    assert head.split("  ")[0].strip() == "REPOSITORY"
    assert [word in head for word in ("TAG", "IMAGE ID", "CREATED", "SIZE")] == [True] * 4
    assert first.split() == ["genesis", "latest", GENESIS.short, "29", "seconds", "ago", "1.13MB"]
    assert old.split() == ["localhost:5000/team/genesis", "r6", OLD.short, "4", "minutes", "ago", "987B"]
    assert dangling.split() == ["<none>", "<none>", DANGLING.short, "2", "hours", "ago", "0B"]
    assert len({len(row) for row in (head, first, old, dangling)}) == 1  # sizes end in one column


async def test_narrow_tables_cut_names_not_lines() -> None:
    async with Host().run_test(size=(120, 24)) as pilot:
        for width in (80, 60, 44):
            await pilot.resize_terminal(width, 24)
            shown = await rows(pilot)
            assert len(shown) == 5
            assert all(len(row) <= width for row in shown)
            images = (GENESIS, GENESIS, OLD, DANGLING)
            assert all(it.short in row for it, row in zip(images, shown[1:], strict=True))


async def test_each_key_asks_for_the_row_under_the_cursor() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "j", "t", "y", "i", "enter", "d")
        await pilot.pause()
        assert app.asked == [
            (what, OLD.id, "localhost:5000/team/genesis:r6") for what in ("tag", "copy", "details", "details", "delete")
        ]
        app.asked.clear()
        await pilot.press("G", "d")
        await pilot.pause()
        assert app.asked == [("delete", DANGLING.id, DANGLING.id)]  # without a tag it is the ID
        await pilot.press("g", "k", "k")
        assert reference(pilot) == "genesis:latest"


async def test_the_cursor_stays_on_its_tag() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "j")
        app.panel.show([image(9, "new:1", "new:2", age=0), GENESIS, OLD, DANGLING], NOW)
        await pilot.pause()
        assert reference(pilot) == "localhost:5000/team/genesis:r6"
        app.panel.show([GENESIS, DANGLING], NOW)  # its image has gone: the row that came to its place
        await pilot.pause()
        assert reference(pilot) == DANGLING.id
        app.panel.show([], NOW)
        assert any("no images yet" in row for row in await rows(pilot))
        app.asked.clear()
        await pilot.press("d", "j", "k", "G", "g", "enter")
        await pilot.pause()
        assert reference(pilot) is None and app.asked == []
        app.panel.show([GENESIS], NOW)
        await pilot.pause()
        assert reference(pilot) == "genesis:latest"


async def test_an_image_that_is_made_anew_is_another_row() -> None:
    """A build moves a tag: the cursor stays with the tag."""
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j")
        assert reference(pilot) == "genesis:r7"
        again = image(8, "genesis:latest", "genesis:r8", age=0)
        app.panel.show([again, image(1, "genesis:r7"), OLD], NOW)
        await pilot.pause()
        assert reference(pilot) == "genesis:r7"
        await pilot.press("g")
        app.panel.show([image(10, "genesis:latest", age=0), again, OLD], NOW)
        await pilot.pause()
        assert reference(pilot) == "genesis:latest"
        others = [image(at, f"other:{at}", age=0) for at in (11, 12)]
        app.panel.show([*others, image(13, "genesis:latest", age=0), again, OLD], NOW)
        await pilot.pause()
        assert reference(pilot) == "genesis:latest"


@pytest.mark.slow
async def test_a_filter_narrows_while_it_is_typed() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash", *"dty")
        assert app.asked == []  # letters of a filter are no commands
        await pilot.press("ctrl+u", *"r6")
        assert [row.reference for row in app.panel.shown] == ["localhost:5000/team/genesis:r6"]
        await pilot.press("enter", "d")
        await pilot.pause()
        assert app.asked == [("delete", OLD.id, "localhost:5000/team/genesis:r6")]
        app.panel.show([image(4, "other:1"), GENESIS, OLD], NOW)
        assert [row.reference for row in app.panel.shown] == ["localhost:5000/team/genesis:r6"]
        await pilot.press("escape")
        assert len(app.panel.shown) == 4
        await pilot.press("slash", *"nowhere", "enter")
        assert any("nowhere" in row and "escape" in row for row in await rows(pilot))
        await pilot.press("escape", "slash", *OLD.short[:8], "enter")
        assert [row.image for row in app.panel.shown] == [OLD]


async def test_a_long_table_keeps_its_head_and_shows_the_cursor() -> None:
    app = Host()
    async with app.run_test(size=(80, 10)) as pilot:
        app.panel.show([image(at, f"name{at:03}:latest", age=at) for at in range(200)], NOW)
        for keys, wanted in ((["G"], "name199"), (["pageup"], "name19"), (["g"], "name000"), (["j"] * 12, "name012")):
            await pilot.press(*keys)
            shown = await rows(pilot)
            assert "REPOSITORY" in shown[0]
            chosen = (reference(pilot) or "").partition(":")[0]
            assert chosen.startswith(wanted)
            assert any(chosen in row for row in shown[1:])


async def test_the_mouse_selects_and_looks_into() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.click(ImagesPanel, offset=(5, 3))
        assert reference(pilot) == "localhost:5000/team/genesis:r6" and app.asked == []
        await pilot.click(ImagesPanel, offset=(5, 0))  # the head
        assert reference(pilot) == "localhost:5000/team/genesis:r6" and app.asked == []
        await pilot.click(ImagesPanel, offset=(5, 3), times=2)
        await pilot.pause()
        assert ("details", OLD.id, "localhost:5000/team/genesis:r6") in app.asked


async def test_names_of_strangers_are_text() -> None:
    app = Host()
    async with app.run_test(size=(100, 24)) as pilot:
        app.panel.show([image(1, "[bold]x[/bold]:\x1b[2J")], NOW)
        shown = "\n".join(await rows(pilot))
    assert "[bold]x[/bold]" in shown and "\\x1b[2J" in shown and "\x1b" not in shown


def test_every_binding_can_be_remapped() -> None:
    bindings = [binding for owner in ImagesPanel.__mro__ for binding in owner.__dict__.get("BINDINGS", ())
                if owner.__module__.startswith("workbench.")]  # fmt: skip
    assert bindings and all(binding.id and binding.description for binding in bindings)


async def test_the_first_page_does_not_wait_for_thousands_of_images() -> None:
    class Bare(App[None]):
        def compose(self) -> ComposeResult:
            yield ImagesPanel()

    app = Bare()
    async with app.run_test(size=(100, 20)) as pilot:
        panel = app.query_one(ImagesPanel)
        panel.show([image(at, f"name{at}:latest", age=at) for at in range(3000)], NOW)
        assert 20 <= len(panel.shown) <= 100, "a page"
        await pilot.pause()
        assert len(panel.shown) == 3000


async def test_thousands_of_images_measure_their_columns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = 0
    age = image_columns.age_of

    def counted(row: ImageRow, now: float) -> str:
        nonlocal measured
        measured += 1
        return age(row, now)

    monkeypatch.setattr(image_columns, "age_of", counted)
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        app.panel.show([image(at, f"name{at}:latest", age=at) for at in range(2000)], NOW)
        await pilot.press("j", "j", "G", "g")
        await rows(pilot)
    assert measured < 10_000


async def test_ages_go_on_and_draw_only_what_reads_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Host()
    async with app.run_test(size=(80, 12)) as pilot:
        assert "4 minutes ago" in "\n".join(await rows(pilot))
        drawn: list[float] = []
        monkeypatch.setattr(app.panel, "refresh", lambda *regions, **options: drawn.append(1))
        app.panel.show([DANGLING], NOW)
        drawn.clear()
        app.panel.grow_older(NOW + 1)
        assert not drawn
        monkeypatch.undo()
        app.panel.show([DANGLING, OLD, GENESIS], NOW)
        app.panel.grow_older(NOW + 120)
        assert "6 minutes ago" in "\n".join(await rows(pilot))


async def test_until_somebody_chooses_the_built_image_is_chosen() -> None:
    """A build that reuses all of its steps makes no newer image."""
    async with Host().run_test(size=(140, 12)) as pilot:
        panel = pilot.app.query_one(ImagesPanel)
        panel.screen.set_focus(None)
        await pilot.pause()
        panel.show([DANGLING, OLD, GENESIS], NOW, built=OLD.id)
        assert reference(pilot) == OLD.tags[0]
        panel.show([DANGLING, OLD, GENESIS], NOW, built=DANGLING.id)
        assert reference(pilot) == DANGLING.id
        panel.show([OLD, GENESIS], NOW, built=DANGLING.id)
        assert reference(pilot) == GENESIS.tags[0], "of one that is not shown it goes back to the newest"
        panel.focus()
        await pilot.press("j")
        panel.screen.set_focus(None)
        await pilot.pause()
        panel.show([DANGLING, OLD, GENESIS], NOW, built=DANGLING.id)
        assert reference(pilot) == GENESIS.tags[1], "somebody has chosen"


async def test_until_somebody_chooses_the_newest_image_is_chosen() -> None:
    app = Host()
    async with app.run_test(size=(80, 12)) as pilot:
        app.set_focus(None)
        await pilot.pause()
        app.panel.show([OLD], NOW)
        app.panel.show([OLD, GENESIS], NOW)
        assert reference(pilot) == "genesis:latest"
        app.panel.focus()
        await pilot.press("j", "j")
        assert reference(pilot) == "localhost:5000/team/genesis:r6"
        app.set_focus(None)
        await pilot.pause()
        app.panel.show([OLD, GENESIS, DANGLING], NOW)
        assert reference(pilot) == "localhost:5000/team/genesis:r6"


async def test_sorting_by_key_and_by_the_head() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        order = lambda: [row.reference for row in app.panel.shown]  # noqa: E731
        newest = order()
        await pilot.press("o")
        assert [row.image.size for row in app.panel.shown] == [1_130_000, 1_130_000, 987, 0]
        assert "SIZE▾" in (await rows(pilot))[0]
        await pilot.press("O")
        assert [row.image.size for row in app.panel.shown] == [0, 987, 1_130_000, 1_130_000]
        await pilot.press("o")
        assert order()[:2] == ["genesis:latest", "genesis:r7"] and order()[-1] == DANGLING.id
        await pilot.press("o")
        assert order() == newest
        head = (await rows(pilot))[0]
        await pilot.click(ImagesPanel, offset=(head.index("SIZE") + 1, 0))
        assert app.panel.order == "size" and not app.panel.backwards
        await pilot.click(ImagesPanel, offset=(head.index("SIZE") + 1, 0))
        assert app.panel.order == "size" and app.panel.backwards
        await pilot.click(ImagesPanel, offset=(2, 0))
        assert app.panel.order == "name" and app.asked == []


async def test_what_is_marked_is_what_an_action_is_asked_of() -> None:
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space", "j", "space", "S")
        await pilot.pause()
        assert [it[2] for it in app.asked] == ["genesis:latest", "localhost:5000/team/genesis:r6"]
        assert "2 marked" in app.summary and sum("●" in row for row in await rows(pilot)) == 2
        app.asked.clear()
        await pilot.press("slash", *"r7", "enter", "d")  # a filter hides marks, and forgets none
        await pilot.pause()
        assert [it[2] for it in app.asked] == ["genesis:latest", "localhost:5000/team/genesis:r6"]
        assert "1 of 3" in app.summary and "filter “r7”" in app.summary
        await pilot.press("escape")
        assert len(app.panel.shown) == 4 and len(app.panel.marked) == 2
        await pilot.press("escape")
        assert app.panel.marked == []
        await pilot.press("asterisk")
        assert len(app.panel.marked) == 4
        await pilot.press("asterisk")
        assert app.panel.marked == []


async def test_views_show_steps_dangling_images_and_the_trash() -> None:
    app = Host()
    step = Image("sha256:" + "5" * 64, created=NOW - 9, intermediate=True)
    gone = image(7, hidden_name(image(7), "old:1", NOW - 60, 1800), "kept:1")
    async with app.run_test(size=(100, 24)) as pilot:
        app.panel.show([GENESIS, OLD, DANGLING, step, gone], NOW)
        assert step.id not in [row.image.id for row in app.panel.shown]
        assert "kept:1" in [row.reference for row in app.panel.shown]
        assert not any("trash" in row for row in await rows(pilot)) and "1 in the trash" in app.summary
        await pilot.press("v")
        assert step.id in [row.image.id for row in app.panel.shown]
        await pilot.press("v")
        assert [row.image.id for row in app.panel.shown] == [DANGLING.id]
        await pilot.press("v")
        head, only = await rows(pilot)
        assert "HELD FOR" in head and only.split()[:2] == ["old", "1"] and "29 min" in only
        app.asked.clear()
        await pilot.press("u")
        await pilot.pause()
        assert app.asked == [("undo", gone.id, gone.tags[0])]
        await pilot.press("escape")
        assert app.panel.view == "images"


async def test_what_is_known_beside_the_list_has_columns_where_there_is_room() -> None:
    app = Host()
    facts = Facts(
        {GENESIS.id: ("web (running)",)}, {GENESIS.id: ImageUsage(GENESIS.id, (), 0, 1_000_000, 130_000)}, {OLD.id: 12}
    )
    async with app.run_test(size=(140, 24)) as pilot:
        app.panel.know(facts)
        head, first, _, old, _ = await rows(pilot)
        assert head.split()[-6:] == ["BUILD", "SHARED", "UNIQUE", "IN", "USE", "BY"]
        assert first.split()[-4:] == ["1MB", "130kB", "web", "(running)"] and old.split()[-1] == "12"
        await pilot.resize_terminal(60, 24)
        assert (await rows(pilot))[0].split()[-1] == "SIZE"


async def test_a_filter_that_comes_in_one_piece_is_no_command() -> None:
    """As a terminal hands on what is typed fast, or what a program types."""
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("slash", "t", "d", "r"):
            app.post_message(events.Key(key, "/" if key == "slash" else key))
        await pilot.pause()
        assert app.panel.needle == "tdr" and app.asked == []


async def test_a_scrollbar_that_comes_later_is_where_the_view_is() -> None:
    many = [image(number, f"app{number}:latest", age=number) for number in range(1, 13)]
    async with Host().run_test(size=(80, 10)) as pilot:
        panel = pilot.app.query_one(ImagesPanel)
        panel.screen.set_focus(None)
        await pilot.pause()
        panel.show(many, NOW, built=many[-1].id)
        await pilot.pause()
        assert panel.scroll_y == panel.vertical_scrollbar.position == 3
