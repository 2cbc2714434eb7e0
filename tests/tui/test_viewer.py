"""Files that no editor takes: read by pieces, shown as text or as bytes in hex, searched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tui.stage import make_app, make_context, running, screen_text, until
from workbench.tui.messages import OpenFile
from workbench.tui.screens.viewer import FileViewer, RowsOfFile
from workbench.tui.widgets.file_rows import CHUNK, FileRows, HexRows, TextRows, open_rows


def all_rows(rows: FileRows) -> list[str]:
    rows.index(lambda: True)
    found = [row for chunk in range(-(-rows.count // CHUNK)) for row in rows.read(chunk)]
    assert len(found) == rows.count
    return found


def test_lines_of_any_length_and_ending(tmp_path: Path) -> None:
    file = tmp_path / "a"
    for lines in ([], [""], ["x"] * 1000, ["y" * 5000, "", "z" * 4096, "last"], ["w" * 9000] * 200):
        file.write_text("\n".join(lines))
        found = all_rows(TextRows(file))
        assert "".join(found) == "".join(lines)
        assert all(len(row) <= 4096 for row in found)
    file.write_text("".join(f"line {number}\r\n" for number in range(30_000)))
    assert all_rows(TextRows(file)) == [f"line {number}" for number in range(30_000)]


def test_bytes_in_hex(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(range(256)) + b"\x7fELF")
    rows = open_rows(file)
    assert isinstance(rows, HexRows) and rows.count == 17
    found = all_rows(rows)
    assert found[4] == "00000040  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO"
    assert found[16] == f"00000100  {'7f 45 4c 46':<23}  {'':<23}  .ELF"
    assert found[0].endswith("  " + "." * 16)


@pytest.mark.parametrize("kind", [TextRows, HexRows])
def test_a_search_goes_around_the_end_both_ways(tmp_path: Path, kind: type[FileRows]) -> None:
    file = tmp_path / "a"
    lines = ["needle..........."[:15] if at in (3, 200) else "-" * 15 for at in range(500)]
    file.write_text("\n".join(lines) + "\n")  # 16 bytes a line: the rows of both are the same
    rows = kind(file)
    rows.index(lambda: True)

    def find(row: int, *, forward: bool) -> int | None:
        return rows.find("needle", row, forward=forward, go_on=lambda: True)

    assert [find(row, forward=True) for row in (-1, 2, 3, 200, 499)] == [3, 3, 200, 3, 3]
    assert [find(row, forward=False) for row in (499, 200, 4, 3, 0)] == [200, 3, 3, 200, 200]
    assert rows.find("nothing", 0, forward=True, go_on=lambda: True) is None
    assert rows.find("needle", 0, forward=True, go_on=lambda: False) is None
    rows.close()
    with pytest.raises(OSError, match="closed"):
        rows.read(0)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a file"):
        open_rows(tmp_path / "fifo")


@pytest.mark.slow
async def test_a_huge_binary_file_is_read_by_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    with (app.context / "huge.bin").open("wb") as file:
        file.write(b"\x7fELF\0[bold]")
        file.seek(3 << 30)
        file.write(b"the end")
    seen: list[int] = []
    monkeypatch.setattr(HexRows, "read", lambda self, chunk, read=HexRows.read: seen.append(chunk) or read(self, chunk))
    async with running(app, (80, 24), built=False) as pilot:
        app.post_message(OpenFile("huge.bin"))
        await until(pilot, lambda: "00000000  7f 45 4c 46 00 5b 62 6f  6c 64 5d" in screen_text(app), "its first bytes")
        assert ".ELF.[bold]" in screen_text(app)
        view = app.screen.query_one(RowsOfFile)
        assert "3.22GB · bytes in hex · 201,326,593 rows" in str(view.border_subtitle)
        await pilot.press("G")
        await until(pilot, lambda: "c0000000  74 68 65 20 65 6e 64" in screen_text(app), "its last bytes")
        assert len(set(seen)) < 5
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, FileViewer), "it is closed")
        await until(pilot, lambda: view.rows is not None and view.rows._closed, "the file is let go")


@pytest.mark.slow
async def test_a_large_text_is_read_and_searched(tmp_path: Path) -> None:
    app = make_app(make_context(tmp_path / "lab"), watch=False)
    (app.context / "log.txt").write_text("".join(f"{number:>9} \t[red]é\n" for number in range(300_000)))
    async with running(app, (80, 24), built=False) as pilot:
        app.post_message(OpenFile("log.txt"))
        await until(pilot, lambda: "0       [red]é" in screen_text(app), "its first lines")
        view = app.screen.query_one(RowsOfFile)
        await until(pilot, lambda: view.row_count == 300_000, "all lines are counted")
        await pilot.press("slash", *"299111", "enter")
        await until(pilot, lambda: view.cursor == 299_111 and "299111" in screen_text(app), "what was searched")
        await pilot.press("right")
        assert "  299111" not in screen_text(app)
