"""Names: where they are given and used, the outline, and renaming."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.dockerfile.test_properties import _FILES
from workbench.dockerfile import DockerfileError, parse
from workbench.dockerfile.fix import apply
from workbench.dockerfile.symbols import outline, rename, rename_complaint, rough_outline, symbol_at, symbols

TEXT = """\
ARG VERSION=1 OTHER
FROM alpine:${VERSION} AS base
ARG VERSION
ENV NAME=$VERSION TEXT="NAME=${NAME:-$VERSION}" VERSIONS=2
RUN echo $VERSION '$VERSION' "$VERSION" \\$VERSION ${VERSIONS}
RUN <<EOF
echo $VERSION
EOF
RUN <<'EOF'
echo $VERSION '$VERSION'
EOF
COPY <<'EOF' /x
$VERSION
EOF
COPY <<EOF /y
$VERSION
EOF
RUN <<EOF
#!/usr/bin/env python3
print("base")
EOF
FROM base
ONBUILD ARG VERSION
RUN --mount=type=bind,from=base,target=/m --mount=from=base,target=/n ls /base
COPY --from=base /base /x
COPY --from=0 /y /z
CMD echo $VERSION
"""


def at(text: str, line: int, word: str) -> tuple[int, int]:
    return line, text.split("\n")[line - 1].index(word) + 1


def test_a_variable_is_renamed_where_it_is_filled_in() -> None:
    dockerfile = parse(TEXT)
    symbol = symbol_at(dockerfile, *at(TEXT, 2, "VERSION"))
    assert symbol is not None and symbol.kind == "variable" and symbol.given[:2] == (1, 5)
    renamed = apply(TEXT, rename(dockerfile, symbol, "V"))
    assert (
        renamed
        == """\
ARG V=1 OTHER
FROM alpine:${V} AS base
ARG V
ENV NAME=$V TEXT="NAME=${NAME:-$V}" VERSIONS=2
RUN echo $V '$VERSION' "$V" \\$VERSION ${VERSIONS}
RUN <<EOF
echo $V
EOF
RUN <<'EOF'
echo $V '$VERSION'
EOF
COPY <<'EOF' /x
$VERSION
EOF
COPY <<EOF /y
$V
EOF
RUN <<EOF
#!/usr/bin/env python3
print("base")
EOF
FROM base
ONBUILD ARG V
RUN --mount=type=bind,from=base,target=/m --mount=from=base,target=/n ls /base
COPY --from=base /base /x
COPY --from=0 /y /z
CMD echo $V
"""
    )


def test_a_stage_is_renamed_where_it_is_meant() -> None:
    dockerfile = parse(TEXT)
    symbol = symbol_at(dockerfile, *at(TEXT, 25, "base"))
    assert symbol is not None and symbol.given == (2, 27, 2, 31)
    assert len(symbol.places) == 5
    renamed = apply(TEXT, rename(dockerfile, symbol, "first"))
    assert "alpine:${VERSION} AS first\n" in renamed and "FROM first\n" in renamed
    assert "from=first,target=/m --mount=from=first,target=/n ls /base" in renamed
    assert "COPY --from=first /base /x" in renamed and 'print("base")' in renamed


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [("base", "1x", "is no name"), ("base", "scratch", "something else"), ("base", "other", "already"),
     ("A", "b-c", "is no name"), ("A", "B", "already"), ("A", "C", ""), ("base", "Base2", "")],
)  # fmt: skip
def test_names_that_will_not_do(old: str, new: str, why: str) -> None:
    dockerfile = parse("ARG A B\nFROM x AS base\nFROM y AS other\n")
    (symbol,) = [it for it in symbols(dockerfile) if it.name == old]
    said = rename_complaint(dockerfile, symbol, new)
    assert why in said and bool(why) == bool(said)


def test_outline() -> None:
    assert [(it.kind, it.text, it.line, it.level) for it in outline(parse(TEXT))] == [
        ("argument", "VERSION=1 OTHER", 1, 0),
        ("stage", "base (from alpine:${VERSION})", 2, 0),
        ("argument", "VERSION", 3, 1),
        ("stage", "stage 1 (from base)", 22, 0),
    ]


def test_a_rough_outline_says_the_same_of_most_files_and_something_of_a_broken_one() -> None:
    assert rough_outline(TEXT)[:4] == outline(parse(TEXT))[:4]
    text = "ARG A\nFROM --platform=x b AS Name\nFORM x\nFROM\nFROM c\nARG d\n"
    found = [(it.text, it.line, it.level) for it in rough_outline(text)]
    assert found == [("A", 1, 0), ("name (from b)", 2, 0), ("stage 1 (from c)", 5, 0), ("d", 6, 1)]


@settings(max_examples=200, deadline=None)
@given(_FILES)
def test_every_place_holds_the_name_and_nothing_else(text: str) -> None:
    try:
        dockerfile = parse(text)
    except DockerfileError:
        return
    lines = text.split("\n")
    for symbol in symbols(dockerfile):
        assert symbol.given in symbol.places
        for place in symbol.places:
            assert place.start_line == place.end_line
            written = lines[place.start_line - 1][place.start_column - 1 : place.end_column - 1]
            assert written.lower() == symbol.name.lower()
