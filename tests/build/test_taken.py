"""Which paths of a context steps take: what is not taken for certain is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.build.taken import taken_by, takers
from workbench.dockerfile import parse


@pytest.mark.parametrize(
    ("text", "taken", "left"),
    [
        ("FROM scratch\nCOPY src /\n", ["src", "src/a", "src/b/c"], ["srcs", "a", "Dockerfile"]),
        ("FROM scratch\nCOPY ./src/../lib/ /\n", ["lib/a"], ["src/a"]),
        ("FROM scratch\nCOPY /a.txt b/c /\n", ["a.txt", "b", "b/c", "b/c/d"], ["b/d", "a"]),
        ("FROM scratch\nADD *.py sub/?x /\n", ["a.py", "a.py/x", "sub/ax", "sub"], ["a.txt", "sub/abx", "x/a.py"]),
        ("FROM scratch\nCOPY . /\n", ["a", "Dockerfile"], []),
        ("FROM scratch\nCOPY [ab].txt /\n", ["a.txt", "c.txt"], ["d/e"][:0]),
        ("FROM scratch\nARG X\nCOPY $X /\n", ["a"], []),
        ("FROM scratch\nADD https://host/x /x\n", [], ["x", "https:"]),
        ("FROM scratch\nCOPY <<E /x\nE\n", [], ["x", "<<E"]),
        ("FROM scratch\nRUN --mount=type=bind,source=lib,target=/l x\n", ["lib/a"], ["src"]),
        ("FROM scratch\nRUN --mount=target=/l x\n", ["anything"], []),
        ("FROM scratch\nRUN --mount=type=cache,target=/l x\n", [], ["l"]),
        ("FROM scratch AS a\nFROM scratch\nCOPY --from=a /x /y\n", [], ["x", "y"]),
        ("FROM scratch\nONBUILD COPY later /\n", ["later"], ["src"]),
        ("FROM scratch\nCOPY --exclude=*.md --exclude=docs src /\n", ["src", "src/a", "src/d/b.md"],
         ["src/a.md", "src/docs", "src/docs/x", "a"]),
        ("FROM scratch\nCOPY --exclude=**/*.md . /\n", ["a", "d", "d/a"], ["a.md", "d/e/a.md"]),
        ("FROM scratch\nCOPY --exclude=docs --exclude=!docs/x . /\n", ["docs", "docs/x"], ["docs/y"]),
        ("FROM scratch\nCOPY --exclude=*.md *.md /\n", ["a.md"], ["a"]),
        ("FROM scratch\nARG X\nCOPY --exclude=$X src /\n", ["src/a"], ["a"]),
        ("FROM scratch\nCOPY --exclude=[ src /\n", ["src/["], ["a"]),
        ("FROM scratch\nCOPY --parents --exclude=src/b src /\n", ["src/a", "src/a/b"], ["src/b", "b"]),
        ("FROM scratch\nCOPY --parents --exclude=b src/./c /\n", ["src/c/b"], ["src/d"]),
        ("FROM scratch\nCOPY --parents **/*.py /\n", ["a.py", "a/b/c.py"], []),
        ("# syntax=other/frontend\nFROM scratch\n", ["a"], []),
        ("FROM oci:./layout:x\n", ["layout/index.json"], []),
    ],
)  # fmt: skip
def test_what_steps_take(text: str, taken: list[str], left: list[str], tmp_path: Path) -> None:
    found = taken_by(parse(text), tmp_path)
    assert [path for path in (*taken, *left) if found.takes(path)] == taken


def test_only_the_stages_of_the_target_count(tmp_path: Path) -> None:
    text = (
        "FROM scratch AS one\nCOPY a /\nFROM scratch AS two\nCOPY b /\n"
        "FROM two AS three\nCOPY c /\nFROM one\nCOPY d /\n"
    )
    dockerfile = parse(text)
    needed = taken_by(dockerfile, tmp_path, target="three")
    assert [path for path in "abcd" if needed.takes(path)] == ["b", "c"]
    classic = taken_by(dockerfile, tmp_path, target="three", every_stage=True)
    assert [path for path in "abcd" if classic.takes(path)] == ["a", "b", "c"]


@pytest.mark.parametrize("base", ["FROM for-$TARGETARCH", "FROM ${BASE}"])
def test_of_stages_that_a_platform_chooses_all_count(base: str, tmp_path: Path) -> None:
    """An engine elsewhere may have another platform than this machine."""
    text = (
        "ARG BASE=for-${TARGETARCH}\nFROM scratch AS for-amd64\nCOPY a /\nFROM scratch AS for-arm64\nCOPY b /\n"
        f"{base}\nCOPY c /\nFROM scratch AS later\nCOPY d /\nFROM {base.split()[1]}\n"
    )
    taken = taken_by(parse(text), tmp_path)
    assert all(taken.takes(path) for path in "abcd")
    assert not taken.takes("e")


def test_links_are_taken_with_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "a.txt").symlink_to("real/x")
    (tmp_path / "out").symlink_to("/etc")
    assert taken_by(parse("FROM scratch\nCOPY link/x /\n"), tmp_path).takes("real/x")
    assert taken_by(parse("FROM scratch\nCOPY *.txt /\n"), tmp_path).takes("real/x")
    assert not taken_by(parse("FROM scratch\nCOPY out /\n"), tmp_path).takes("real/x")


def test_bases_are_named_with_their_variables_filled_in(tmp_path: Path) -> None:
    text = "ARG V=1\nFROM base:$V AS a\nFROM a\nFROM scratch\nCOPY --from=1 / /\n"
    assert taken_by(parse(text), tmp_path, build_args={"V": "2"}).bases == {"base:2"}


def test_each_instruction_that_takes_something_and_what(tmp_path: Path) -> None:
    text = "FROM scratch\nCOPY --exclude=*.md . /\nRUN x\nADD README.md /\nCOPY --from=0 / /\n"
    found = takers(parse(text), tmp_path)
    assert [(it.line, it.taken.takes("README.md"), it.taken.takes("a")) for it in found] == [
        (2, False, True),
        (4, True, False),
    ]
