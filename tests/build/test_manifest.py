"""Two manifests differ in facts that fit an event, and in one line that a person understands."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.build.change import NAMED, Change, change_from_json, sentence
from workbench.build.manifest import (
    Input,
    Manifest,
    argument_value,
    compare,
    from_lines,
    identity,
    nearest,
    pack,
    to_lines,
)

COPY = Manifest(
    keyword="COPY", instruction="COPY src /app", parent="sha256:" + "1" * 64,
    inputs=pack((Input("src", "directory", 0o755, ""), Input("src/app.py", "file", 0o644, "sha256:a"))),
)  # fmt: skip
RUN = Manifest(keyword="RUN", instruction="RUN make", arguments={"VERSION": "1.0"}, options={"--network": "none"})


def with_input(path: str, **changes: object) -> Manifest:
    return dataclasses.replace(
        COPY, inputs=pack(item._replace(**changes) if item.path == path else item for item in COPY.inputs)
    )


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (COPY, COPY, ""),
        (COPY, with_input("src/app.py", digest="sha256:b"), "src/app.py changed"),
        (COPY, with_input("src/app.py", mode=0o755), "src/app.py: mode 644 -> 755"),
        (COPY, with_input("src/app.py", kind="symlink"), "src/app.py changed"),
        (COPY, dataclasses.replace(COPY, inputs=pack(list(COPY.inputs)[:1])), "src/app.py is gone"),
        (dataclasses.replace(COPY, inputs=pack(list(COPY.inputs)[:1])), COPY, "src/app.py is new"),
        (COPY, dataclasses.replace(COPY, instruction="COPY src /srv", inputs=pack(())), "the instruction changed"),
        (RUN, dataclasses.replace(RUN, arguments={"VERSION": "1.1"}), "ARG VERSION: 1.0 -> 1.1"),
        (RUN, dataclasses.replace(RUN, arguments={}), "ARG VERSION: 1.0 -> not set"),
        (RUN, dataclasses.replace(RUN, options={}), "--network: none -> not set"),
    ],
)
def test_one_difference(old: Manifest, new: Manifest, wanted: str) -> None:
    assert sentence(compare(old, new)) == wanted


def test_a_base_that_moved_and_another_base() -> None:
    old = Manifest(keyword="RUN", instruction="RUN x", base="debian", parent="sha256:" + "1" * 64)
    moved = dataclasses.replace(old, parent="sha256:" + "2" * 64)
    assert sentence(compare(old, moved)) == "the base image debian changed: 111111111111 -> 222222222222"
    assert sentence(compare(old, dataclasses.replace(moved, base="alpine"))) == (
        "the base image changed: debian -> alpine"
    )


def test_many_files_are_counted_and_a_few_named() -> None:
    new = dataclasses.replace(COPY, inputs=pack(Input(f"new/{n:02}", "file", 0o644, "d") for n in range(40)))
    changes = compare(dataclasses.replace(COPY, inputs=pack(())), new)
    assert len(changes) == NAMED + 1
    assert changes[-1] == Change("more", count=40 - NAMED)
    assert sentence(changes) == "40 files changed: new/00, new/01, new/02, ..."
    few = compare(
        dataclasses.replace(COPY, inputs=pack(())), dataclasses.replace(COPY, inputs=pack(list(new.inputs)[:2]))
    )
    assert sentence(few) == "2 files added: new/00, new/01"


def test_the_nearest_of_the_earlier_builds_explains() -> None:
    far = dataclasses.replace(COPY, instruction="COPY other /", inputs=pack(()))
    near = with_input("src/app.py", digest="sha256:old")
    assert sentence(nearest([far, near], COPY)) == "src/app.py changed"
    assert nearest([], COPY) == (Change("first"),)
    assert nearest([COPY], COPY) == (Change("gone"),)


def test_secrets_are_digests() -> None:
    assert argument_value("VERSION", "1.0") == "1.0"
    assert argument_value("TOKEN_FILE", "/x") == "/x"
    for name in ("NPM_TOKEN", "password", "https_proxy"):
        shown = argument_value(name, "hunter2")
        assert "hunter2" not in shown
        assert shown != argument_value(name, "hunter3")


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8) | st.just("caf\udce9")
inputs = st.lists(
    st.builds(Input, names, st.just("file"), st.integers(0, 0o777), st.sampled_from("abc")),
    unique_by=lambda it: it.path,
).map(tuple)


@pytest.mark.slow
@given(inputs, inputs)
def test_lines_there_and_back_and_a_difference_is_seen(old: tuple[Input, ...], new: tuple[Input, ...]) -> None:
    one, two = dataclasses.replace(COPY, inputs=pack(old)), dataclasses.replace(COPY, inputs=pack(new))
    assert from_lines(to_lines(one)) == one
    assert bool(compare(one, two)) == (set(old) != set(new))
    assert (identity(one, "p") == identity(two, "p")) == (pack(old) == pack(new))
    assert set(pack(old)) == set(old)
    for change in compare(one, two):
        assert change_from_json(dataclasses.asdict(change)) == change


def test_what_is_no_manifest_is_a_value_error() -> None:
    for lines in ([], ["{}"], ['{"keyword": 1, "strange": 2}'], ["nonsense"]):
        with pytest.raises(ValueError):
            from_lines(lines)
    with pytest.raises(ValueError):
        change_from_json({"kind": "weather"})
    with pytest.raises(ValueError):
        change_from_json({"strange": 1})
