"""Which fields are expanded, and what was used for it."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.dockerfile import DockerfileError, expand, parse

ENV = {"x": "1", "dir": "/d e"}


def expanded(text: str, escape: str = "\\") -> tuple[Any, frozenset[str]]:
    return expand(parse("FROM scratch\n" + text).instructions[1], ENV, escape)


@pytest.mark.parametrize(
    ("text", "field", "value", "used"),
    [
        ('ENV a$x="$x $y" b=c', "pairs", (("a1", "1 "), ("b", "c")), {"x", "y"}),
        ("ENV a b $x 'c d'", "pairs", (("a", "b 1 c d"),), {"x"}),
        ("LABEL a=$x", "pairs", (("a", "1"),), {"x"}),
        ("ARG a=${x} b", "pairs", (("a", "1"), ("b", None)), {"x"}),
        ("COPY $x $dir", "sources", ("1",), {"x", "dir"}),
        ("COPY a $dir", "destination", "/d e", {"dir"}),
        ("COPY --chown=$x a b", "chown", "1", {"x"}),
        ("COPY --from=$x a b", "from_", "$x", set()),
        ("ADD --checksum=$x a b", "checksum", "1", {"x"}),
        ("WORKDIR $dir", "path", "/d e", {"dir"}),
        ("USER $x", "user", "1", {"x"}),
        ("EXPOSE $dir 80", "ports", ("/d", "e", "80"), {"dir"}),
        ("VOLUME $dir $x", "paths", ("/d e", "1"), {"dir", "x"}),
        ("STOPSIGNAL $x", "signal", "1", {"x"}),
        ("RUN echo $x", "args", ("echo $x",), set()),
        ("CMD echo $x", "args", ("echo $x",), set()),
        ("ENTRYPOINT echo $x", "args", ("echo $x",), set()),
        ("MAINTAINER $x", "name", "$x", set()),
        ("ONBUILD ENV a=$x", "trigger_text", "ENV a=$x", set()),
        ("HEALTHCHECK CMD $x", "args", ("$x",), set()),
    ],
)
def test_fields(text: str, field: str, value: object, used: set[str]) -> None:
    instruction, names = expanded(text + "\n")
    ports = tuple(sorted(value)) if field == "ports" and isinstance(value, tuple) else value
    got = getattr(instruction, field)
    assert (tuple(sorted(got)) if field == "ports" else got) == ports
    assert names == used


def test_from() -> None:
    base, used = expand(parse("FROM --platform=$p a:$x AS b\n").stages[0].base, ENV | {"p": "linux/amd64"})
    assert (base.image, base.platform, base.name, used) == ("a:1", "linux/amd64", "b", {"x", "p"})


def test_documents() -> None:
    copy, used = expanded("COPY <<a <<-'b' <<-c /\n\"$x\"\na\n\t$y\nb\n\t$x\nc\n")
    assert [it.text for it in copy.heredocs] == ['"1"\n', "$y\n", "1\n"]
    assert used == {"x"}


def test_mounts() -> None:
    run, used = expanded("RUN --mount=type=cache,id=$x,target=$dir,uid=$x y\n")
    assert (run.mounts[0].id, run.mounts[0].target, run.mounts[0].uid, used) == ("1", "/d e", 1, {"x", "dir"})


def test_a_bad_word_has_its_place() -> None:
    with pytest.raises(DockerfileError) as caught:
        expanded("ENV a=1 \\\n b=${x\n")
    assert (caught.value.line, caught.value.column) == (3, 4)
    assert "missing '}'" in caught.value.message
