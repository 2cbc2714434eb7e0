"""What each instruction leaves in the image's configuration and history, as Docker 20.10's classic builder left it."""

from __future__ import annotations

import pytest
from builds import Builder

from workbench.build.events import BuildWarning, ContainerEvent

METADATA = """\
FROM scratch
MAINTAINER me <a@b>
ARG x=1 y
ENV A=b C="d e"
ENV A=2
LABEL l=1 "m n"=o
EXPOSE 80 90-91/udp
VOLUME /vol /v2
USER 66
WORKDIR /wd/sub
WORKDIR sub2
CMD echo hi
ENTRYPOINT ["a","b"]
HEALTHCHECK --interval=90s --retries=3 CMD true
STOPSIGNAL 9
SHELL ["/bin/sh","-ec"]
CMD x "y"
ONBUILD RUN foo
"""


async def test_configuration_and_history(scratch_build: Builder) -> None:
    built = await scratch_build(METADATA, build_args={"y": "2", "unused": "1"}, labels={"zz": "1", "aa": "2"})
    config = built.config["config"]
    assert config == {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=2", "C=d e"],
        "Labels": {"l": "1", "m n": "o", "zz": "1", "aa": "2"},
        "ExposedPorts": {"80/tcp": {}, "90/udp": {}, "91/udp": {}},
        "Volumes": {"/vol": {}, "/v2": {}},
        "User": "66",
        "WorkingDir": "/wd/sub/sub2",
        "Cmd": ["/bin/sh", "-ec", 'x "y"'],
        "Entrypoint": ["a", "b"],
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 90 * 10**9, "Retries": 3},
        "StopSignal": "9",
        "Shell": ["/bin/sh", "-ec"],
        "OnBuild": ["RUN foo"],
    }
    assert built.config["author"] == "me <a@b>"
    assert built.history == [
        "/bin/sh -c #(nop)  MAINTAINER me <a@b>",
        "/bin/sh -c #(nop)  ARG x=1 y",
        "/bin/sh -c #(nop)  ENV A=b C=d e",
        "/bin/sh -c #(nop)  ENV A=2",
        "/bin/sh -c #(nop)  LABEL l=1 m n=o",
        "/bin/sh -c #(nop)  EXPOSE 80 90-91/udp",
        "/bin/sh -c #(nop)  VOLUME [/vol /v2]",
        "/bin/sh -c #(nop)  USER 66",
        "/bin/sh -c #(nop) WORKDIR /wd/sub",
        "/bin/sh -c #(nop) WORKDIR /wd/sub/sub2",
        '/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "echo hi"]',
        '/bin/sh -c #(nop)  ENTRYPOINT ["a" "b"]',
        '/bin/sh -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "true"] "1m30s" "0s" "0s" \'\\x03\'}',
        "/bin/sh -c #(nop)  STOPSIGNAL 9",
        "/bin/sh -ec #(nop)  SHELL [/bin/sh -ec]",
        '/bin/sh -ec #(nop)  CMD ["/bin/sh" "-ec" "x \\"y\\""]',
        "/bin/sh -ec #(nop)  ONBUILD RUN foo",
        "/bin/sh -ec #(nop)  LABEL aa=2",
        "/bin/sh -ec #(nop)  LABEL zz=1",
    ]
    empty = [entry.get("empty_layer", False) for entry in built.config["history"]]
    assert [place for place, it in enumerate(empty) if not it] == [8, 9], "a WORKDIR that is made is a layer"
    assert [event.message for event in built.events if isinstance(event, BuildWarning)] == [
        "One or more build-args [unused] were not consumed"
    ]


async def test_an_entrypoint_drops_an_inherited_command_only(scratch_build: Builder) -> None:
    await scratch_build('FROM scratch\nCMD ["x"]\n', tags=("base",))
    assert "Cmd" not in (await scratch_build('FROM base\nENTRYPOINT ["e"]\n')).config["config"]
    kept = await scratch_build('FROM base\nCMD ["y"]\nENTRYPOINT ["e"]\n')
    assert kept.config["config"]["Cmd"] == ["y"]


async def test_arguments(scratch_build: Builder) -> None:
    text = """\
ARG BASE=scratch
ARG V=global
FROM $BASE
ARG V
ARG W=default
ARG TARGETARCH
ENV GOT=$V-$W-${NOT:-none}
ENV W=env
LABEL w=$W arch=$TARGETARCH proxy=$HTTP_PROXY
"""
    built = await scratch_build(text, build_args={"W": "given", "HTTP_PROXY": "p"})
    config = built.config["config"]
    assert config["Env"][1:] == ["GOT=global-given-none", "W=env"]
    assert config["Labels"]["w"] == "env", "ENV hides a build argument"
    assert (config["Labels"]["arch"], config["Labels"]["proxy"]) == (built.config["architecture"], "p")
    assert not [event for event in built.events if isinstance(event, BuildWarning)]


async def test_triggers_of_a_base_image(scratch_build: Builder) -> None:
    await scratch_build("FROM scratch\nONBUILD COPY f /f\nONBUILD ENV T=1\n", {"f": "1"}, tags=("base",))
    built = await scratch_build("FROM base\nENV U=2\n")
    assert built.log == "# Executing 2 build triggers\n"
    assert "OnBuild" not in built.config["config"]
    assert built.config["config"]["Env"][1:] == ["T=1", "U=2"]
    assert list(built.layer()) == ["f"]


async def test_an_image_that_is_only_named_anew(scratch_build: Builder) -> None:
    first = await scratch_build('FROM scratch\nCMD ["x"]\n', tags=("one",))
    second = await scratch_build("FROM one\n", tags=("two",))
    assert second.image == first.image
    assert set(scratch_build.store.image("two").tags) == {"one:latest", "two:latest"}


async def test_stages_that_the_target_does_not_need(scratch_build: Builder) -> None:
    text = """\
FROM scratch AS one
ENV A=1
FROM nosuch AS broken
ENV B=1
FROM one AS two
COPY --from=one /nothing* /x/
FROM one
ENV C=1
"""
    assert (await scratch_build(text)).config["config"]["Env"][1:] == ["A=1", "C=1"]
    assert (await scratch_build(text, target="ONE")).config["config"]["Env"][1:] == ["A=1"]
    broken = await scratch_build(text, target="broken")
    assert (broken.end.outcome, broken.end.step, broken.end.line) == ("failed", 1, 3)
    assert (broken.end.error or "").startswith("no image nosuch:latest in the store, and docker.io ")
    assert "load" in broken.end.hint


@pytest.mark.parametrize(
    ("line", "error"),
    [("EXPOSE abc", "Invalid containerPort"), ("EXPOSE 1/x", "Invalid proto"),
     ("STOPSIGNAL foo", "Invalid signal: foo"),
     ("COPY ../x /", "forbidden path outside the build context: ../x"), ("COPY --from=0 a /", "current build stage"),
     ("COPY a b /x", "more than one source file"), ("COPY no* /", "no source files were specified"),
     ("COPY --chown=joe a /", "no such user: joe"), ("COPY --from=gone a /", "no image gone:latest in the store"),
     ("ENV x=${y", "failed to process \"${y\""), ("WORKDIR /a", "Cannot mkdir: /a is not a directory")],
)  # fmt: skip
async def test_failures_are_data_with_their_line(scratch_build: Builder, line: str, error: str) -> None:
    built = await scratch_build(f"FROM scratch\nCOPY a /a\n{line}\n", {"a": "", "b": ""})
    assert (built.end.outcome, built.end.step, built.end.line) == ("failed", 3, 3)
    assert error in (built.end.error or "")


async def test_a_source_that_is_ignored_is_told_with_its_line(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY a.txt /\n", {"a.txt": "", ".dockerignore": "# no\nb\n*.txt\n"})
    assert built.end.error == (
        "COPY failed: file not found in build context or excluded by .dockerignore: stat a.txt: file does not exist"
    )
    assert built.end.hint == "a.txt is there, but line 3 of .dockerignore leaves it out: *.txt"
    near = await scratch_build("FROM scratch\nCOPY tex.md /\n", {"text.md": ""})
    assert "text.md" in near.end.hint


async def test_containers_of_what_needs_none(scratch_build: Builder) -> None:
    built = await scratch_build("FROM scratch\nCOPY a /\nENV x=1\n", {"a": ""})
    found = [(event.step, event.action) for event in built.events if isinstance(event, ContainerEvent)]
    assert found == [(3, "created"), (3, "removed")]
