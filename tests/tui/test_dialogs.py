"""Dialogs, details and help: what they say, what each key answers, and that nothing is cut at 80x24."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.build.format import human_size
from workbench.build.images import HistoryEntry, Image, Removal
from workbench.tui.screens import dialogs
from workbench.tui.screens.delete import DeleteDialog, lines_of
from workbench.tui.screens.details import ImageDetails
from workbench.tui.screens.dialogs import ConfirmDialog, PromptDialog
from workbench.tui.screens.help import HelpScreen

NOT_YET = object()
IMAGE = Image(id="sha256:" + "c5de1cf67f83".ljust(64, "0"), tags=("genesis:latest",))


class Host(App[None]):
    """Shows one dialog, and keeps its answer."""

    def __init__(self, dialog: ModalScreen[Any]) -> None:
        super().__init__()
        self._dialog = dialog
        self.answer: Any = NOT_YET

    def compose(self) -> ComposeResult:
        yield Static("behind", markup=False)

    def on_mount(self) -> None:
        self.push_screen(self._dialog, self._answered)

    def _answered(self, answer: Any) -> None:
        self.answer = answer


async def screen(pilot: Pilot[None]) -> str:
    await pilot.pause()
    return "\n".join(strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips())


async def answer_to(dialog: ModalScreen[Any], *keys: str) -> Any:
    app = Host(dialog)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()
        return app.answer


def question() -> ConfirmDialog:
    return ConfirmDialog(
        "Leave?",
        ["The Dockerfile is not saved.", "[red]x[/red] \x1b[2J"],
        [("save", "Save and quit"), ("discard", "Discard"), ("stay", "Back")],
    )


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["enter"], "save"),
        (["right", "enter"], "discard"),
        (["tab", "tab", "enter"], "stay"),
        (["left", "enter"], "stay"),
        (["right", "left", "enter"], "save"),
        (["d"], "discard"),
        (["b"], "stay"),
        (["escape"], None),
        (["x"], NOT_YET),
    ],
)
async def test_the_keys_of_a_question(keys: list[str], answer: str | None) -> None:
    assert await answer_to(question(), *keys) == answer


@pytest.mark.parametrize(("pause", "answer"), [(3600, NOT_YET), (0, "discard")])
async def test_a_question_that_comes_upon_somebody_who_types_is_not_answered_by_that(
    monkeypatch: pytest.MonkeyPatch, pause: float, answer: Any
) -> None:
    monkeypatch.setattr(dialogs, "PAUSE", pause)
    answers = [("restore", "Restore"), ("discard", "Discard")]
    assert await answer_to(ConfirmDialog("Found", ["text"], answers, unasked=True), "d", "r", "l", "enter") == answer


async def test_a_question_is_text_and_its_buttons_can_be_clicked() -> None:
    app = Host(question())
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await screen(pilot)
        assert "Leave?" in shown and "[red]x[/red]" in shown and "\x1b" not in shown
        assert all(label in shown for label in ("Save and quit", "Discard", "Back"))
        await pilot.click("#answer-discard")
        await pilot.pause()
    assert app.answer == "discard"


async def test_however_long_a_question_its_answers_are_on_the_screen() -> None:
    lines = [f"line {number}: " + "word " * 40 for number in range(40)]
    app = Host(ConfirmDialog("Long?", lines, [("yes", "Yes"), ("no", "No")]))
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await screen(pilot)
        assert "Long?" in shown and "line 0:" in shown
        assert "Yes" in shown and "No" in shown
        await pilot.press("end")
        assert "line 39:" in await screen(pilot)
        await pilot.press("n")
        await pilot.pause()
    assert app.answer == "no"


def complaint(text: str) -> str:
    return "" if text.islower() else "repository names are lower case"


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["escape"], None),
        ([*"name", "enter"], "name"),
        ([*"Name", "enter"], NOT_YET),
        ([*"Name", *["backspace"] * 4, *"q:1", "enter"], "q:1"),
        (["enter"], NOT_YET),
    ],
)
async def test_the_keys_of_a_prompt(keys: list[str], answer: str | None) -> None:
    assert await answer_to(PromptDialog("Tag", "", "repository:tag", complaint), *keys) == answer


async def test_a_prompt_says_what_is_wrong_while_it_is_typed() -> None:
    app = Host(PromptDialog("Tag [b]x[/b]", "", "repository:tag", complaint))
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await screen(pilot)
        assert "Tag [b]x[/b]" in shown and "repository:tag" in shown and "lower case" not in shown
        await pilot.press("N")
        assert "repository names are lower case" in await screen(pilot)
        await pilot.press("backspace", "n")
        assert "lower case" not in await screen(pilot)


async def test_a_prompt_starts_with_its_value() -> None:
    assert await answer_to(PromptDialog("Tag", "given", "", complaint), "enter") == "given"


def removal(**facts: Any) -> Removal:
    return Removal(untagged=("genesis:latest",), deleted=(IMAGE.id,), bytes_freed=1_130_000, **facts)


async def test_deleting_says_tags_bytes_children_and_containers() -> None:
    app = Host(DeleteDialog([(IMAGE, "genesis:latest")], removal(containers=("brave_hopper (exited)",))))
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await screen(pilot)
        for said in ("Delete genesis:latest?", "c5de1cf67f83", "1.13MB", "brave_hopper (exited)",
                     "No other image is built on it", "Delete", "Cancel"):  # fmt: skip
            assert said in shown
        await pilot.press("d")
        await pilot.pause()
    assert app.answer == "delete"


@pytest.mark.parametrize(
    ("keys", "deletes"), [(["enter"], False), (["d"], True), (["right", "enter"], True), (["escape"], False)]
)
async def test_the_keys_of_deleting(keys: list[str], deletes: bool) -> None:
    assert bool(await answer_to(DeleteDialog([(IMAGE, "genesis:latest")], removal()), *keys)) is deletes


async def test_what_is_refused_offers_no_deleting() -> None:
    blocked = Removal(children=("sha256:" + "9f1c2ad0e411".ljust(64, "0"),), blocked="image has dependent child images")
    app = Host(DeleteDialog([(IMAGE, IMAGE.id)], blocked))
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await screen(pilot)
        assert "Delete c5de1cf67f83?" in shown
        assert "9f1c2ad0e411" in shown and "image has dependent child images" in shown
        await pilot.press("d")
        await pilot.pause()
        assert app.answer is NOT_YET
        await pilot.press("enter")
        await pilot.pause()
    assert not app.answer


def test_why_many_are_refused_comes_first_and_nothing_is_said_to_stay() -> None:
    blocked = Removal(containers=("web (running)",), blocked="app:3 is in use")
    lines = lines_of([(IMAGE, f"app:{number}") for number in range(12)], blocked, minutes=30)
    assert lines[0] == "They cannot be deleted: app:3 is in use"
    assert "stay" not in "".join(lines) and "taken back" not in "".join(lines)


def test_a_name_that_is_one_of_several_frees_nothing() -> None:
    lines = "\n".join(lines_of([(IMAGE, "genesis:r6")], Removal(untagged=("genesis:r6",))))
    assert "genesis:r6" in lines and "0B" in lines and "Images that go" not in lines


def test_of_several_each_says_what_it_frees_and_what_they_free_together() -> None:
    chosen = [(IMAGE, "genesis:latest"), (IMAGE, "genesis:r6")]
    lines = lines_of(chosen, removal(), minutes=30, alone=(130_000, 0))
    assert [line.rpartition("  ")[2] for line in lines[:2]] == ["frees 130kB", "frees 0B"]
    assert "Frees 1.13MB together, 1MB of it shared by them, once the trash is emptied." in lines
    many = [(IMAGE, f"app:{number}") for number in range(12)]
    lines = lines_of(many, removal(), alone=[10] * 8)
    assert "and 4 more" in lines and "Frees 1.13MB." in lines


def test_freeing_more_than_the_size_is_explained() -> None:
    more = Removal(deleted=(IMAGE.id,), bytes_freed=IMAGE.size + 1)
    said = f"That is more than the {human_size(IMAGE.size)} of files: archives and unpacked layers go, too."
    assert said in lines_of([(IMAGE, "genesis:r6")], more)
    assert said not in lines_of([(IMAGE, "genesis:r6")], replace(more, bytes_freed=IMAGE.size))


INSPECTED = {
    "Id": IMAGE.id,
    "RepoTags": ["genesis:latest"],
    "Created": "2026-11-24T10:51:22Z",
    "Size": 1_130_000,
    "Config": {
        "Cmd": ["/bin/sh", "-c", "echo [red]hi[/red]"],
        "Entrypoint": ["/entry"],
        "Env": ["PATH=/usr/bin:/bin", "WHO=\x1b[31mbyjeon"],
        "WorkingDir": "/app",
        "User": "nobody",
        "ExposedPorts": {"8080/tcp": {}},
        "Volumes": {"/data": {}},
        "Labels": {"who": "byjeon"},
    },
}
HISTORY = [
    HistoryEntry("sha256:" + "a" * 64, 900.0, "/bin/sh -c #(nop) COPY dir:1 in /app " + "x" * 200, 4096),
    HistoryEntry("", 0.0, "/bin/sh -c #(nop)  CMD [sh]", 0, empty_layer=True, comment="first"),
]


async def everything(pilot: Pilot[None]) -> str:
    """All that can be scrolled to, as one text."""
    await pilot.press("home")
    seen = [await screen(pilot)]
    for _ in range(4):
        await pilot.press("pagedown")
        seen.append(await screen(pilot))
    return "\n".join(seen)


async def test_details_have_the_config_and_the_history() -> None:
    app = Host(ImageDetails("genesis:latest", INSPECTED, HISTORY, 1000.0))
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await everything(pilot)
    for said in ("genesis:latest", "c5de1cf67f83", "2026-11-24T10:51:22Z", "1.13MB", "echo [red]hi[/red]", "/entry",
                 "PATH=/usr/bin:/bin", "\\x1b[31mbyjeon", "/app", "nobody", "8080/tcp", "/data", "who=byjeon",
                 "aaaaaaaaaaaa", "4.1kB", "<missing>", "CMD [sh]", "# first"):  # fmt: skip
        assert said in shown, said
    assert "\x1b" not in shown
    assert shown.index("COPY dir:1") < shown.index("CMD [sh]")


async def test_details_of_an_image_without_config_or_history() -> None:
    app = Host(ImageDetails(IMAGE.id, {"Id": IMAGE.id, "Config": None}, [], 1000.0))
    async with app.run_test(size=(80, 24)) as pilot:
        assert "c5de1cf67f83" in await screen(pilot)


async def test_details_are_searched() -> None:
    app = Host(ImageDetails("genesis:latest", INSPECTED, HISTORY, 1000.0))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("slash", *"<miss")
        shown = await screen(pilot)
        assert "<missing>" in shown and "/<miss" in shown
        await pilot.press("enter", "slash", *"qi")  # letters of a search close nothing
        assert isinstance(app.screen, ImageDetails)
        await pilot.press("escape")
        assert isinstance(app.screen, ImageDetails)  # it ended the search
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, ImageDetails)


SECTIONS = [
    ("Everywhere", [("f5, ctrl+r", "Build"), *((f"alt+{number}", f"Panel {number}") for number in range(1, 5))]),
    ("Images", [("d", "Delete [x]"), *((f"key{number}", f"does {number}") for number in range(40))]),
]


@pytest.mark.slow
async def test_help_has_every_key_and_closes() -> None:
    app = Host(HelpScreen(SECTIONS))
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await everything(pilot)
        assert all(said in shown for said in ("Everywhere", "f5, ctrl+r", "Build", "Images", "Delete [x]", "does 39"))
        for key in ("escape", "q", "question_mark"):
            await pilot.press(key)
            await pilot.pause()
            assert not isinstance(app.screen, HelpScreen)
            await app.push_screen(HelpScreen(SECTIONS))


@pytest.mark.parametrize(
    "make",
    [
        question,
        lambda: PromptDialog("Tag", "", "repository:tag", complaint),
        lambda: ImageDetails("genesis:latest", INSPECTED, HISTORY, 1000.0),
        lambda: HelpScreen(SECTIONS),
    ],
    ids=["question", "prompt", "details", "help"],
)
async def test_the_frame_is_whole_at_every_size(make: Callable[[], ModalScreen[Any]]) -> None:
    async with Host(make()).run_test(size=(200, 60)) as pilot:
        for size in ((200, 60), (80, 24), (40, 10)):
            await pilot.resize_terminal(*size)
            shown = await screen(pilot)
            assert all(corner in shown for corner in "╭╮╰╯"), size
