"""What goes over the owner's socket comes out as it went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.build.loop import LoopState
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.owner.wire import ForeignError, decode, encode
from workbench.errors import DockerfileError, EngineLost, Unsupported, WorkbenchError


@pytest.mark.parametrize(
    "value",
    [
        None, 1.5, "\udcff\n", Path("/a/\udcff"), ("a", ("b",)), frozenset({"a", "b"}), {"a": None, "!": "b"},
        LoopState(changed=frozenset({"src/a.py"}), building=3),
        BuildRequest(context=Path("/ctx"), tags=("a",), build_args={"A": None, "B": "b"}, ulimits=("nofile=1",)),
        Config(engine="docker", root=Path("/r"), mirrors={"docker.io": ("a", "b")}),
    ],
)  # fmt: skip
def test_there_and_back(value: Any) -> None:
    line = encode({"value": value})
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert decode(line) == {"value": value}


@pytest.mark.parametrize(
    "error",
    [
        DockerfileError(3, 7, "unknown instruction", path="Dockerfile", hint="did you mean RUN?"),
        Unsupported("--memory", engine="embedded", engines=["docker"], hint="h"),
        EngineLost("it went away", hint="again"),
    ],
)
def test_an_error_keeps_its_type_words_and_facts(error: WorkbenchError) -> None:
    back = decode(encode({"state": LoopState(error=error)}))["state"].error
    assert type(back) is type(error) and str(back) == str(error) and back.hint == error.hint
    assert vars(back) == vars(error)


def test_an_error_that_is_not_ours_keeps_its_words() -> None:
    back = decode(encode({"error": KeyError("a")}))["error"]
    assert isinstance(back, ForeignError) and str(back) == "KeyError: 'a'"


@pytest.mark.parametrize("line", [b"", b"[]", b"nonsense", b'{"a": {"!": "Path"}}', b'{"a": {"!": "os", "of": 1}}'])
def test_nonsense_raises(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError):
        encode({"a": object()})
