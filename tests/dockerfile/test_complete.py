"""Completion: what is offered where, and what it replaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.dockerfile.complete import complete
from workbench.dockerfile.surroundings import Surroundings

PATHS = ("app/", "app/main.py", "app/src/", "app/src/x.c", "api.md", "README.md")
AROUND = Surroundings(paths=lambda: PATHS, images=("alpine:3", "base-of:all"))


def offered(text: str) -> list[str]:
    """At the bar."""
    before, _, after = text.partition("|")
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return [it.text for it in complete(before + after, line, column, AROUND)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("|", 18),
        ("FROM a\nCO|", ["COPY"]),
        ("from a\nco|", ["copy"]),
        ("FROM a\nONBUILD CO|", ["COPY"]),
        ("FROM a\n# CO|", []),
        ("FROM --|", ["--platform="]),
        ("FROM a\nCOPY --ch|", ["--chmod=", "--chown="]),
        ("FROM a\nCOPY --l|", ["--link"]),
        ("FROM a\nRUN x --l|", []),
        ("FROM a\nRUN \\\n  --netw|", ["--network="]),
        ("FROM a\nRUN --network=n|", ["none"]),
        ("FROM a\nRUN --mount=type=s|", ["type=secret", "type=ssh"]),
        ("FROM a AS base\nFROM b AS build\nFROM b|", ["base", "build", "base-of:all"]),
        ("FROM a A|", ["AS"]),
        ("FROM a\nHEALTHCHECK --retries=1 |", ["CMD", "NONE"]),
        ("FROM a\nCOPY --from=al|", ["alpine:3"]),
        ("FROM a\nRUN --mount=type=cache,sh|", ["sharing="]),
        ("FROM a\nRUN --mount=type=cache,sharing=l|", ["locked"]),
        ("FROM a\nRUN --mount=type=bind,source=app/m|", ["app/main.py"]),
        ("FROM a\nARG one\nRUN <<EOF\nCO|\nEOF", []),
        ("FROM a\nARG one\nRUN <<EOF\necho $|\nEOF", ["one"]),
        ("FROM a\nARG one\nRUN <<'EOF'\necho $|\nEOF", []),
        ("FROM a AS base\nFROM b\nCOPY --from=|", ["base", "alpine:3", "base-of:all"]),
        ("FROM a AS base\nFROM b\nRUN --mount=type=bind,from=b|", ["base", "base-of:all"]),
        ("ARG V=1\nFROM a:$|", 12),
        ("ARG V=1\nFROM a:${V|", []),
        ("ARG VERSION=1\nFROM a:${V|", ["VERSION"]),
        ("FROM a\nARG one two=2\nENV three=3 four=4\nENV five x\nCOPY $|", ["one", "two", "three", "four", "five"]),
        ("FROM a\nCOPY ap|", ["app/", "api.md"]),
        ("FROM a\nCOPY ./ap|", ["app/", "api.md"]),
        ("FROM a\nCOPY app/|", ["app/main.py", "app/src/"]),
        ("FROM a\nADD app/src/|", ["app/src/x.c"]),
        ("FROM a\nCOPY --from=b ap|", []),
        ("FROM a\nWORKDIR ap|", []),
    ],
)
def test_what_is_offered(text: str, wanted: list[str] | int) -> None:
    found = offered(text)
    assert (len(found) if isinstance(wanted, int) else found) == wanted


def test_what_a_candidate_replaces() -> None:
    (one,) = complete("FROM a\nCOPY --li x", 2, 10)
    assert one == ("--link", "flag", 4)


@given(st.text(alphabet="FROMCPY \n\\$-=/{}#ab", max_size=80), st.integers(-1, 9), st.integers(-1, 80))
def test_any_text_at_any_place(text: str, line: int, column: int) -> None:
    for it in complete(text, line, column, AROUND):
        assert 0 <= it.replaces < max(1, column)
