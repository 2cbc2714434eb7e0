from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines.docker.stream import Objects
from workbench.errors import EngineLost

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def decode(*pieces: bytes) -> list[dict[str, Any]]:
    objects = Objects()
    found = [value for piece in pieces for value in objects.feed(piece)]
    objects.end()
    return found


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4), st.lists(st.integers(0, 400)), st.booleans())
def test_pieces_make_no_difference(values: list[dict[str, Any]], cuts: list[int], ascii_only: bool) -> None:
    data = b"\r\n".join(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace") for value in values)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert decode(*pieces) == decode(data)


def test_objects_need_no_line_ends() -> None:
    assert decode(b'{"a": 1}{"b": 2} \n\n{"c": "\\u00e9"}') == [{"a": 1}, {"b": 2}, {"c": "é"}]


def test_a_long_string_arrives_in_many_pieces() -> None:
    text = "x" * 5000
    data = json.dumps({"stream": text}).encode()
    assert decode(*(data[at : at + 7] for at in range(0, len(data), 7))) == [{"stream": text}]


@pytest.mark.parametrize(
    "garbage", [b"<html><body>502 Bad Gateway</body></html>", b"[1]", b'{"a": nonsense, "b": 123456789}']
)
def test_what_is_no_engine_is_quoted(garbage: bytes) -> None:
    with pytest.raises(EngineLost, match="not a Docker Engine") as caught:
        decode(garbage)
    assert garbage.decode()[:20] in str(caught.value)


def test_an_end_within_an_object() -> None:
    with pytest.raises(EngineLost, match="middle of a message"):
        decode(b'{"stream": "Step 1')
