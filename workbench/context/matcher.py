"""A compiled pattern, and what is left of it inside one directory.

A scan does not match whole paths: for each directory it asks every rule once what it says of the names in there
(`Matcher.inside`), and then compares bare names (`NameTests`), most of them by `str` methods.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from workbench.context.pattern import check_syntax, python_regexp, translate


class NameTest(NamedTuple):
    """What one rule says of the entries of one directory. `rank` is the rule's place in its file."""

    rank: int
    how: Literal["all", "name", "start", "end", "regexp", "path"]
    text: str
    """The name, its start, its end, or (regexp, path) a Python expression for the name or the whole path."""


class Matcher:
    """Compares paths with one cleaned pattern, without its `!`. Raises BadPattern when it is malformed."""

    def __init__(self, pattern: str, rank: int) -> None:
        check_syntax(pattern)
        self.pattern = pattern
        self.rank = rank
        self.kind, go = translate(pattern)
        self._regexp = python_regexp(go) if go else None
        self._plain = not any(char in pattern for char in "[\\")
        head, slash, last = pattern.rpartition("/")
        self._head, self._last = head + slash, last
        self._parts = pattern.split("/")
        self._tail: re.Pattern[str] | None = None
        self._above: re.Pattern[str] | None = None
        if self._regexp and self._divides():
            self._tail = python_regexp(translate(last).regexp or f"^{re.escape(last)}$")
            self._above = python_regexp("^" + _head_regexp(self._head) + "$")

    def _divides(self) -> bool:
        """Whether directory and name can be compared apart: no class or escape may match a `/`, and `**` stands
        alone between slashes."""
        return self._plain and "**" not in self._last and all(p == "**" or "**" not in p for p in self._parts)

    def matches(self, path: str) -> bool:
        """Whether the pattern matches this very path (Pattern.match of moby/patternmatcher)."""
        if self._regexp is not None:
            return self._regexp.fullmatch(path) is not None
        if self.kind == "exact":
            return path == self.pattern
        if self.kind == "prefix":
            return path.startswith(self.pattern[:-2])
        suffix = self.pattern[2:]
        return path.endswith(suffix) or (suffix.startswith("/") and path == suffix[1:])

    def reaches_below(self, directory: str) -> bool:
        """False only if no path below `directory` can match."""
        inside = directory + "/"
        if self.kind == "suffix":
            return True
        if not self._plain:
            literal = re.split(r"[*?\[\\]", self.pattern, maxsplit=1)[0]
            return literal.startswith(inside) or inside.startswith(literal)
        for part, name in zip(self._parts, directory.split("/"), strict=False):
            if "**" in part:
                return name.startswith(part[: part.index("*")].partition("?")[0])
            if part != name and not _component(part).fullmatch(name):
                return False
        return len(self._parts) > inside.count("/")

    def inside(self, prefix: str) -> NameTest | None:
        """What this pattern says of the names in the directory `prefix` ("" or ending in a slash), None if nothing."""
        if self.kind == "exact":
            return NameTest(self.rank, "name", self._last) if prefix == self._head else None
        if self.kind == "prefix":
            return self._prefix_inside(prefix)
        if self.kind == "suffix":
            return self._suffix_inside(prefix)
        if self._above is not None and self._tail is not None:
            return self._name_test() if self._above.fullmatch(prefix) else None
        if prefix and not self.reaches_below(prefix[:-1]):
            return None
        assert self._regexp is not None
        return NameTest(self.rank, "path", self._regexp.pattern)

    def _prefix_inside(self, prefix: str) -> NameTest | None:
        start = self.pattern[:-2]
        if prefix.startswith(start):
            return NameTest(self.rank, "all", "")
        rest = start[len(prefix) :]
        return NameTest(self.rank, "start", rest) if start.startswith(prefix) and "/" not in rest else None

    def _suffix_inside(self, prefix: str) -> NameTest | None:
        suffix = self.pattern[2:]
        if not suffix:
            return NameTest(self.rank, "all", "")
        if "/" not in suffix:
            return NameTest(self.rank, "end", suffix)
        if not suffix.startswith("/"):
            head, _, name = suffix.rpartition("/")
            if not prefix.endswith(head + "/"):
                return None
            return NameTest(self.rank, "name", name)
        head = self._head[3:]
        if head and prefix != head and not prefix.endswith("/" + head):
            return None
        return NameTest(self.rank, "name", self._last)

    def _name_test(self) -> NameTest:
        last = self._last
        if last == "*":
            return NameTest(self.rank, "all", "")
        if "?" not in last and last.count("*") == 1:
            if last.startswith("*"):
                return NameTest(self.rank, "end", last[1:])
            if last.endswith("*"):
                return NameTest(self.rank, "start", last[:-1])
        if "?" not in last and "*" not in last:
            return NameTest(self.rank, "name", last)
        assert self._tail is not None
        return NameTest(self.rank, "regexp", self._tail.pattern)


def _head_regexp(head: str) -> str:
    """Go's expression for what stands before the last component: "" or text ending in a slash or in `**/`."""
    if not head:
        return ""
    return translate(head + "x*").regexp[1:-1].removesuffix("x[^/]*")


_components: dict[str, re.Pattern[str]] = {}


def _component(part: str) -> re.Pattern[str]:
    """A component with `*` and `?`, as an expression for a name."""
    if part not in _components:
        if len(_components) > 1000:
            _components.clear()
        text = "".join("[^/]*" if c == "*" else "[^/]" if c == "?" else re.escape(c) for c in part)
        _components[part] = re.compile(text)
    return _components[part]


class NameTests:
    """The tests of all rules for one directory: the rank of the last rule that matches a name.

    `rank` is that of the directory itself, -1 when no rule matched it. Of `tests` only those of a higher rank are
    looked at: the last matching line decides, and a line that matches a directory matches all below it.
    """

    def __init__(self, tests: Sequence[NameTest], rank: int) -> None:
        everything = [test.rank for test in tests if test.how == "all"]
        self.rank = max([rank, *everything])
        self._tests = sorted((test for test in tests if test.rank > self.rank and test.how != "all"), reverse=True)
        self._names = {test.text for test in tests if test.how == "name" and test.rank > self.rank}
        self._starts = self._texts("start")
        self._ends = self._texts("end")
        self._regexp = _union(self._texts("regexp"))
        self._path_regexp = _union(self._texts("path"))

    def _texts(self, how: str) -> tuple[str, ...]:
        return tuple(test.text for test in self._tests if test.how == how)

    def ranks(self, prefix: str, names: Sequence[str]) -> list[int]:
        """For each name in the directory `prefix` the rank of the rule that decides, -1 for none."""
        found = [self.rank] * len(names)
        if not self._tests:
            return found
        for at in self._hits(prefix, names):
            found[at] = self._rank(prefix, names[at])
        return found

    def _hits(self, prefix: str, names: Sequence[str]) -> list[int]:
        """The places of the names that some test accepts."""
        known, ends, starts = self._names, self._ends, self._starts
        hits = [at for at, name in enumerate(names) if name in known or name.endswith(ends) or name.startswith(starts)]
        for regexp, before in ((self._regexp, ""), (self._path_regexp, prefix)):
            if regexp is not None:
                accepts = regexp.fullmatch
                hits += [at for at, name in enumerate(names) if accepts(before + name)]
        return hits

    def _rank(self, prefix: str, name: str) -> int:
        for rank, how, text in self._tests:
            if how == "name":
                matched = name == text
            elif how == "end":
                matched = name.endswith(text)
            elif how == "start":
                matched = name.startswith(text)
            else:
                matched = re.fullmatch(text, name if how == "regexp" else prefix + name, re.ASCII) is not None
            if matched:
                return rank
        return self.rank


def _union(expressions: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{text})" for text in expressions), re.ASCII) if expressions else None
