"""What holds for any text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.dockerfile import Dockerfile, DockerfileError, Node, WordError, expand, parse, process_word
from workbench.dockerfile.arguments import KEYWORDS
from workbench.dockerfile.lint import check
from workbench.dockerfile.tokens import KINDS, tokens

_PIECES = st.sampled_from(
    [
        *(keyword.upper() + " " for keyword in KEYWORDS),
        *("from ", "FROM a AS b\n", "--from=b ", "--mount=type=cache,target=/x ", "--interval=5s ", "--x"),
        *("\n", "\n", "\r\n", "\\\n", "`\n", "# ", "# escape=`\n", "\ufeff", "\t", " ", "  ", "\x85", "\x1c", "\0"),
        *("<<EOF ", "<<-'E' ", "\nEOF\n", "\nE\n", "[", "]", '"', "'", ",", '["a", "b"]', "\\", "`", "=", "$", "${"),
        *("${a:-", "${a#*", "${a/b/", "}", "$a", "a", "b=c", "é", "中", "\U0001f600", "\ud800", "80/TCP", "CMD x"),
    ]
)
_TEXTS = st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=60)
_FILES = _TEXTS.map(lambda text: "FROM a\n" + text)


def inside(text: str, node: Node) -> None:
    lines = text.split("\n")
    place = node.range
    assert 1 <= place.start_line <= place.end_line <= len(lines)
    assert 1 <= place.start_column <= len(lines[place.start_line - 1]) + 1
    assert 1 <= place.end_column <= len(lines[place.end_line - 1]) + 1
    assert (place.start_line, place.start_column) < (place.end_line, place.end_column)
    for offset, character in enumerate(node.original):
        line, column = node.position(offset)
        assert lines[line - 1][column - 1] == character


def understood(text: str) -> Dockerfile | None:
    try:
        return parse(text)
    except DockerfileError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        assert error.column >= 1
        assert error.column <= len(text.split("\n")[error.line - 1]) + 1
        return None


@settings(max_examples=400, deadline=None)
@given(_TEXTS | _FILES)
def test_parse_raises_only_its_own_error_and_places_lie_in_order(text: str) -> None:
    dockerfile = understood(text)
    if dockerfile is None:
        return
    for node in dockerfile.nodes:
        inside(text, node)
        if node.child is not None:
            inside(text, node.child)
    ends = [(it.range.end_line, it.range.end_column) for it in dockerfile.nodes]
    starts = [(it.range.start_line, it.range.start_column) for it in dockerfile.nodes]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    for diagnostic in check(dockerfile, options="experimental=all"):
        assert 1 <= diagnostic.range.start_line <= text.count("\n") + 1
    for instruction in dockerfile:
        try:
            expand(instruction, {"a": "x y"}, dockerfile.escape)
        except DockerfileError as error:
            assert instruction.line <= error.line <= instruction.end_line


@settings(max_examples=400, deadline=None)
@given(_TEXTS | _FILES)
def test_tokens_never_raise_and_never_overlap(text: str) -> None:
    lines = text.split("\n")
    before = (0, 0)
    for token in tokens(text):
        assert token.kind in KINDS
        assert before <= (token.line, token.start_column)
        assert token.start_column < token.end_column <= len(lines[token.line - 1]) + 1
        before = (token.line, token.end_column)


@settings(max_examples=300, deadline=None)
@given(_TEXTS)
def test_words_raise_only_their_own_error(text: str) -> None:
    try:
        process_word(text, {"a": "bcb"})
    except WordError as error:
        assert str(error)
