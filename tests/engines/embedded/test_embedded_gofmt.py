"""Go's notations against what Docker 20.10 wrote and what Go's own documentation says."""

from __future__ import annotations

import pytest

from workbench.context.go_match import BadPattern, has_wildcards, matcher
from workbench.engines.embedded.gofmt import duration, quoted, quoted_all, quoted_rune

SECOND = 10**9


def test_quoting() -> None:
    assert quoted('a"b\\c\n\x01é\u200b') == '"a\\"b\\\\c\\n\\x01é\\u200b"'
    assert quoted_all(["/bin/sh", "-c", "echo hi"]) == '["/bin/sh" "-c" "echo hi"]'
    assert (quoted_rune(0), quoted_rune(3), quoted_rune(65), quoted_rune(39)) == ("'\\x00'", "'\\x03'", "'A'", "'\\''")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0s"), (5 * SECOND, "5s"), (90 * SECOND, "1m30s"), (3600 * SECOND, "1h0m0s"), (1_500_000, "1.5ms"),
     (1_500_000_000, "1.5s"), (1, "1ns"), (2_000, "2µs")],
)  # fmt: skip
def test_durations(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    # Rows of Go's path/filepath/match_test.go.
    [("abc", "abc", True), ("*", "abc", True), ("*c", "abc", True), ("a*", "a", True), ("a*", "ab/c", False),
     ("a*/b", "abc/b", True), ("a*/b", "a/c/b", False), ("a*b*c*d*e*/f", "axbxcxdxe/f", True), ("ab[c]", "abc", True),
     ("ab[b-d]", "abc", True), ("ab[e-g]", "abc", False), ("ab[^c]", "abc", False), ("ab[^b-d]", "abc", False),
     ("ab[^e-g]", "abc", True), ("a\\*b", "a*b", True), ("a\\*b", "ab", False), ("a?b", "a☺b", True),
     ("a[^a]b", "a☺b", True), ("a???b", "a☺b", False), ("[a-ζ]*", "α", True), ("*[a-ζ]", "A", False),
     ("a?b", "a/b", False), ("a*b", "a/b", False), ("[\\]a]", "]", True), ("[\\-]", "-", True), ("[x\\-]", "x", True),
     ("[x\\-]", "z", False), ("*x", "xxx", True), ("[d-b]", "c", False)],
)  # fmt: skip
def test_patterns(pattern: str, name: str, matches: bool) -> None:
    assert (matcher(pattern).fullmatch(name) is not None) is matches


@pytest.mark.parametrize("pattern", ["[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a["])
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(BadPattern):
        matcher(pattern)


def test_what_is_a_pattern() -> None:
    assert has_wildcards("a*") and has_wildcards("[a]") and has_wildcards("?")
    assert not has_wildcards("a\\*b") and not has_wildcards("plain")
