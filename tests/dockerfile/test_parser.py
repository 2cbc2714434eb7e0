"""Lines to nodes: places, comments, continuations, directives, heredocs, and text that is no Dockerfile."""

from __future__ import annotations

import pytest

from workbench.dockerfile import DockerfileError, Range, decode, parse
from workbench.dockerfile.parser import parse_tree


def refused(text: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        parse(text, path="ctx/Dockerfile")
    return caught.value


def test_places_over_continuations_and_comments() -> None:
    node = parse_tree("# top\n\n  RUN one \\\n  # between\n\n   two \\\n three  \n").nodes[0]
    assert node.range == Range(3, 3, 7, 9)
    assert node.original == "RUN one    two  three  "
    assert node.find("two") == Range(6, 4, 6, 7)
    assert node.find("three") == Range(7, 2, 7, 7)
    assert node.comments == ("top",)


def test_an_empty_comment_parts_comments() -> None:
    assert parse_tree("# one\n#\n# two\nRUN x\n").nodes[0].comments == ("two",)


def test_escape_directive() -> None:
    tree = parse_tree("# escape=`\nFROM scratch\nCOPY a `\n  c:\\\nRUN x\n")
    assert tree.escape == "`"
    assert tree.directives == {"escape": "`"}
    assert [node.name for node in tree.nodes] == ["from", "copy", "run"]
    assert tree.nodes[1].args == ("a", "c:\\")


def test_a_directive_after_a_comment_is_a_comment() -> None:
    tree = parse_tree("# hello\n# escape=`\nFROM scratch\n")
    assert tree.escape == "\\"
    assert tree.directives == {}
    assert tree.nodes[0].comments == ("hello", "escape=`")


def test_directive_mistakes() -> None:
    assert refused("# escape=\\\n# escape=`\nFROM a\n").line == 2
    error = refused("# escape=x\nFROM a\n")
    assert "invalid escape token 'x'" in error.message


def test_syntax_and_check_directives() -> None:
    dockerfile = parse("# Syntax = docker/dockerfile:1 # x\n#check=skip=all\nFROM a\n")
    assert dockerfile.syntax == "docker/dockerfile:1"
    assert dockerfile.directives["check"] == "skip=all"


def test_byte_order_mark_and_windows_line_ends() -> None:
    dockerfile = parse("\ufeffFROM a\r\nRUN one \\\r\n two\r\nCOPY <<E /x\r\nline\r\nE\r\n")
    assert [it.line for it in dockerfile] == [1, 2, 4]
    assert dockerfile.nodes[0].range == Range(1, 2, 1, 8)
    assert dockerfile.nodes[1].original == "RUN one  two"
    assert dockerfile.nodes[2].heredocs[0].content == "line\r\n"
    assert dockerfile.nodes[2].range == Range(4, 1, 6, 2)


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n# comments\n", "\ufeff", "   \n\t\n"])
def test_no_instructions(text: str) -> None:
    error = refused(text)
    assert error.message == "file with no instructions"
    assert error.hint


def test_no_from() -> None:
    assert "no stages to build" in refused("ARG x=1\n").message
    error = refused("ARG x=1\n  RUN true\nFROM a\n")
    assert (error.line, error.column) == (2, 3)
    assert "no build stage in current context" in error.message


def test_errors_name_file_line_and_column() -> None:
    error = refused("FROM a\n\n  FORM b\n")
    assert str(error) == "ctx/Dockerfile:3:3: unknown instruction: FORM (did you mean FROM?)"
    error = refused("FROM a\nRUN true \\\n --not-a-flag\nCOPY --fro=x a b\n")
    assert (error.line, error.column) == (4, 6)
    assert error.message == "unknown flag: --fro (did you mean from?)"


def test_arguments_in_the_wrong_form() -> None:
    error = refused("FROM a\nENV a=b \\\n  c\n")
    assert 'can\'t find = in "c"' in error.message
    assert error.line == 2


def test_heredocs() -> None:
    text = "FROM a\nCOPY <<one <<-'two' /d/\na $x\none\n\tb $x\n\ttwo\nRUN cat <<3 | x\n3\n"
    node = parse(text).nodes[1]
    assert [(it.name, it.content, it.expand, it.chomp) for it in node.heredocs] == [
        ("one", "a $x\n", True, False),
        ("two", "\tb $x\n", False, True),
    ]
    assert node.heredocs[1].text == "b $x\n"
    assert node.heredocs[0].range == Range(3, 1, 4, 4)
    assert node.range == Range(2, 1, 6, 5)


def test_heredoc_that_never_ends() -> None:
    error = refused("FROM a\nRUN x <<EOF\nfoo\n")
    assert (error.line, error.column, error.message) == (2, 7, "unterminated heredoc")
    assert "EOF" in error.hint


def test_not_a_heredoc() -> None:
    nodes = parse('FROM a\nRUN ["x", "<<EOF"]\nCMD <<EOF\nRUN echo "<<EOF" \'<<EOF\'\nRUN a << b << c\nb\nc\n').nodes
    assert [len(node.heredocs) for node in nodes] == [0, 0, 0, 0, 2]


def test_bytes() -> None:
    assert decode("FROM ä\n".encode()) == "FROM ä\n"
    with pytest.raises(DockerfileError) as caught:
        decode(b"FROM a\nRUN \xff\n", path="D")
    assert str(caught.value) == "D:2:5: byte 0xff is not UTF-8"
    with pytest.raises(DockerfileError, match="UTF-16"):
        decode("FROM a".encode("utf-16"))
    error = refused(b"FROM a\nRUN \xff\n".decode("utf-8", "surrogateescape"))
    assert (error.line, error.column) == (2, 5)


def test_json_that_goes_deep_or_wide() -> None:
    assert "strings only" in refused("FROM a\nCMD " + "[" * 30000 + "]" * 30000 + "\n").message
    assert parse("FROM a\nCMD [NaN]\n").nodes[1].args == ("[NaN]",)
    assert parse('FROM a\nCMD ["\\ud800"]\n').nodes[1].args == ("\ufffd",)
    assert parse("FROM a\nCMD [" + "9" * 5000 + "]\n").nodes[1].json is False


def test_onbuild_in_onbuild_without_end() -> None:
    assert "ONBUILD ONBUILD" in refused("FROM a\n" + "ONBUILD " * 5000 + "RUN x\n").message
