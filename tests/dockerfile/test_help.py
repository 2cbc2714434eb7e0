"""Help for what stands at a place: complete, and the right one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.dockerfile.arguments import KEYWORDS
from workbench.dockerfile.help import help_at
from workbench.dockerfile.help_texts import DIRECTIVES, INSTRUCTIONS, MOUNTS
from workbench.dockerfile.mounts import TYPES
from workbench.dockerfile.typed import FLAGS


def test_every_instruction_flag_and_mount_has_its_paragraph() -> None:
    assert set(INSTRUCTIONS) == {it.lower() for it in KEYWORDS}
    assert set(MOUNTS) == set(TYPES)
    for keyword, flags in FLAGS.items():
        for flag in flags:
            found = help_at(f"{keyword} --{flag}", 1, len(keyword) + 4)
            assert found is not None and found.syntax == f"{keyword.upper()} --{flag}"
    for syntax, text in INSTRUCTIONS.values():
        assert syntax and len(text) < 400 and text.endswith(".")


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("FR|OM a", "FROM "),
        ("FROM a\nRUN x \\\n  && |y", "RUN "),
        ("FROM a\nRUN --mount=type=ca|che,target=/x y", "RUN --mount=type=cache,"),
        ("FROM a\nRUN --mount=target=/|x y", "RUN --mount=type=bind,"),
        ("FROM a\nONBUILD CO|PY --link a b", "COPY "),
        ("FROM a\nON|BUILD COPY a b", "ONBUILD "),
        ("FROM a\nADD --li|nk a b", "ADD --link"),
        ("FROM a\nADD --fr|om=b a b", "ADD "),
        ("# syn|tax=docker/dockerfile:1", "# syntax="),
        ("FROM a\n# wo|rds", None),
        ("FROM a\nRUN <<EOF\nCO|PY a b\nEOF", None),
        ("FROM a\nNONSENSE |x", None),
        ("FROM a\n|", None),
    ],
)
def test_what_is_said(text: str, syntax: str | None) -> None:
    before, _, after = text.partition("|")
    line = before.count("\n") + 1
    found = help_at(before + after, line, len(before) - (before.rfind("\n") + 1) + 1)
    assert (found is None) if syntax is None else (found is not None and found.syntax.startswith(syntax))


@given(st.text(alphabet="RUNADCOPY \n\\-=#mounty,<E", max_size=60), st.integers(-1, 6), st.integers(-1, 40))
def test_any_text(text: str, line: int, column: int) -> None:
    found = help_at(text, line, column)
    assert found is None or (found.syntax and found.text)


def test_directives() -> None:
    assert all(help_at(f"# {name}=x", 1, 3) is not None for name in DIRECTIVES)
