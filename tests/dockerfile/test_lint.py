"""Diagnostics: BuildKit's cases, places, fixes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.dockerfile import DockerfileError, parse
from workbench.dockerfile.lint import Fix, check, fails_on_findings
from workbench.dockerfile.rules import RULES

IMPLEMENTED = {rule.code for rule in RULES}


@pytest.fixture(scope="module")
def data(conformance: Path) -> dict:
    return json.loads((conformance / "buildkit-lint.json").read_text())


def applied(text: str, fix: Fix) -> str:
    lines = text.split("\n")
    assert fix.range.start_line == fix.range.end_line
    line = lines[fix.range.start_line - 1]
    lines[fix.range.start_line - 1] = line[: fix.range.start_column - 1] + fix.text + line[fix.range.end_column - 1 :]
    return "\n".join(lines)


def test_buildkits_cases(data: dict) -> None:
    compared = 0
    for case in data["cases"]:
        # Where a stage is not built, BuildKit's list for all targets is the one that a whole file is compared with.
        everywhere = case["unmarshalWarnings"]
        expected = everywhere if everywhere is not None else case["warnings"] or []
        options = (case["frontendAttrs"] or {}).get("build-arg:BUILDKIT_DOCKERFILE_CHECK")
        found = check(parse(case["dockerfile"]), options=options)
        # The lines of that list are of another text in one case.
        got = sorted((it.code, it.message, 0 if everywhere else it.range.start_line) for it in found)
        wanted = sorted((it["RuleName"], it["Detail"], 0 if everywhere else it["Line"]) for it in expected)
        assert got == [it for it in wanted if it[0] in IMPLEMENTED], case["id"]
        compared += len(got)
    assert compared > 30


def test_documented_examples(data: dict) -> None:
    compared = 0
    for rule in data["rules"]:
        for example in rule["examples"]:
            text = example["dockerfile"].replace("...\n", "")
            # One bad example speaks of ARG, where BuildKit itself does not apply the rule.
            if rule["rule"] not in IMPLEMENTED or "ARG foo bar" in text:
                continue
            try:
                dockerfile = parse(text)
            except DockerfileError:
                dockerfile = parse("FROM scratch\n" + text)
            codes = {it.code for it in check(dockerfile, options="experimental=all")}
            assert (rule["rule"] in codes) == (example["kind"] == "bad"), text
            compared += 1
    assert compared > 35


@pytest.mark.parametrize(
    ("text", "code", "fixed"),
    [
        ("FROM a AS B\n", "StageNameCasing", "FROM a AS b\n"),
        ("FROM as as as\n", "FromAsCasing", "FROM as AS as\n"),
        ("FROM a\nrun x\nRUN y\n", "ConsistentInstructionCasing", "FROM a\nRUN x\nRUN y\n"),
        ("FROM a\nCMD x  -y z\n", "JSONArgsRecommended", 'FROM a\nCMD ["x", "-y", "z"]\n'),
        (
            "FROM a\nMAINTAINER A <a@b>\n",
            "MaintainerDeprecated",
            'FROM a\nLABEL org.opencontainers.image.authors="A <a@b>"\n',
        ),
        ("FROM a\nENV k v w\n", "LegacyKeyValueFormat", 'FROM a\nENV k="v w"\n'),
        ("FROM a\nEXPOSE 80/TCP\n", "ExposeProtoCasing", "FROM a\nEXPOSE 80/tcp\n"),
    ],
)
def test_fixes(text: str, code: str, fixed: str) -> None:
    (diagnostic,) = [it for it in check(parse(text)) if it.code == code]
    assert diagnostic.fix is not None
    assert applied(text, diagnostic.fix) == fixed
    assert code not in {it.code for it in check(parse(fixed))}


def test_no_fix_where_it_would_change_the_meaning() -> None:
    for text in ("CMD a && b", "CMD echo $x", "ENV k 'v w'", "CMD x=1 y"):
        (diagnostic,) = check(parse(f"FROM a\n{text}\n"))
        assert diagnostic.fix is None


def test_places() -> None:
    (diagnostic,) = check(parse("FROM a\nENV x=1 \\\n  api_key=2\n"))
    assert (diagnostic.range.start_line, diagnostic.range.start_column) == (3, 3)


def test_options() -> None:
    text = "#check=skip=StageNameCasing;error=true\nFROM a AS B\n# check=skip=all // why\nMAINTAINER x\n"
    assert check(parse(text)) == []
    assert fails_on_findings(parse(text))
    assert [it.code for it in check(parse(text), options="skip=none")] == ["StageNameCasing"]
    assert [it.code for it in check(parse("# check=nonsense\nFROM a AS B\n"))] == ["StageNameCasing"]
