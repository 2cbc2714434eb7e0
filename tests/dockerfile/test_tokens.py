"""What is highlighted as what."""

from __future__ import annotations

from workbench.dockerfile.tokens import tokens


def shown(text: str) -> list[tuple[str, str]]:
    lines = text.split("\n")
    return [(it.kind, lines[it.line - 1][it.start_column - 1 : it.end_column - 1]) for it in tokens(text)]


def test_directives_and_comments() -> None:
    assert shown("# escape=`\n# escape=`\n  # x\nRUN a `\n # y\n b") == [
        ("directive", "# escape=`"),
        ("error", "# escape=`"),
        ("comment", "# x"),
        ("keyword", "RUN"),
        ("operator", "`"),
        ("comment", "# y"),
    ]


def test_stages() -> None:
    text = "FROM --platform=$P alpine:3 AS build\nFROM build\nCOPY --from=build --from=x a b"
    assert shown(text) == [
        ("keyword", "FROM"),
        ("flag", "--platform"),
        ("operator", "="),
        ("variable", "$P"),
        ("keyword", "AS"),
        ("stage", "build"),
        ("keyword", "FROM"),
        ("stage", "build"),
        ("keyword", "COPY"),
        ("flag", "--from"),
        ("operator", "="),
        ("stage", "build"),
        ("flag", "--from"),
        ("operator", "="),
    ]


def test_strings_over_lines() -> None:
    assert shown('RUN echo "a ${b} \\\n c\\" d" && 12') == [
        ("keyword", "RUN"),
        ("string", '"a '),
        ("variable", "${b}"),
        ("string", " "),
        ("operator", "\\"),
        ("string", 'c\\" d"'),
        ("operator", "&&"),
        ("number", "12"),
    ]


def test_documents() -> None:
    assert shown("RUN cat <<A <<-'B'\nx $y\nA\n\tz $y\n\tB\nUSER 1") == [
        ("keyword", "RUN"),
        ("operator", "<<"),
        ("operator", "<<-"),
        ("string", "'B'"),
        ("heredoc", "x "),
        ("variable", "$y"),
        ("operator", "A"),
        ("heredoc", "\tz $y"),
        ("operator", "B"),
        ("keyword", "USER"),
        ("number", "1"),
    ]


def test_broken_text() -> None:
    assert shown('FORM a\nHEALTHCHECK FOO x\nONBUILD RUN "open\nFROM a b c d') == [
        ("error", "FORM"),
        ("keyword", "HEALTHCHECK"),
        ("error", "FOO"),
        ("keyword", "ONBUILD"),
        ("keyword", "RUN"),
        ("string", '"open'),
        ("keyword", "FROM"),
        ("error", "b"),
        ("stage", "c"),
        ("error", "d"),
    ]
