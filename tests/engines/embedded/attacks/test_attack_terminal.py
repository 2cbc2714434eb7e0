"""Text of strangers on the terminal: none of it moves the cursor, sets title or clipboard, or answers for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from attack_tools import Outside
from builds import Builder
from rich.markup import escape

from workbench.build.text import clean, one_line

ATTACKS = {
    "CVE-2003-0063-title": r"\033]0;pwned\007",
    "title-asked-for": r"\033[21t",
    "clipboard": r"\033]52;c;cHduZWQ=\007",
    "clipboard-st": r"\033]52;c;cHduZWQ=\033\\",
    "CVE-2019-9535-control-mode": r"\033P1000p%%begin 1 1 1\012",
    "CVE-2022-45872-decrqss": r"\033P$q;\012\033\\",
    "CVE-2008-2383-decrqss": r"\033P$qm\033\\",
    "answerback": r"\005",
    "device-status": r"\033[6n\033[c",
    "cursor-up-and-over": r"\033[A\033[2K\rSuccessfully built",
    "erase": r"\033[2J\033[3J\033c",
    "alternate-screen": r"\033[?1049h\033[?1000h",
    "c1-csi": r"\302\2332J",
    "c1-osc": r"\302\2350;pwned\302\234",
    "raw-c1": r"\2332J\2350;x\007",
    "link": r"\033]8;;http://x\007text\033]8;;\007",
    "image": r"\033]1337;File=inline=1:AAAA\007",
    "sixel": r"\033Pq#0;2;0;0;0#0~~\033\\",
    "unfinished": r"\033]0;never ends",
    "backspaces": r"ok\010\010\010pwned",
    "CVE-2021-42574-direction": r"\342\200\256gnp.exe\342\201\246",
    "bells": r"\007\007\007",
    "charset": r"\033(0\016",
    "nul": r"a\000b",
}


def harmless(output: str) -> None:
    """No control character but newline and tab, no override of direction."""
    bad = {c for c in output if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066"}
    assert not bad


def workbench(build: Builder, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *map(str, words), "--engine", "embedded", "--root", str(build.store.root)],
        capture_output=True, text=True, errors="surrogateescape", stdin=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("progress", ["plain", "json"])
def test_output_of_a_build(build: Builder, progress: str) -> None:
    """All of them on stdout and stderr of commands, in the text of an instruction, in names and in an error."""
    echo = "".join(f"printf '{attack}\\n'; printf '{attack}' >&2; " for attack in ATTACKS.values())
    labels = ""
    for number, attack in enumerate(ATTACKS.values()):
        if not any(code in attack for code in (r"\000", r"\012", r"\r")):
            value = attack.encode().decode("unicode_escape").rstrip("\\")
            labels += f'LABEL a{number}="x{value}"\n'
    text = f"FROM busybox\n{labels}RUN {echo} true\nCOPY d\x1b]0;x\x07 /x\n"
    build.put({"Dockerfile": text, "d/\x1b]52;c;eA==\x07": ""})
    done = workbench(build, "build", "--no-cache", "--progress", progress, build.context)
    assert done.returncode == 1, done.stderr
    harmless(done.stderr)
    harmless(done.stdout)
    if progress == "json":
        assert [json.loads(line)["event"] for line in done.stdout.splitlines()][-1] == "BuildFinished"
    assert "ok" in done.stdout, "the commands were run"


def test_names_in_lists_and_errors(build: Builder, outside: Outside) -> None:
    build.put({"Dockerfile": "FROM \x1b]0;x\x07\nRUN x\n", "\x1b]52;c;eA==\x07": "", "a\nb\u202e": ""})
    for words in (["context", build.context], ["check", build.context], ["build", build.context],
                  ["build", f"{outside.path}/\x1b]0;x\x07"], ["history", "\x1b]0;x\x07"],
                  ["load", "-i", build.context / "\x1b]52;c;eA==\x07"]):  # fmt: skip
        done = workbench(build, *words)
        harmless(done.stderr)
        harmless(done.stdout)
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_what_the_screens_show(name: str) -> None:
    """The two functions through which all text of strangers goes before it is on a screen."""
    text = ATTACKS[name].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")
    harmless(clean(text))
    harmless(one_line(text))
    harmless(clean(text, keep_colour=True))
    assert escape(one_line("[@click=app.quit]x[/]")) != "[@click=app.quit]x[/]"


def test_a_config_of_an_image_on_the_terminal(build: Builder, tmp_path: Path) -> None:
    """`inspect` and `history` of an image whose labels, author and commands are attacks."""
    from store_tools import config_of, make_tar, put_layer

    layer = put_layer(build.store, make_tar(("f", b"x")))
    config = config_of(layer, Labels={"\x1b]0;k\x07": "\x1b]52;c;eA==\x07"}, Cmd=["\x1b[2J"])
    config["history"] = [{"created_by": "\x1b]0;x\x07\nRUN x", "comment": "\x9b2J", "author": "\u202ex"}]
    build.store.put_image(config, [layer], tags=["evil:1"])
    for words in (["history", "evil:1"], ["history", "--no-trunc", "evil:1"], ["inspect", "evil:1"], ["images"]):
        done = workbench(build, *words)
        assert done.returncode == 0, done.stderr
        harmless(done.stdout)
        harmless(done.stderr)
