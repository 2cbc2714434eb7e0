"""The canonical layout: what changes, and that the meaning does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.dockerfile.test_properties import _FILES, _TEXTS
from workbench.dockerfile import DockerfileError, parse
from workbench.dockerfile.layout import _meaning, layout


@pytest.mark.parametrize(
    ("text", "laid"),
    [
        ("from  a   as b\n", "FROM a AS b\n"),
        ("FROM a\n\n\n\nRUN x  \n\n", "FROM a\n\nRUN x\n"),
        ("FROM a\nrun   x  &&\\\n y\\\n   z", "FROM a\nRUN x  &&\\\n    y\\\n      z\n"),
        ("FROM a\nRUN a\\\nb\n", "FROM a\nRUN a\\\nb\n"),
        ("FROM a\nRUN x \\\n && y   \\\n   && z\n", "FROM a\nRUN x \\\n    && y \\\n      && z\n"),
        ("FROM a\nRUN x \\\n\n# why\n  y\n", "FROM a\nRUN x \\\n    # why\n    y\n"),
        ('FROM a\nRUN echo "a \\\n b"\n', 'FROM a\nRUN echo "a \\\n b"\n'),
        ("FROM a\ncopy  --link   --chown=1   b    c\n", "FROM a\nCOPY --link --chown=1 b    c\n"),
        ("FROM a\nonbuild   run  x\n", "FROM a\nONBUILD RUN x\n"),
        ("FROM a\nhealthcheck --retries=1  cmd x\n", "FROM a\nHEALTHCHECK --retries=1 CMD x\n"),
        ("FROM a\nrun <<EOF\n  x  \n\n\n  y\nEOF\n", "FROM a\nRUN <<EOF\n  x  \n\n\n  y\nEOF\n"),
        ("# escape=`\nfrom a\nrun x `\n y\n", "# escape=`\nFROM a\nRUN x `\n    y\n"),
        ("from a\r\nrun x\r\n", "FROM a\r\nRUN x\r\n"),
        ("FROM a\nENV  a=b \\\n  c=d\n", "FROM a\nENV a=b \\\n    c=d\n"),
    ],
)
def test_what_changes(text: str, laid: str) -> None:
    assert layout(text) == laid
    assert layout(laid) == laid


@settings(max_examples=400, deadline=None)
@given(_TEXTS | _FILES)
def test_the_meaning_stays_and_once_is_enough(text: str) -> None:
    try:
        before = parse(text)
    except DockerfileError:
        return
    laid = layout(text)
    after = parse(laid)
    assert _meaning(after.nodes) == _meaning(before.nodes)
    assert [type(it) for it in after] == [type(it) for it in before]
    assert layout(laid) == laid
