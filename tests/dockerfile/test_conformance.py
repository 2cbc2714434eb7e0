"""The parser and the shell lexer against BuildKit's own test data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.dockerfile import DockerfileError, Node, WordError, parse, process_word, process_words
from workbench.dockerfile.arguments import ArgumentError, parse_json
from workbench.dockerfile.parser import parse_tree

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\0": "\\x00"}


def quoted(text: str) -> str:
    """Go's `strconv.Quote`, as far as the dumps need it."""
    return '"' + "".join(_ESCAPES.get(it, "\\" + it if it in '"\\' else it) for it in text) + '"'


def dump(node: Node) -> str:
    """BuildKit's `Node.Dump`."""
    head = node.name
    if node.flags:
        head += " [" + " ".join(map(quoted, node.flags)) + "]"
    if node.child is not None:
        return f"{head} ({dump(node.child)})"
    return " ".join([head, *map(quoted, node.args)])


@pytest.fixture(scope="module")
def folder(conformance: Path) -> Path:
    return conformance / "buildkit-parser"


@pytest.fixture(scope="module")
def extra(folder: Path) -> dict:
    return json.loads((folder / "extra.json").read_text())


def test_every_tree_is_buildkits(folder: Path) -> None:
    cases = sorted((folder / "testfiles").iterdir())
    assert len(cases) == 33
    for case in cases:
        tree = parse_tree((case / "Dockerfile").read_bytes().decode())
        got = "\n".join(f"({dump(node)})" for node in tree.nodes)
        assert got == (case / "result").read_text().strip(), case.name


def test_what_buildkit_refuses_is_refused(folder: Path) -> None:
    cases = sorted((folder / "testfiles-negative").iterdir())
    assert len(cases) == 4
    for case in cases:
        with pytest.raises(DockerfileError):
            parse_tree((case / "Dockerfile").read_text())


def test_lines(folder: Path, extra: dict) -> None:
    info = extra["lineInfo"]
    nodes = parse_tree((folder.parent / "buildkit-parser" / "testfile-line" / "Dockerfile").read_text()).nodes
    assert [[node.line, node.end_line] for node in nodes] == info["children"]
    assert (nodes[0].line, nodes[-1].end_line) == (info["start"], info["end"])


def test_json_arrays(extra: dict) -> None:
    for text, values in extra["jsonArrays"]["valid"]:
        assert parse_json(text) == tuple(values)
    for text in extra["jsonArrays"]["invalid"]:
        with pytest.raises(ArgumentError, match="comprised of strings only"):
            parse_json(text)


def test_longest_line(extra: dict) -> None:
    fits = extra["maxLine"] - len("LABEL a=")
    parse("FROM scratch\nLABEL a=" + "x" * fits + "\n")
    with pytest.raises(DockerfileError, match="greater than max allowed size of 65535") as caught:
        parse("FROM scratch\nLABEL a=" + "x" * (fits + 1) + "\n")
    assert caught.value.line == 2


def test_instruction_errors(extra: dict) -> None:
    for text, message in extra["instructionErrors"]:
        with pytest.raises(DockerfileError) as caught:
            parse("FROM scratch\n" + text)
        assert message in caught.value.message
        assert caught.value.line == 2


def test_shell_words(conformance: Path) -> None:
    rows = [json.loads(line) for line in (conformance / "shell-words.jsonl").read_text().splitlines()]
    assert len(rows) == 252
    for row in rows:
        expand = process_word if row["func"] == "ProcessWord" else process_words
        if row["error"]:
            with pytest.raises(WordError):
                expand(row["input"], row["env"])
        else:
            assert expand(row["input"], row["env"]) == row["expected"], row["id"]
