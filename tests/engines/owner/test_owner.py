"""The owner of a context: what becomes of its builds when displays come, go, and die."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from tests.engines.owner.conftest import IMAGE, Record
from tests.engines.owner.display import Display, owners_of, until_gone
from workbench.build.events import BuildEvent, BuildFinished
from workbench.build.history import History
from workbench.build.turns import WAITING, Turn
from workbench.config import Config, state_dir
from workbench.engines.owner.journal import Reader, Span
from workbench.engines.owner.place import place_of
from workbench.engines.owner.reach import Reach
from workbench.engines.owner.wire import decode, encode
from workbench.errors import EngineLost, EngineUnavailable

LONG = 60.0


async def test_a_build_is_told_and_recorded_and_nothing_is_left(context: Path, config: Config) -> None:
    display = Display(context, config).start()
    await display.until_built()
    assert [type(event).__name__ for _, event in display.events][-1] == "BuildFinished"
    assert display.log == "line 0\nline 1\nline 2\n"
    assert {revision for revision, _ in display.events} == {1}
    place = place_of(context)
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((place.folder / "socket").stat().st_mode) == 0o600
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in place.folder.iterdir())
    await display.leave()
    await until_gone(context)
    assert not place.folder.exists()
    assert [record.image for record in History().list(context)] == [IMAGE]


async def test_a_change_is_built_and_every_display_sees_it(context: Path, config: Config) -> None:
    first = Display(context, config).start()
    await first.until_built()
    second = Display(context, config).start()
    await second.until_built()
    assert second.log == first.log and second.finished == first.finished, "the last build is shown to who comes later"
    assert len(owners_of(context)) == 1
    (context / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    for display in (first, second):
        await display.until(lambda display=display: display.loop.state.built == 2, "r2 is not built")
        assert display.finished is not None
    await first.stop()
    await second.stop()
    await until_gone(context)
    assert len(History().list(context)) == 2


async def test_a_dropped_line_leaves_the_build_running(context: Path, config: Config, record: Record) -> None:
    record(lines=1000, seconds=LONG)
    display = Display(context, config).start()
    await display.until_running()
    await display.drop()
    back = Display(context, config).start()
    await back.until(lambda: back.log.endswith("line 999\n"), "the log is not replayed")
    assert back.loop.state.building == 1 and back.told == ["Attached to the build that runs here, r1"]
    assert back.log == "".join(f"line {number}\n" for number in range(1000))
    start = time.monotonic()
    await back.stop()
    assert time.monotonic() - start < 1.5 and back.finished is not None and back.finished.outcome == "cancelled"
    await until_gone(context)


@pytest.mark.slow
async def test_where_it_is_wanted_a_dropped_line_cancels(context: Path, config: Config, record: Record) -> None:
    record(seconds=LONG)
    config = replace(config, on_disconnect="cancel")
    first, second = Display(context, config).start(), Display(context, config).start()
    await first.until_running()
    await second.until_running()
    await first.drop()
    assert second.finished is None, "somebody still looks"
    await second.drop()
    await until_gone(context)
    assert [kept.outcome for kept in History().list(context)] == ["cancelled"]


@pytest.mark.slow
async def test_left_running_it_is_shown_later_and_not_built_again(
    context: Path, config: Config, record: Record
) -> None:
    record(seconds=0.5)
    display = Display(context, config).start()
    await display.until_running()
    await display.leave()
    await until_gone(context)
    back = Display(context, config).start()
    await back.until_built()
    assert back.log == "line 0\nline 1\nline 2\n" and back.loop.state.built == 1
    await back.until(lambda: back.told, "that it ended is not told")
    assert back.told[0].startswith("While nobody was attached the build succeeded as x:latest")
    await back.leave()
    await until_gone(context)
    assert len(History().list(context)) == 1, "it was built once"
    assert not place_of(context).folder.exists(), "what was seen is not kept"


@pytest.mark.slow
async def test_what_changed_since_is_built_when_somebody_is_back(context: Path, config: Config, record: Record) -> None:
    record(seconds=0.3)
    display = Display(context, config).start()
    await display.until_running()
    await display.leave()
    await until_gone(context)
    (context / "new").write_text("new")
    back = Display(context, config).start()
    await back.until(lambda: len(History().list(context)) == 2, "not built again")
    await back.leave()
    await until_gone(context)


@pytest.mark.slow
async def test_a_save_while_nobody_is_attached_waits(context: Path, config: Config, record: Record) -> None:
    record(seconds=LONG)
    display = Display(context, config).start()
    await display.until_running()
    await display.drop()
    (context / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    back = Display(context, record(lines=4)).start()
    await back.until(lambda: back.loop.state.built == 2, "the save was missed")
    await back.leave()
    await until_gone(context)


@pytest.mark.slow
async def test_a_second_build_ends_the_first(context: Path, config: Config, record: Record) -> None:
    record(seconds=LONG)
    first = Display(context, config).start()
    await first.until_running()
    second = Display(context, record(lines=1)).start()
    await second.until(lambda: second.log == "line 0\nline 1\nline 2\n", "it does not show the one that runs")
    second.loop.build_now()
    for display in (first, second):
        await display.until(lambda display=display: display.loop.state.settled, "the second is not built")
        assert display.log == "line 0\n", "it has the surroundings of who asked"
    await first.leave()
    await second.leave()
    await until_gone(context)
    assert sorted(kept.outcome for kept in History().list(context)) == ["cancelled", "succeeded"]


async def test_who_opens_with_other_options_has_them_built_and_others_are_told(context: Path, config: Config) -> None:
    first = Display(context, config).start()
    await first.until_built()
    second = Display(context, config)
    second.request = replace(second.request, target="other")
    second.start()
    await second.until(lambda: len(History().list(context)) == 2, "what it was opened for is not built")
    await first.until(lambda: first.told, "that it is built otherwise is not told")
    assert first.told == ["Another workbench has this context built with other options. F5 builds as this one says."]
    third = Display(context, config)
    third.request = second.request
    third.start()
    await third.until_built()
    first.loop.build_now()
    await second.until(lambda: second.told, "the others are not told")
    await first.until(lambda: len(History().list(context)) == 3, "not built as it says")
    assert ["other" in str(kept.settings) for kept in History().list(context)] == [False, True, False]
    for display in (first, second, third):
        await display.leave()
    await until_gone(context)
    assert not first.told[1:]


@pytest.mark.slow
async def test_an_engine_that_another_display_chose_is_named(
    context: Path, config: Config, record: Record, tmp_path: Path
) -> None:
    record(seconds=1.0)
    first = Display(context, config).start()
    await first.until_running()
    second = Display(context, replace(config, root=tmp_path / "elsewhere")).start()
    await first.until(lambda: first.told, "that it is built elsewhere is not told")
    assert first.told == ["Another workbench has this context built on replay. F5 builds as this one says."]
    await second.until(lambda: len(History().list(context)) == 2, "it is not built after the one that ran")
    assert [kept.outcome for kept in History().list(context)] == ["succeeded", "succeeded"]
    await first.leave()
    await second.leave()
    await until_gone(context)


async def test_an_owner_that_is_killed_is_told_and_replaced(context: Path, config: Config, record: Record) -> None:
    record(seconds=LONG)
    display = Display(context, config).start()
    await display.until_running()
    os.kill(owners_of(context)[0], signal.SIGKILL)
    start = time.monotonic()
    await display.until(lambda: display.finished is not None, "the loss is not told")
    assert time.monotonic() - start < 2
    assert display.finished is not None and display.finished.lost and display.finished.outcome == "failed"
    assert isinstance(display.loop.state.error, EngineLost) and display.loop.state.error.hint
    record(seconds=0.0)
    (context / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")  # before another one watches
    await display.until(lambda: display.loop.state.built == 2, "the save was missed")
    errors = [state.error for state in display.states if state.error is not None]
    assert errors and all(error is errors[0] for error in errors), "it is one loss, told once"
    await display.leave()
    await until_gone(context)


@pytest.mark.slow
async def test_a_build_that_was_cut_off_unseen_is_told(context: Path, config: Config, record: Record) -> None:
    record(lines=50, seconds=LONG)
    display = Display(context, config).start()
    await display.until_running()
    await display.until(lambda: display.log.endswith("line 49\n"), "the log is not told")
    await display.leave()
    os.kill(owners_of(context)[0], signal.SIGKILL)
    await until_gone(context)
    assert (place_of(context).folder / "socket").exists(), "a stale socket"
    back = Display(context, config, watching=False).start(build_first=False)
    await back.until(lambda: back.finished is not None, "the loss is not told")
    assert back.finished is not None and back.finished.lost and back.log.endswith("line 49\n")
    await back.until(lambda: back.told, "that it was cut off is not told")
    assert back.told == ["The last build here was cut off: the process that ran the build was killed"]
    await back.leave()
    await until_gone(context)


@pytest.mark.slow
async def test_a_journal_that_goes_before_it_is_read_ends_nothing(
    context: Path, config: Config, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(seconds=LONG)
    display = Display(context, config).start()
    await display.until_running()
    await display.leave()
    os.kill(owners_of(context)[0], signal.SIGKILL)
    await until_gone(context)
    (context / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    read = Reader.read

    def late(reader: Reader, span: Span) -> Iterator[Sequence[BuildEvent]]:
        time.sleep(0.5)  # the owner has begun the next build, and taken the journal of the last one away
        return read(reader, span)

    monkeypatch.setattr(Reader, "read", late)
    back = Display(context, record(lines=4)).start()
    await back.until_built()
    assert back.loop.state.built == 2 and back.log == "line 0\nline 1\nline 2\nline 3\n"
    await back.leave()
    await until_gone(context)
    assert [kept.revision for kept in History().list(context)] == [2], "built once"


@pytest.mark.slow
async def test_a_display_that_was_stopped_for_long_is_told_how_the_build_ended_without_it(
    context: Path, config: Config, record: Record
) -> None:
    record(seconds=8.0)
    display = Display(context, config, watching=False).start()
    await display.until_running()
    line = display.loop._writer
    assert line is not None
    line.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(2500):  # of each it is told the state
        display.loop.set_mode("focus")
        display.loop.set_mode("off")
    await until_gone(context, 30)
    (context / "new").touch()
    line.transport.resume_reading()  # type: ignore[attr-defined]
    await display.until(lambda: display.told, "how it ended is not told")
    assert display.told[0].startswith("While nobody was attached the build succeeded as x:latest")
    await display.until(lambda: display.loop.state.built == 1, "the image is not told")
    assert [event.outcome for _, event in display.events if isinstance(event, BuildFinished)] == ["succeeded"]
    await display.until(lambda: display.loop.state.saved > 1, "the save was missed")
    await display.leave()
    await until_gone(context)
    assert [kept.outcome for kept in History().list(context)] == ["succeeded"], "it was built once"


@pytest.mark.slow
async def test_another_version_finishes_its_build_first(
    context: Path, config: Config, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(seconds=2.0)
    old = Display(context, config).start()
    await old.until_running()
    await old.leave()
    with monkeypatch.context() as patch:
        patch.setattr("workbench.__version__", "0.0.0-next")
        new = Display(context, config)
    new.start(build_first=False)
    await new.until(lambda: new.told, "the wait is not told")
    assert "still builds here" in new.told[0]
    await new.stop()
    await until_gone(context)
    assert [kept.outcome for kept in History().list(context)] == ["succeeded"]


async def test_without_a_state_folder_it_builds_here(
    context: Path, config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    display = Display(context, config).start()
    await display.until(lambda: display.loop.state.built == 1, "not built")
    assert display.told[0].startswith("Builds end with this window")
    assert not display.loop.outlives and not display.loop.keeps_records and not owners_of(context)
    await display.stop()


async def test_an_owner_that_does_not_answer_is_told(
    context: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.engines.owner.loop._LATE", 0.1)
    first = Display(context, config).start()
    await first.until_built()
    (owner,) = owners_of(context)
    os.kill(owner, signal.SIGSTOP)
    second = Display(context, config).start()
    await second.until(lambda: second.told, "that it does not answer is not told")
    assert "does not answer; it is waited for" in second.told[0]
    os.kill(owner, signal.SIGCONT)
    await second.until_built()
    await first.leave()
    await second.leave()
    await until_gone(context)


async def test_a_record_that_cannot_be_kept_is_told(context: Path, config: Config) -> None:
    state_dir().mkdir(parents=True, exist_ok=True)
    (state_dir() / "history").write_text("no folder")
    display = Display(context, config).start()
    await display.until_built()
    await display.until(lambda: display.told, "that it is not in the list is not told")
    assert display.told == ["The build is not in the list of builds: File exists"]
    await display.leave()
    await until_gone(context)


async def test_where_no_owner_starts_builds_still_take_turns(
    context: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(reach: Reach) -> NoReturn:
        raise EngineUnavailable("it does not start")

    monkeypatch.setattr(Reach, "connect", refuse)
    turn = Turn(context)
    assert turn.take(alone=True), "another workbench builds"
    display = Display(context, config).start()
    await display.until(lambda: WAITING in display.told, "that it waits is not told")
    assert display.finished is None and not display.loop.outlives
    turn.end()
    await display.until_built()
    await display.stop()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
async def test_a_hangup_is_nothing_to_an_owner(
    context: Path, config: Config, record: Record, number: signal.Signals
) -> None:
    record(seconds=LONG)
    display = Display(context, config).start()
    await display.until_running()
    os.kill(owners_of(context)[0], number)
    display.loop.build_now()
    await display.until(lambda: len(History().list(context)) == 1, "the owner does not go on")
    assert display.finished is None or display.finished.outcome == "cancelled"
    os.kill(owners_of(context)[0], signal.SIGTERM)
    await display.until(lambda: len(History().list(context)) == 2, "SIGTERM does not cancel")
    await display.stop()  # the owner that takes its place may build what was written just before
    await until_gone(context)


async def test_a_stranger_on_the_socket_is_sent_away(context: Path, config: Config) -> None:
    display = Display(context, config).start()
    await display.until_built()
    for words in (b"nonsense\n", b"[]\n", b"{}\n", encode({"hello": "x", "request": None})[:-5]):
        reader, writer = await asyncio.open_unix_connection(sock=place_of(context).connect())
        writer.write(words)
        writer.write_eof()
        said = await reader.read()
        assert said == b"" or decode(said)["retiring"] is True
        writer.close()
    (context / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    await display.until(lambda: display.loop.state.built == 2, "the owner does not go on")
    await display.leave()
    await until_gone(context)
