"""Stages, targets, and what they need."""

from __future__ import annotations

import pytest

from workbench.dockerfile import (
    DockerfileError,
    base_stage,
    build_steps,
    find_stage,
    global_environment,
    needed_stages,
    parse,
    source_stage,
)
from workbench.errors import UsageError

TEXT = """\
ARG base=alpine
ARG tag=$base-3
FROM $base AS One
RUN true
FROM one AS two
FROM scratch AS three
COPY --from=0 /a /a
COPY --from=busybox /b /b
FROM ${final:-two}
RUN --mount=from=three,target=/t true
"""


def test_stages() -> None:
    dockerfile = parse(TEXT)
    assert [(it.index, it.name, it.base.line) for it in dockerfile.stages] == [
        (0, "one", 3),
        (1, "two", 5),
        (2, "three", 6),
        (3, "", 9),
    ]
    assert [len(it.instructions) for it in dockerfile.stages] == [1, 0, 2, 1]
    assert [arg.pairs[0][0] for arg in dockerfile.global_args] == ["base", "tag"]
    assert dockerfile.stages[2].range.end_line == 8
    instruction = dockerfile.at(7)
    assert instruction is not None
    assert instruction.text == "COPY --from=0 /a /a"
    assert dockerfile.at(99) is None


def test_targets() -> None:
    dockerfile = parse(TEXT)
    assert find_stage(dockerfile, None).index == 3
    assert find_stage(dockerfile, "ONE").index == 0
    assert find_stage(dockerfile, "2").index == 2
    with pytest.raises(UsageError, match=r'target stage "tree" could not be found \(did you mean three\?\)'):
        find_stage(dockerfile, "tree")
    with pytest.raises(UsageError):
        find_stage(dockerfile, "4")


def test_needed() -> None:
    dockerfile = parse(TEXT)
    assert needed_stages(dockerfile, "one") == (0,)
    assert needed_stages(dockerfile, "two") == (0, 1)
    assert needed_stages(dockerfile, None) == (0, 1, 2, 3)
    assert needed_stages(parse(TEXT.replace("base=alpine", "final=one")), None) == (0, 2, 3)
    assert needed_stages(parse("ARG b=x\nFROM a AS x\nFROM $b\n"), None, {"b": "other"}) == (1,)
    assert needed_stages(parse("FROM a AS x\nFROM b AS y\nFROM $OS\n"), None, predefined={"OS": "y"}) == (1, 2)


def test_steps() -> None:
    steps = build_steps(parse(TEXT), (0, 2))
    assert [it.line for it in steps] == [1, 2, 3, 4, 6, 7, 8]


def test_names_mean_earlier_stages_only() -> None:
    dockerfile = parse("FROM a AS a\nFROM a AS b\nCOPY --from=b x y\nFROM 0\n")
    assert needed_stages(dockerfile, "b") == (0, 1)
    assert needed_stages(dockerfile, None) == (2,)
    assert base_stage(dockerfile, 0, "a") is None
    assert source_stage(dockerfile, 1, "b") is None
    stage = source_stage(dockerfile, 2, "B")
    assert stage is not None
    assert stage.index == 1


def test_global_environment() -> None:
    dockerfile = parse(TEXT)
    assert global_environment(dockerfile, {}) == {"base": "alpine", "tag": "alpine-3"}
    assert global_environment(dockerfile, {"base": "b", "other": "x"}, {"TARGETOS": "linux"}) == {
        "TARGETOS": "linux",
        "base": "b",
        "tag": "b-3",
    }
    with pytest.raises(DockerfileError, match="Dockerfile:1:1"):
        global_environment(parse("ARG a=${x?}\nFROM a\n"), {})
