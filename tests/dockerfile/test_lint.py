"""Diagnostics: BuildKit's cases, what depends on the surroundings, places, options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.context.ignore import IgnoreRules
from workbench.dockerfile import DockerfileError, parse
from workbench.dockerfile.lint import Diagnostic, check, fails_on_findings
from workbench.dockerfile.rules import BUILDKIT_RULES
from workbench.dockerfile.surroundings import Surroundings

CODES = {rule.code for rule in BUILDKIT_RULES}
PLAIN_BASE = {
    "os": "linux",
    "architecture": "amd64",
    "config": {"Env": ["PATH=/usr/bin:/bin", "PYTHON_VERSION=3"], "WorkingDir": ""},
}


@pytest.fixture(scope="module")
def data(conformance: Path) -> dict:
    return json.loads((conformance / "buildkit-lint.json").read_text())


def around(dockerignore: str | None = None) -> Surroundings:
    """Every base image is a plain one, and the ignore file is this."""
    rules = IgnoreRules.parse(dockerignore or "")

    def ignored(path: str) -> str:
        decision = rules.decide(path)
        return str(decision.rule) if decision.excluded else ""

    return Surroundings(base_config=lambda image: PLAIN_BASE, ignored=ignored)


def buildkits(found: list[Diagnostic]) -> list[Diagnostic]:
    return [it for it in found if it.code in CODES]


def test_every_rule_of_buildkit_is_here(data: dict) -> None:
    assert {rule["rule"] for rule in data["rules"]} == CODES - {"InvalidBaseImagePlatform"}
    assert len(data["rules"]) == 21


def test_buildkits_cases(data: dict) -> None:
    compared = 0
    for case in data["cases"]:
        # Where a stage is not built, BuildKit's list for all targets is the one that a whole file is compared with.
        everywhere = case["unmarshalWarnings"]
        expected = everywhere if everywhere is not None else case["warnings"] or []
        options = (case["frontendAttrs"] or {}).get("build-arg:BUILDKIT_DOCKERFILE_CHECK")
        found = check(parse(case["dockerfile"]), options=options, surroundings=around(case["dockerignore"]))
        # The lines of that list are of another text in one case.
        got = sorted((it.code, it.message, 0 if everywhere else it.range.start_line) for it in buildkits(found))
        assert got == sorted((it["RuleName"], it["Detail"], 0 if everywhere else it["Line"]) for it in expected), case[
            "id"
        ]
        compared += len(got)
    assert compared > 40


def test_documented_examples(data: dict) -> None:
    compared = 0
    for rule in data["rules"]:
        for example in rule["examples"]:
            text = example["dockerfile"].replace("...\n", "")
            # One bad example speaks of ARG, where BuildKit itself does not apply the rule.
            if "ARG foo bar" in text:
                continue
            try:
                dockerfile = parse(text)
            except DockerfileError:
                dockerfile = parse("FROM scratch\n" + text)
            codes = {it.code for it in check(dockerfile, options="experimental=all", surroundings=around("tmp/*\n"))}
            assert (rule["rule"] in codes) == (example["kind"] == "bad"), text
            compared += 1
    assert compared > 40


def test_undefined_variables() -> None:
    def found(text: str, surroundings: Surroundings) -> list[str]:
        return [it.message for it in check(parse(text), surroundings=surroundings) if it.code == "UndefinedVar"]

    known = around()
    assert found("FROM a\nENV PATH=$PAHT:/x\n", known) == ["Usage of undefined variable '$PAHT' (did you mean $PATH?)"]
    assert found("FROM a\nARG x\nCOPY a$x $y\n", known) == ["Usage of undefined variable '$y'"]
    assert found("FROM a AS b\nARG x=1\nENV z=2\nFROM b\nCOPY $x $z\n", known) == []
    assert found("FROM a\nARG a=1 b=$a\n", known) == []
    assert found("FROM a\nRUN echo $nothing\nEXPOSE $none\n", known) == []
    # A base image that is not at hand may define anything, but hardly the neighbour of a name that is known.
    assert found("FROM a\nCOPY $JAVA_HOME /x\n", Surroundings()) == []
    assert found("FROM a\nARG VERSION=1\nCOPY $VERSOIN /x\n", Surroundings()) == [
        "Usage of undefined variable '$VERSOIN' (did you mean $VERSION?)"
    ]


def test_a_base_that_the_platform_chooses() -> None:
    """As `docker build --check` of Docker 28 says it."""
    text = "ARG BASE=x-${TARGETARCH}\nFROM a AS x-amd64\nFROM a AS b-arm64\nFROM b-$TARGETARCH\nFROM $BASE\n"
    assert not buildkits(check(parse(text)))
    assert [it.code for it in buildkits(check(parse("FROM a-$TARGETVARIANT\n")))] == ["InvalidDefaultArgInFrom"]


def test_relative_workdir() -> None:
    def found(text: str) -> list[str]:
        return [it.message for it in check(parse(text), surroundings=around()) if it.code == "WorkdirRelativePath"]

    said = 'Relative workdir "app" can have unexpected results if the base image changes'
    assert found("FROM a\nWORKDIR app\nWORKDIR more\n") == [said]
    assert found("FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR app\n") == []
    assert found("FROM a\nARG d=app\nWORKDIR $d\n") == [said]
    assert found("FROM a\nARG d\nWORKDIR $d\n") == []


def test_base_of_another_platform() -> None:
    there = Surroundings(base_config=lambda image: PLAIN_BASE, platform="linux/arm64")
    (one,) = check(parse("FROM a\n"), surroundings=there)
    assert one.code == "InvalidBaseImagePlatform"
    assert (
        one.message == 'Base image a was pulled with platform "linux/amd64", expected "linux/arm64" for current build'
    )
    assert check(parse("FROM a\n"), surroundings=Surroundings(there.base_config, platform="linux/x86_64")) == []
    assert check(parse("FROM a\n"), surroundings=Surroundings(there.base_config)) == []
    assert check(parse("FROM --platform=$BUILDPLATFORM a\n"), surroundings=there) == []


def test_an_ignored_source_names_the_line() -> None:
    (one,) = check(parse("FROM scratch\nCOPY x.log y /z/\n"), surroundings=around("*.log\n"))
    assert one.code == "CopyIgnoredFile"
    assert one.hint == "It is kept out by *.log"


def test_places() -> None:
    (diagnostic,) = check(parse("FROM a\nENV x=1 \\\n  api_key=2\n"))
    assert (diagnostic.range.start_line, diagnostic.range.start_column) == (3, 3)


def test_options() -> None:
    text = "#check=skip=StageNameCasing;error=true\nFROM a AS B\n# check=skip=all // why\nMAINTAINER x\n"
    assert check(parse(text)) == []
    assert fails_on_findings(parse(text))
    assert [it.code for it in check(parse(text), options="skip=none")] == ["StageNameCasing"]
    assert [it.code for it in check(parse("# check=nonsense\nFROM a AS B\n"))] == ["StageNameCasing"]
