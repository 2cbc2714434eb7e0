"""Variable expansion beyond the shared rows: the names that were used, splitting, limits."""

from __future__ import annotations

import pytest

from workbench.dockerfile import WordError, process_word, process_words
from workbench.dockerfile.words import Lexer, process

ENV = {"a": "1", "empty": "", "path": "/x/y.tar.gz", "spaced": " p  q "}


def test_names_used() -> None:
    words = process("$a-${b:-$c}-'$d'-\\$e-${empty:+$f}", ENV)
    assert words.text == "1--$d-$e-"
    assert words.matched == {"a", "empty"}
    assert words.unmatched == {"b", "c", "f"}
    assert words.used == {"a", "b", "c", "empty", "f"}


def test_a_function_as_environment() -> None:
    assert process_word("$x$y", lambda name: "1" if name == "x" else None) == "1"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("${path##*/}", "y.tar.gz"),
        ("${path%.*}", "/x/y.tar"),
        ("${path%%.*}", "/x/y"),
        ("${path/y/$a}", "/x/1.tar.gz"),
        ("${path//[xyz]/-}", "/x/y.tar.gz"),
        ("${path//./_}", "/x/y_tar_gz"),
        ("${path//*/q}", "q"),
        ("${path//\\//:}", ":x:y.tar.gz"),
        ("${path//y/\\$0\\$1}", "/x/\\y\\.tar.gz"),
        ("${b:-x y}", "x y"),
        ("<$a<<$a", "<1<<1"),
    ],
)
def test_modifiers(word: str, expected: str) -> None:
    assert process_word(word, ENV) == expected


def test_splitting() -> None:
    assert process_words("80${spaced}'a b' c\\ d\t$none", ENV) == ["80", "p", "q", "a b", "c d"]
    assert process_words("pre${b:-x}post", ENV) == ["prexpost"]
    assert process_words("", ENV) == []


def test_other_escape_character() -> None:
    assert process_word("c:\\dir`$a$a", ENV, "`") == "c:\\dir$a1"


def test_messages() -> None:
    with pytest.raises(WordError, match="nope: is not allowed to be unset"):
        process_word("${nope?}", ENV)
    with pytest.raises(WordError, match="empty: say it"):
        process_word("${empty:?say it}", ENV)
    with pytest.raises(WordError, match="unsupported modifier"):
        process_word("${a^}", ENV)
    with pytest.raises(WordError, match="invalid pattern"):
        process_word("${a#\\x}", ENV)


def test_nesting_has_an_end() -> None:
    assert process_word("${x:-" * 50 + "y" + "}" * 50, {}) == "y"
    with pytest.raises(WordError):
        process_word("${x:-" * 5000 + "y" + "}" * 5000, {})


def test_documents_keep_their_quotes() -> None:
    assert Lexer(plain_quotes=True).process('it\'s "$a"', ENV).text == 'it\'s "1"'
