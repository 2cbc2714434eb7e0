"""What an engine cannot do, said of the text."""

from __future__ import annotations

import pytest

from workbench.build.engine_limits import engine_limits
from workbench.dockerfile import parse
from workbench.dockerfile.fix import apply


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("RUN <<EOF\nx\nEOF", "documents"),
        ("COPY <<EOF /x\nx\nEOF", "documents"),
        ("RUN --mount=type=secret,id=a x", "no RUN --mount"),
        ("RUN --network=none x", "no RUN --network"),
        ("COPY --chmod=644 a /b", "no COPY --chmod"),
        ("ADD --checksum=sha256:a http://x /b", "no ADD --checksum"),
        ("ONBUILD COPY --exclude=x . /b", "no COPY --exclude"),
        ("HEALTHCHECK --start-interval=1s CMD x", "no HEALTHCHECK --start-interval"),
    ],
)
def test_what_the_classic_builder_refuses(line: str, says: str) -> None:
    dockerfile = parse(f"FROM a\n{line}\n")
    (one,) = engine_limits(dockerfile, "docker")
    assert says in one.message and one.severity == "error" and "buildkit" in one.hint
    assert one.range.start_line == 2
    assert engine_limits(dockerfile, "embedded") == [] == engine_limits(dockerfile, "buildkit")


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("FROM a\nRUN --mount=type=cache,target=/x make\n", "FROM a\nRUN make\n"),
        ("FROM a\nCOPY --link --chown=1 a b\n", "FROM a\nCOPY --chown=1 a b\n"),
        ("FROM --platform=$BUILDPLATFORM a\n", "FROM a\n"),
        ("FROM --platform=${TARGETPLATFORM} a AS b\n", "FROM a AS b\n"),
    ],
)
def test_what_only_spares_time_can_go(text: str, fixed: str) -> None:
    (one,) = engine_limits(parse(text), "docker")
    assert one.fix is not None and apply(text, one.fix) == fixed
    assert engine_limits(parse(fixed), "docker") == []


def test_what_it_has() -> None:
    text = "ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM a AS b\nFROM b\nCOPY --from=b --chown=1 x y\n"
    assert engine_limits(parse(text), "docker") == []


def test_what_the_embedded_engine_refuses() -> None:
    found = engine_limits(parse("FROM a\nRUN --device=x y\nRUN --security=insecure z\n"), "embedded")
    assert [(it.range.start_line, it.severity) for it in found] == [(2, "error"), (3, "info")]
