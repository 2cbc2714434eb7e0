"""`.dockerignore` exactly as Docker reads it today: which paths are left out of the context, and which line says so.

The file is read as moby/patternmatcher's ignorefile.ReadAll reads it; a path is decided as its
MatchesOrParentMatches decides it. The last line that matches a path or one of its parents has the word.
"""

from __future__ import annotations

import copy
import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.context.matcher import Matcher, NameTests
from workbench.context.opening import read_file
from workbench.context.pattern import BadPattern
from workbench.dataclass import dataclass
from workbench.errors import InputError

IGNORE_FILE = ".dockerignore"

# What Go's strings.TrimSpace removes; str.strip() would also take the separators U+001C to U+001F.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"  # fmt: skip  # noqa: E501


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern. `line` counts from 1 (0: not from a file); `str()` is the pattern with its `!`."""

    pattern: str
    """Cleaned, without the `!`."""
    line: int
    negated: bool
    source: str
    """The file it stands in, as a person would name it."""

    def __str__(self) -> str:
        return f"!{self.pattern}" if self.negated else self.pattern


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a path is left out, and the rule that decided; None where no rule matches it."""

    excluded: bool
    rule: Rule | None


_SENT = Decision(False, None)


class IgnoreRules:
    """The rules of one context, in order; immutable, and safe to share between threads.

    Args:
        patterns: as they stand in a file, already free of comments. A malformed one raises InputError.
        build_files: paths that a Docker Engine needs in its context even where a rule excludes them.
    """

    def __init__(
        self,
        patterns: Iterable[str] = (),
        *,
        source: str = IGNORE_FILE,
        build_files: tuple[str, ...] = ("Dockerfile", IGNORE_FILE),
    ) -> None:
        self._read(((pattern, 0) for pattern in patterns), source)
        self.build_files = build_files
        self._ways_in: tuple[str, ...] | None = None  # of the classic builder's client

    @classmethod
    def parse(
        cls, text: str, *, source: str = IGNORE_FILE, build_files: tuple[str, ...] = ("Dockerfile", IGNORE_FILE)
    ) -> IgnoreRules:
        """Reads the file format. Raises InputError, with source and line, for a malformed pattern."""
        rules = cls(build_files=build_files)
        rules._read(read_patterns(text), source)
        return rules

    def _read(self, patterns: Iterable[tuple[str, int]], source: str) -> None:
        rules: list[Rule] = []
        matchers: list[Matcher] = []
        for text, line in patterns:
            text = text.strip(_SPACE)
            if not text:
                continue
            text = clean(text)
            negated = text.startswith("!")
            try:
                if text == "!":
                    raise BadPattern("an exception needs a pattern behind its !")
                matcher = Matcher(text[1:] if negated else text, len(rules))
            except BadPattern as error:
                raise InputError(
                    f"{source}:{line}: {text!r} is not a pattern: {error}"
                    if line
                    else f"{text!r} is not a pattern: {error}",
                    hint="Escape a character that is meant as it stands with a backslash, as in \\[.",
                ) from error
            rules.append(Rule(matcher.pattern, line, negated, source))
            matchers.append(matcher)
        self.rules: tuple[Rule, ...] = tuple(rules)
        self._matchers = tuple(matchers)
        self._newest_first = matchers[::-1]
        self._exceptions = [matcher for matcher, rule in zip(matchers, rules, strict=True) if rule.negated]

    def as_classic(self) -> IgnoreRules:
        """The same rules as the classic builder's client walks by: into an excluded folder only where an exception
        begins, letter by letter, with the folder's path. `!a/b` brings something of `a` back, `!**/b` does not (moby,
        pkg/archive TarWithOptions; seen with Docker 20.10 and 28). BuildKit goes in wherever a pattern may match."""
        rules = copy.copy(self)
        rules._ways_in = tuple(f"{rule.pattern}/" for rule in self.rules if rule.negated)
        return rules

    @property
    def has_exceptions(self) -> bool:
        """Whether there are any: without, all builders send the same."""
        return bool(self._exceptions)

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def decide(self, path: str) -> Decision:
        """The fate of `path`, relative to the context, with `/` between its parts; it need not exist."""
        return self.decision(self.rank(path))

    def rank(self, path: str) -> int:
        """The place in `rules` of the rule that decides `path`, -1 for none."""
        path = clean(path)
        if path == "." or not self._matchers:
            return -1
        paths = [path]
        while (parent := posixpath.dirname(paths[-1])) not in ("", "/"):
            paths.append(parent)
        for matcher in self._newest_first:
            for candidate in paths:
                if matcher.matches(candidate):
                    return matcher.rank
        return -1

    def decision(self, rank: int) -> Decision:
        """The decision that the rule at `rank` makes."""
        return _SENT if rank < 0 else Decision(not self.rules[rank].negated, self.rules[rank])

    def may_include_below(self, directory: str) -> bool:
        """False where nothing below `directory` can be sent, whatever is there."""
        return self.may_include_after(clean(directory), self.rank(directory))

    def may_include_after(self, directory: str, rank: int) -> bool:
        """`may_include_below` of a clean path whose rank is known: only a later exception can bring something back."""
        if rank < 0 or self.rules[rank].negated:
            return True
        if self._ways_in is not None:
            return any(way.startswith(f"{directory}/") for way in self._ways_in)
        return any(matcher.rank > rank and matcher.reaches_below(directory) for matcher in self._exceptions)

    def inside(self, prefix: str, rank: int) -> NameTests:
        """The tests for the names in a directory. `prefix` is "" or its path and a slash, `rank` is its own."""
        tests = (matcher.inside(prefix) for matcher in self._matchers[rank + 1 :])
        return NameTests([test for test in tests if test is not None], rank)


def read_patterns(text: str) -> Iterator[tuple[str, int]]:
    """The patterns of an ignore file with their line numbers (ignorefile.ReadAll): comments start in the first
    column, a byte order mark and a leading `/` are dropped, paths are cleaned, `!` may be followed by space."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.startswith("#"):
            continue
        line = line.strip(_SPACE)
        if not line:
            continue
        negated = line.startswith("!")
        if negated:
            line = line[1:].strip(_SPACE)
        if line:
            line = clean(line)
            if len(line) > 1:
                line = line.removeprefix("/")
        yield ("!" + line if negated else line), number


def clean(path: str) -> str:
    """Go's filepath.Clean: like normpath, but two leading slashes become one."""
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


def load_rules(context: Path, dockerfile: str | Path = "Dockerfile") -> IgnoreRules:
    """The rules for building `dockerfile` (absolute, or relative to `context`) in `context`.

    `<dockerfile>.dockerignore` beside the Dockerfile wins over `.dockerignore` (the rule of BuildKit); where there is
    neither, nothing is excluded. Raises InputError for a file that cannot be read or has a malformed pattern.
    """
    path = context / dockerfile
    candidates = [path.with_name(f"{path.name}{IGNORE_FILE}"), context / IGNORE_FILE]
    build_files = (*_within(context, path), IGNORE_FILE)
    for file in candidates:
        try:
            text = read_file(file).decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}", hint="Make the file readable, or remove it.") from error
        source = _within(context, file) or (str(file),)
        return IgnoreRules.parse(text, source=source[0], build_files=build_files)
    return IgnoreRules(build_files=build_files)


def _within(context: Path, path: Path) -> tuple[str, ...]:
    """The path relative to the context, or nothing where it lies outside."""
    relative = os.path.relpath(path, context)
    return () if relative == ".." or relative.startswith("../") else (relative,)
