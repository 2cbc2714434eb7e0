"""ONBUILD, SHELL, HEALTHCHECK, ARG before FROM, the platform's arguments, documents of RUN, directives, refusals."""

from __future__ import annotations

import pytest
from builds import Builder

from workbench.engines.embedded.catalog import machine
from workbench.errors import DockerfileError, Unsupported, UsageError

sandboxed = pytest.mark.usefixtures("sandbox")


async def log_of(build: Builder, text: str, **options: object) -> list[str]:
    built = await build(text, no_cache=True, **options)
    assert built.end.outcome == "succeeded", built.end
    return built.log.splitlines()


# -- ONBUILD -----------------------------------------------------------------------------------------------------


async def test_triggers_run_in_what_stands_on_the_image_and_nowhere_else(scratch_build: Builder) -> None:
    base = await scratch_build(
        "FROM scratch\nONBUILD ARG X=1\nONBUILD LABEL x=$X\nONBUILD COPY --chmod=600 f /on/\n", {"f": "1"}, tags=("on",)
    )
    assert base.config["config"]["OnBuild"] == ["ARG X=1", "LABEL x=$X", "COPY --chmod=600 f /on/"]
    built = await scratch_build("FROM on\nENV A=b\n", tags=("onto",), build_args={"X": "2"})
    assert built.config["config"]["Labels"] == {"x": "2"} and "OnBuild" not in built.config["config"]
    assert built.layer()["on/f"].mode == 0o600
    assert "# Executing 3 build triggers" in built.log
    assert "triggers" not in (await scratch_build("FROM onto\nENV C=d\n")).log


async def test_triggers_of_a_stage(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch AS one\nONBUILD ENV A=b\nFROM one\nENV C=$A\n")
    assert built.config["config"]["Env"][1:] == ["A=b", "C=b"]


async def test_a_trigger_may_speak_of_a_stage_that_nothing_else_needs(scratch_build: Builder) -> None:
    await scratch_build("FROM scratch\nONBUILD COPY --from=made /f /f\n", tags=("on",))
    built = await scratch_build("FROM scratch AS made\nCOPY f /\nFROM on\nLABEL a=b\n", {"f": "1"})
    assert "f" in built.layer()


@pytest.mark.parametrize("trigger", ["ONBUILD RUN x", "FROM x", "MAINTAINER x"])
async def test_what_is_no_trigger(scratch_build: Builder, trigger: str) -> None:
    with pytest.raises(DockerfileError, match=r"Dockerfile:2:9: .*isn't allowed"):
        await scratch_build(f"FROM scratch\nONBUILD {trigger}\n")


async def test_a_trigger_gets_no_more_than_was_allowed(scratch_build: Builder) -> None:
    await scratch_build(
        "FROM scratch\nONBUILD RUN --security=insecure true\n", tags=("on",), allow=("security.insecure",)
    )
    built = await scratch_build("FROM on\nLABEL a=b\n")
    assert built.end.outcome == "failed" and "RUN --security=insecure is not allowed" in built.end.error


# -- configuration -----------------------------------------------------------------------------------------------


async def test_a_health_check_with_all_of_its_times_and_none(scratch_build: Builder) -> None:
    text = (
        "FROM scratch\nHEALTHCHECK --interval=5m --timeout=3s --start-period=1s --start-interval=500ms --retries=2 "
        'CMD ["true"]\n'
    )
    built = await scratch_build(text)
    assert built.config["config"]["Healthcheck"] == {
        "Test": ["CMD", "true"], "Interval": 300 * 10**9, "Timeout": 3 * 10**9, "StartPeriod": 10**9,
        "StartInterval": 500 * 10**6, "Retries": 2,
    }  # fmt: skip


async def test_a_later_check_has_the_times_that_it_leaves_out_from_the_one_before(scratch_build: Builder) -> None:
    """As Docker 20.10 does, where the one before may be the base's."""
    text = "FROM scratch AS a\nHEALTHCHECK --interval=5m --retries=4 --start-interval=1s CMD x\nFROM a\n"
    built = await scratch_build(text + 'HEALTHCHECK --retries=2 --timeout=3s CMD ["z"]\n')
    assert built.config["config"]["Healthcheck"] == {
        "Test": ["CMD", "z"], "Interval": 300 * 10**9, "Timeout": 3 * 10**9, "Retries": 2,
    }  # fmt: skip
    built = await scratch_build(text + "HEALTHCHECK NONE\n")
    assert built.config["config"]["Healthcheck"] == {"Test": ["NONE"], "Interval": 300 * 10**9, "Retries": 4}
    assert built.history[-1].endswith('HEALTHCHECK &{["NONE"] "0s" "0s" "0s" \'\\x00\'}')


async def test_arguments_before_from_and_those_of_the_platform(scratch_build: Builder) -> None:
    text = (
        "ARG NAME=scratch WHAT=${NAME}-ish\nFROM ${NAME:-nothing} AS one\nARG WHAT TARGETPLATFORM TARGETOS TARGETARCH\n"
        "ARG BUILDPLATFORM BUILDOS\nARG TARGETARCH=mine\nLABEL a=$WHAT/$NAME b=$TARGETPLATFORM c=$TARGETOS/$TARGETARCH "
        "d=$BUILDPLATFORM\nLABEL e=$BUILDARCH\n"
    )
    here = f"linux/{machine()}"
    labels = (await scratch_build(text)).config["config"]["Labels"]
    assert labels == {"a": "scratch-ish/", "b": here, "c": "linux/mine", "d": here, "e": ""}
    built = await scratch_build(text, build_args={"WHAT": "given", "TARGETARCH": "told"})
    assert built.config["config"]["Labels"]["a"] == "given/"


async def test_a_base_is_chosen_by_the_platform(scratch_build: Builder) -> None:
    text = (
        "ARG BASE=for-${TARGETARCH}\nFROM scratch AS for-amd64\nLABEL it=amd64\nFROM scratch AS for-arm64\n"
        "LABEL it=arm64\nFROM $BASE AS one\nFROM for-$TARGETARCH\nLABEL and=more\nCOPY --from=one . /\n"
    )
    for architecture in ("arm64", "amd64"):
        built = await scratch_build(text, platform=f"linux/{architecture}")
        assert built.config["config"]["Labels"] == {"it": architecture, "and": "more"}
        assert len(built.cached) == 1 + 2 + 1 + 3, "the other platform's stage is not built"


@sandboxed
async def test_proxies_need_no_declaration_and_leave_no_trace(build: Builder) -> None:
    built = await build(
        "FROM busybox\nRUN echo $HTTP_PROXY $no_proxy\n", build_args={"HTTP_PROXY": "http://u:p@h", "no_proxy": "x"}
    )
    assert "http://u:p@h x" in built.log and "u:p@h" not in str(built.config)


async def test_stages_that_the_target_does_not_need_are_not_built(scratch_build: Builder) -> None:
    text = (
        "FROM scratch AS one\nCOPY nosuch /\nFROM scratch AS two\nLABEL it=two\nFROM two AS three\nLABEL it=three\n"
        "FROM one\nLABEL it=four\n"
    )
    for target, steps in (("two", 2), ("three", 4), ("1", 2)):
        built = await scratch_build(text, target=target)
        assert built.config["config"]["Labels"] == {"it": {"1": "two"}.get(target, target)}
        assert len(built.cached) == steps


# -- documents of RUN --------------------------------------------------------------------------------------------


@sandboxed
async def test_documents_of_run(build: Builder) -> None:
    text = (
        "FROM busybox\nARG who=me\n"
        "RUN <<E\necho one $who\necho two\nE\n"
        "RUN <<-E\n\techo tabs\n\tE\n"
        'RUN <<"E"\necho "$who" \\$\nE\n'
        "RUN <<E1 cat > /a; cat /a; cat <<E2 | wc -l\nfirst\nE1\nx\ny\nE2\n"
        "RUN <<-E\n#!/bin/sh -e\n\techo script $0\n\tE\n"
        "RUN <<E\n#!/bin/cat\nnot a shell\nE\n"
        "RUN cat <<E\nheredoc of the shell: $who\nE\n"
        'SHELL ["/bin/sh","-ec"]\nRUN <<E\nfalse && true || echo $-\nE\n'
    )
    log = await log_of(build, text)
    assert log[:7] == ["one me", "two", "tabs", "me $", "first", "2", "script /dev/script"]
    assert log[7:10] == ["#!/bin/cat", "not a shell", "heredoc of the shell: me"] and "e" in log[10]


@sandboxed
async def test_a_document_that_fails_has_its_line(build: Builder) -> None:
    built = await build("FROM busybox\n\nRUN <<E\nexit 3\nE\n")
    assert (built.end.outcome, built.end.line) == ("failed", 3) and "code: 3" in built.end.error


# -- directives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "syntax",
    [
        "docker/dockerfile:1",
        "docker.io/docker/dockerfile:1.7-labs",
        "mirror.lan:5000/docker/dockerfile-upstream@sha256:0",
    ],
)
async def test_the_language_that_this_engine_reads(scratch_build: Builder, syntax: str) -> None:
    built = await scratch_build(f"# syntax={syntax}\n# escape=`\nFROM scratch\nLABEL a=b `\n  c=d\n")
    assert built.config["config"]["Labels"] == {"a": "b", "c": "d"}


async def test_another_language_is_refused_by_name(scratch_build: Builder) -> None:
    text = "FROM scratch\nLABEL a=b\n"
    with pytest.raises(Unsupported, match="# syntax=r2d4/mocker; engines that have it: buildkit"):
        await scratch_build(f"# syntax=r2d4/mocker\n{text}")
    with pytest.raises(Unsupported, match="# syntax=r2d4/mocker"):
        await scratch_build(text, build_args={"BUILDKIT_SYNTAX": "r2d4/mocker"})


async def test_findings_are_errors_where_the_file_says_so(scratch_build: Builder) -> None:
    text = "FROM scratch as one\nLABEL a=b\n"
    with pytest.raises(DockerfileError, match="Dockerfile:2:14: FromAsCasing"):
        await scratch_build(f"# check=error=true\n{text}")
    for directive in ("# check=skip=FromAsCasing;error=true\n", "# check=skip=none\n", ""):
        assert (await scratch_build(directive + text)).end.outcome == "succeeded"
    with pytest.raises(DockerfileError, match="FromAsCasing"):
        await scratch_build(text, build_args={"BUILDKIT_DOCKERFILE_CHECK": "error=true"})


# -- refused by name ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"isolation": "hyperv"}, "--isolation"),
        ({"squash": True}, "--squash"),
        ({"disable_content_trust": False}, "--disable-content-trust"),
        ({"network": "container:x"}, "--network container:x"),
    ],
)
async def test_an_option_that_it_has_not(scratch_build: Builder, options: dict[str, object], name: str) -> None:
    with pytest.raises(Unsupported, match=name) as caught:
        await scratch_build("FROM scratch\nCOPY nosuch /\n", **options)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("RUN --device=x true", Unsupported),
        ("RUN --security=insecure true", UsageError),
        ("RUN --network=custom true", DockerfileError),
        ("RUN --mount=type=bind,uid=5,target=/x true", DockerfileError),
        ("COPY --chmod=rwx f /", DockerfileError),
        ("COPY --nosuch f /", DockerfileError),
        ("HEALTHCHECK --interval=1us CMD true", DockerfileError),
    ],
)
async def test_an_instruction_that_cannot_be_is_refused_before_the_first_step(
    scratch_build: Builder, line: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await scratch_build(f"FROM scratch\nCOPY nosuch /\n{line}\n")
