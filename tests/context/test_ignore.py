"""The rules of `.dockerignore`, against moby/patternmatcher's own tables and one sentence each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.context.ignore import Decision, IgnoreRules, load_rules, read_patterns
from workbench.context.pattern import BadPattern, check_syntax, python_regexp, translate
from workbench.errors import InputError


def test_patternmatcher_tables(conformance: Path) -> None:
    cases = json.loads((conformance / "patternmatcher.json").read_text())["cases"]
    wrong = []
    for case in cases:
        if case["mode"] == "compile":
            kind, regexp = translate(case["patterns"][0])
            found: object = {"matchType": f"{kind}Match", "regexp": regexp or None}
        else:
            try:
                found = IgnoreRules(case["patterns"]).decide(case["path"]).excluded
            except InputError:
                found = "error"
        if found != ("error" if case["error"] else case["expected"]):
            wrong.append((case, found))
    assert len(cases) == 159
    assert not wrong


def test_ignore_file_table(conformance: Path) -> None:
    for case in json.loads((conformance / "patternmatcher.json").read_text())["ignorefile"]:
        assert [pattern for pattern, _ in read_patterns(case["content"])] == case["expected"]


def test_the_file_format() -> None:
    text = "\ufeff# not here\n  # but this is a name\r\n\n/a//b/../c/\n\t*.log \n! /keep.log\n"
    rules = IgnoreRules.parse(text)
    assert [(str(rule), rule.line) for rule in rules] == [
        ("# but this is a name", 2),
        ("a/c", 4),
        ("*.log", 5),
        ("!keep.log", 6),
    ]
    assert {rule.source for rule in rules} == {".dockerignore"}


@pytest.mark.parametrize(
    ("path", "excluded", "line"),
    [
        ("README.md", False, 3),
        ("CHANGES.md", True, 1),
        ("src/a.md", False, None),
        ("docs", True, 2),
        ("docs/deep/er/x", True, 2),
        ("docs/keep/x", False, 4),
        ("docs/keep/x/secret.key", True, 5),
        ("./docs//keep/../x", True, 2),
        (".", False, None),
    ],
)
def test_the_last_matching_line_decides(path: str, excluded: bool, line: int | None) -> None:
    rules = IgnoreRules.parse("*.md\ndocs\n!README.md\n!docs/keep\n**/*.key\n")
    decision = rules.decide(path)
    assert decision.excluded is excluded
    assert (decision.rule.line if decision.rule else None) == line


def test_without_rules_everything_is_sent() -> None:
    assert IgnoreRules().decide("any/path") == Decision(False, None)


@pytest.mark.parametrize("text", ["!", "!/", "ok\n[", "[]a]", "a\\", "[-x]", "[z-a]", "a\\q", "[[:nonsense:]]"])
def test_a_malformed_pattern_is_named_with_its_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        IgnoreRules.parse(text)
    assert str(caught.value).startswith(f".dockerignore:{text.count(chr(10)) + 1}: ")
    assert caught.value.hint


def test_a_malformed_pattern_without_a_file() -> None:
    with pytest.raises(InputError):
        IgnoreRules(["ok", "["])


@pytest.mark.parametrize(
    ("pattern", "path", "excluded"),
    [
        ("[!a]", "b", False),
        ("[!a]", "!", True),
        ("a[^b]c", "a/c", True),
        ("v\\d", "v7", True),
        ("v\\d", "vd", False),
        ("v\\D", "vd", True),
        ("[\\w]x", "_x", True),
        ("[[:alpha:]]", "q", True),
        ("[[:alpha:]]", "7", False),
        ("x\\Qy", "xy", True),
        ("\\x41", "A", True),
        ("\\101", "A", True),
        ("a^b", "a^b", True),
        ("a^b?", "a^bc", False),
        ("*", "line\nbreak", True),
        ("**/*.txt", "a\nb/x.txt", False),
        ("**/x", "a\nb/x", True),
        ("fo?", "fo\udcff", True),
        ("\u00e9*", "\u00e9t\u00e9", True),
        ("[*]", "^]", True),
    ],
)
def test_quirks_of_go(pattern: str, path: str, excluded: bool) -> None:
    assert IgnoreRules([pattern]).decide(path).excluded is excluded


@pytest.mark.parametrize("regexp", ["^\\8$", "^\\1$", "^[a\\$", "^[b-a]$", "^\\x4$"])
def test_what_go_cannot_compile_is_refused(regexp: str) -> None:
    with pytest.raises(BadPattern):
        python_regexp(regexp)


def test_a_class_must_be_closed() -> None:
    with pytest.raises(BadPattern, match="not closed"):
        check_syntax("ab[c")


@pytest.mark.parametrize(
    ("lines", "directory", "may"),
    [
        (["a"], "a", False),
        (["a", "!a/b"], "a", True),
        (["a", "!a/b"], "a/c", False),
        (["a", "!a/b"], "a/b", True),
        (["a", "!b/c"], "a", False),
        (["!a/b", "a"], "a", False),
        (["a", "!**/keep"], "a/deep/er", True),
        (["*", "!src/**"], "src", True),
        (["*", "!src/**"], "docs", False),
        (["*", "!s*c/*/x"], "src/one", True),
        (["*", "!s*c/*/x"], "src/one/two", False),
        (["*", "!a[/]b"], "a", True),
        (["*", "!a[/]b"], "b", False),
        (["docs"], "src", True),
    ],
)
def test_pruning(lines: list[str], directory: str, may: bool) -> None:
    assert IgnoreRules(lines).may_include_below(directory) is may


def test_the_ignore_file_beside_the_dockerfile_wins(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "docker/Dev.dockerignore").write_text("b\n")
    assert [str(rule) for rule in load_rules(tmp_path, "Dockerfile")] == ["a"]
    rules = load_rules(tmp_path, "docker/Dev")
    assert [(str(rule), rule.line, rule.source) for rule in rules] == [("b", 1, "docker/Dev.dockerignore")]
    assert rules.build_files == ("docker/Dev", ".dockerignore")


def test_a_dockerfile_outside_the_context(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (tmp_path / "Dockerfile.dockerignore").write_text("b\n")
    rules = load_rules(context, tmp_path / "Dockerfile")
    assert [rule.source for rule in rules] == [str(tmp_path / "Dockerfile.dockerignore")]
    assert rules.build_files == (".dockerignore",)


def test_no_ignore_file_excludes_nothing(tmp_path: Path) -> None:
    assert len(load_rules(tmp_path)) == 0


def test_an_ignore_file_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").mkdir()
    with pytest.raises(InputError, match="dockerignore: Is a directory"):
        load_rules(tmp_path)
