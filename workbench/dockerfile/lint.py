"""Diagnostics of a Dockerfile that parses: BuildKit's check rules by its names, and our own, whose names begin with WB.

What the text alone does not decide is asked of `Surroundings`; where they do not know, the rule is silent.
`# check=skip=RuleA,RuleB;error=true` on the first lines counts for the file, above an instruction for that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from workbench.dataclass import dataclass
from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.fix import Fix, apply_edits, together
from workbench.dockerfile.lexical import trim
from workbench.dockerfile.nodes import Node, Range
from workbench.dockerfile.surroundings import NOTHING, Surroundings
from workbench.dockerfile.values import parse_bool

Severity = Literal["error", "warning", "info"]

_ROUNDS = 20
"""More rounds than fixes can wait for each other."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is to be said about a piece of the text. `code` is BuildKit's name of the rule, or ours, with WB."""

    range: Range
    code: str
    message: str
    severity: Severity = "warning"
    fix: Fix | None = None
    hint: str = ""
    """What to do where no fix can do it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says about a node, before anybody asks whether it is wanted."""

    node: Node
    range: Range
    message: str
    fix: Fix | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One check. An experimental one speaks only where it is asked for."""

    code: str
    find: Callable[[Dockerfile, Surroundings], Iterable[Finding]]
    experimental: bool = False
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Options:
    """What a `check` directive says."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False
    """Whether a build is to fail on a finding."""

    def wants(self, rule: Rule) -> bool:
        named = self.experimental if rule.experimental else self.skip
        return bool(named & {"all", rule.code}) == rule.experimental


def check(
    dockerfile: Dockerfile, *, options: str | None = None, surroundings: Surroundings = NOTHING
) -> list[Diagnostic]:
    """Every finding, by place. `options` stand in for the file's own `# check=` directive."""
    from workbench.dockerfile.rules import RULES

    return list(_checked(dockerfile, RULES, _file_options(dockerfile, options), surroundings))


def fix_all(text: str, find: Callable[[str], Iterable[Diagnostic]]) -> tuple[str, list[Diagnostic]]:
    """The text with every safe fix in it, and the findings that this settled. `find` may raise: so does this.

    Fixes that touch each other go in one after the other, each on what the one before left.
    """
    settled: list[Diagnostic] = []
    for _ in range(_ROUNDS):
        found = {it.fix: it for it in find(text) if it.fix is not None and it.fix.safe}
        fixes = together(found)
        if not fixes:
            break
        text = apply_edits(text, (edit for fix in fixes for edit in fix.edits))
        settled += [found[fix] for fix in fixes]
    return text, settled


def fails_on_findings(dockerfile: Dockerfile, *, options: str | None = None) -> bool:
    """Whether the file asks for `error=true`."""
    return _file_options(dockerfile, options).error


def parse_options(text: str) -> Options | None:
    """Reads `skip=A,B;error=true`; None where it is not understood, which counts for nothing."""
    values: dict[str, str] = {}
    for part in filter(None, trim(text).split(";")):
        name, equals, value = part.partition("=")
        if not equals or trim(name) not in ("skip", "experimental", "error"):
            return None
        values[trim(name)] = trim(value)
    try:
        error = parse_bool(values.get("error", "false"))
    except ValueError:
        return None
    return Options(_names(values.get("skip", "")), _names(values.get("experimental", "")), error)


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, map(trim, text.split(","))))


def _file_options(dockerfile: Dockerfile, options: str | None) -> Options:
    text = dockerfile.directives.get("check", "").partition(" ")[0] if options is None else options
    return parse_options(text) or Options()


def _checked(
    dockerfile: Dockerfile, rules: Sequence[Rule], options: Options, surroundings: Surroundings
) -> Iterator[Diagnostic]:
    found: list[Diagnostic] = []
    for rule in rules:
        for finding in rule.find(dockerfile, surroundings):
            local = _merged(options, finding.node)
            if local.wants(rule):
                found.append(
                    Diagnostic(finding.range, rule.code, finding.message, rule.severity, finding.fix, finding.hint)
                )
    yield from sorted(found, key=lambda it: (it.range.start_line, it.range.start_column, it.code, it.message))


def _merged(options: Options, node: Node) -> Options:
    for comment in node.comments:
        name, equals, value = comment.partition("=")
        if not equals or trim(name).lower() != "check":
            continue
        local = parse_options(trim(value).partition(" ")[0])
        if local is None:
            return options
        return Options(options.skip | local.skip, options.experimental | local.experimental, options.error)
    return options
