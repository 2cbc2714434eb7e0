"""Fixes: each settles its own finding, changes nothing else, and is not wanted a second time."""

from __future__ import annotations

from collections import Counter

import pytest

from workbench.dockerfile import DockerfileError, Range, parse
from workbench.dockerfile.fix import Edit, Fix, apply, apply_edits, as_one, together
from workbench.dockerfile.lint import Diagnostic, check, fix_all
from workbench.dockerfile.mend import mend, refusal
from workbench.dockerfile.surroundings import Surroundings

BASE = {"os": "linux", "architecture": "amd64", "config": {"Env": ["PATH=/bin"], "WorkingDir": "/srv"}}
AROUND = Surroundings(base_config=lambda image: BASE, ignored=lambda path: "*.log" if path.endswith(".log") else "")

SAFE = [
    ("StageNameCasing", "FROM a AS B\n", "FROM a AS b\n"),
    ("FromAsCasing", "FROM as as as\n", "FROM as AS as\n"),
    ("FromAsCasing", "from a AS b\n", "from a as b\n"),
    ("ConsistentInstructionCasing", "FROM a\nrun x\nRUN y\n", "FROM a\nRUN x\nRUN y\n"),
    ("ConsistentInstructionCasing", "from a\nrun x\nRun y\n", "from a\nrun x\nrun y\n"),
    ("JSONArgsRecommended", "FROM a\nCMD x  -y z\n", 'FROM a\nCMD ["x", "-y", "z"]\n'),
    (
        "JSONArgsRecommended",
        "FROM a\nCMD exec nginx -g 'daemon off;'\n",
        'FROM a\nCMD ["nginx", "-g", "daemon off;"]\n',
    ),
    ("JSONArgsRecommended", "FROM a\nENTRYPOINT x \\\n  -y\n", 'FROM a\nENTRYPOINT ["x", "-y"]\n'),
    (
        "MaintainerDeprecated",
        'FROM a\nMAINTAINER A "the $" <a@b>\n',
        'FROM a\nLABEL org.opencontainers.image.authors="A \\"the \\$\\" <a@b>"\n',
    ),
    ("LegacyKeyValueFormat", "FROM a\nENV k v w\n", 'FROM a\nENV k="v w"\n'),
    ("LegacyKeyValueFormat", "FROM a\nLABEL k v\n", "FROM a\nLABEL k=v\n"),
    ("ExposeProtoCasing", "FROM a\nEXPOSE 80/TCP\n", "FROM a\nEXPOSE 80/tcp\n"),
    ("ExposeInvalidFormat", "FROM a\nEXPOSE 127.0.0.1:8080:80/tcp 1\n", "FROM a\nEXPOSE 80/tcp 1\n"),
    ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM  a AS b\n", "FROM a AS b\n"),
    ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n  # c\n  \n  y\nRUN z\n", "FROM a\nRUN x \\\n  # c\n  y\nRUN z\n"),
    ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n", "FROM a\nRUN x \\\n"),
    (
        "MultipleInstructionsDisallowed",
        'FROM a\nCMD ["x"]\nUSER u\nCMD ["y"]\n',
        'FROM a\nUSER u\nCMD ["y"]\n',
    ),
    (
        "DuplicateStageName",
        "FROM a AS b\nFROM b\nRUN --mount=from=b,target=/m --mount=from=b,target=/n x\n"
        "COPY --from=b /x /y\nFROM c AS b\nFROM d\nCOPY --from=b /x /z\n",
        "FROM a AS b-1\nFROM b-1\nRUN --mount=from=b-1,target=/m --mount=from=b-1,target=/n x\n"
        "COPY --from=b-1 /x /y\nFROM c AS b\nFROM d\nCOPY --from=b /x /z\n",
    ),
    ("WorkdirRelativePath", "FROM a\nWORKDIR app\n", "FROM a\nWORKDIR /srv/app\n"),
    ("WorkdirRelativePath", "FROM scratch\nWORKDIR ./app\n", "FROM scratch\nWORKDIR /app\n"),
    ("InvalidDefinitionDescription", "# what\nFROM a AS b\n", "# what\n\nFROM a AS b\n"),
    ("WBAssumeYes", "FROM a\nRUN dnf install x\n", "FROM a\nRUN dnf install -y x\n"),
    ("WBAssumeYes", "FROM a\nRUN apt-get -o A=b \\\n  install x\n", "FROM a\nRUN apt-get -o A=b \\\n  install -y x\n"),
]
"""Code, text, and the text with the fix."""

SUGGESTED = [
    ("JSONArgsRecommended", 'FROM a\nENTRYPOINT x\nCMD ["y"]\n', 'FROM a\nENTRYPOINT ["x"]\nCMD ["y"]\n'),
    ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 a\n", "FROM a\n"),
    ("ReservedStageName", "FROM a AS context\nFROM context\n", "FROM a AS context-1\nFROM context-1\n"),
    ("InvalidDefaultArgInFrom", "ARG tag\nFROM a:$tag\n", "ARG tag=latest\nFROM a:$tag\n"),
    ("UndefinedArgInFrom", "ARG version=1\nFROM a${versoin}\n", "ARG version=1\nFROM a${version}\n"),
    ("UndefinedVar", "FROM a\nENV X=${PTH}:/x\n", "FROM a\nENV X=${PATH}:/x\n"),
    ("CopyIgnoredFile", "FROM a\nCOPY x a.log /y/\n", "FROM a\nCOPY x /y/\n"),
    ("WBAddLocalFile", "FROM a\nADD x /y\n", "FROM a\nCOPY x /y\n"),
    ("WBApkCache", "FROM a\nRUN apk add curl\n", "FROM a\nRUN apk add --no-cache curl\n"),
    ("WBAptCommand", "FROM a\nRUN x && apt update\n", "FROM a\nRUN x && apt-get update\n"),
    (
        "WBAptLists",
        "FROM a\nRUN apt-get update && apt-get install -y x\n",
        "FROM a\nRUN apt-get update && apt-get install -y x && rm -rf /var/lib/apt/lists/*\n",
    ),
    (
        "WBAptLists",
        "FROM a\nRUN apt-get update \\\n    && apt-get install -y x\n",
        "FROM a\nRUN apt-get update \\\n    && apt-get install -y x \\\n    && rm -rf /var/lib/apt/lists/*\n",
    ),
    (
        "WBAptSplit",
        "FROM a\nRUN apt-get update\n\nRUN apt-get install -y x && rm -rf /var/lib/apt/lists/*\n",
        "FROM a\nRUN apt-get update \\\n    && apt-get install -y x && rm -rf /var/lib/apt/lists/*\n",
    ),
    ("WBLostDirectory", "FROM a\nRUN cd /x\n", "FROM a\nWORKDIR /x\n"),
    ("WBLostDirectory", "FROM a\nRUN cd /x && \\\n  make\n", "FROM a\nWORKDIR /x\nRUN make\n"),
    ("WBOutsideContext", "FROM a\nCOPY ../../x /y\n", "FROM a\nCOPY x /y\n"),
    ("WBOutsideContext", "FROM a\nCOPY .. /y\n", "FROM a\nCOPY . /y\n"),
    ("WBPipCache", "FROM a\nRUN pip3 install x\n", "FROM a\nRUN pip3 install --no-cache-dir x\n"),
    ("WBPipCache", "FROM a\nRUN python -m pip install x\n", "FROM a\nRUN python -m pip install --no-cache-dir x\n"),
]
"""The same for those that change what is built, or are a guess."""


def found(text: str) -> list[Diagnostic]:
    return check(parse(text), options="experimental=all", surroundings=AROUND)


def said(diagnostics: list[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((it.code, it.message) for it in diagnostics)


@pytest.mark.parametrize(
    ("code", "text", "fixed", "safe"), [(*it, True) for it in SAFE] + [(*it, False) for it in SUGGESTED]
)
def test_a_fix_settles_its_finding_and_nothing_else(code: str, text: str, fixed: str, safe: bool) -> None:
    before = found(text)
    (one,) = [it for it in before if it.code == code]
    assert one.fix is not None
    assert one.fix.title
    assert one.fix.safe == safe
    assert apply(text, one.fix) == fixed
    after = found(fixed)
    assert said(after) == said(before) - Counter([(one.code, one.message)])


def test_enough_kinds() -> None:
    assert len({code for code, *_ in SAFE + SUGGESTED}) >= 20


@pytest.mark.parametrize("text", [text for _, text, _ in SAFE + SUGGESTED])
def test_all_safe_fixes_at_once(text: str) -> None:
    fixed, settled = fix_all(text, found)
    assert all(it.fix is not None and it.fix.safe for it in settled)
    assert fix_all(fixed, found) == (fixed, [])
    assert bool(settled) == (fixed != text)


def test_many_fixes_at_once() -> None:
    text = "from a AS Base\nRUN x\nENV k v\nEXPOSE 80/TCP 81/UDP\nFROM b AS base\nMAINTAINER me\nCMD a\nCMD b\n"
    fixed, settled = fix_all(text, found)
    assert fixed == (
        "FROM a AS base-1\nRUN x\nENV k=v\nEXPOSE 80/tcp 81/udp\nFROM b AS base\n"
        'LABEL org.opencontainers.image.authors="me"\nCMD ["b"]\n'
    )
    assert {it.code for it in settled} >= {"StageNameCasing", "DuplicateStageName", "ExposeProtoCasing"}
    assert found(fixed) == []


@pytest.mark.parametrize(
    "line",
    [
        "CMD a && b",
        "CMD echo $x",
        "CMD x=1 y",
        "CMD cd /x",
        "CMD echo *.txt",
        'CMD echo "$HOME"',
        "CMD x \\\n# why\n  y",
        "ENV k 'v w'",
        "ENV k v \\\n w",
    ],
)
def test_no_fix_where_it_would_change_the_meaning(line: str) -> None:
    (diagnostic,) = [it for it in found(f"FROM a\n{line}\n") if not it.code.startswith("WB")]
    assert diagnostic.fix is None


@pytest.mark.parametrize(
    "line",
    [
        "RUN yes | apt-get install x",
        "RUN apt-get -qq install x && rm -rf /var/lib/apt/lists/*",
        "RUN apt-get install --assume-yes x",
        "RUN echo apt-get install x",
        "RUN echo 'apt-get install x'",
        "RUN --mount=type=cache,target=/var/lib/apt apt-get update && apt-get install -y x",
        "RUN --mount=type=cache,target=/root/.cache pip install x",
        "RUN for i in a; do apt-get install $i; done",
        "RUN <<EOF\napt-get install x\nEOF",
        "RUN (cd /x && make)",
        "RUN make && cd /x && make",
        "ADD https://example.com/x /y",
        "ADD a.tar.gz /y",
        "ADD --unpack=false a /y",
        "ADD git@example.com:a/b.git /y",
        "COPY --from=b ../x /y",
        "COPY ..x /y",
    ],
)
def test_our_rules_are_silent(line: str) -> None:
    assert [it.code for it in found(f"FROM a\n{line}\n") if it.code.startswith("WB")] == []


def test_our_rules_can_be_skipped() -> None:
    assert found("FROM a\n# check=skip=WBAddLocalFile\nADD x /y\n") == []


def test_a_merge_loses_nothing() -> None:
    for between in ("# why\n", "RUN cd /x\n"):
        text = f"FROM a\nRUN apt-get update\n{between}RUN apt-get install -y x\n"
        assert all(it.fix is None for it in found(text) if it.code == "WBAptSplit")


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("FORM a\n", "FROM a\n"),
        ("FROM a\nrunn x\n", "FROM a\nrun x\n"),
        ("FROM a\nONBUILD RUNN x\n", "FROM a\nONBUILD RUN x\n"),
        ("FROM a\nCOPY --form=b x y\n", "FROM a\nCOPY --from=b x y\n"),
        ("FROM a\nRUN \\\n  --netwrok=none x\n", "FROM a\nRUN \\\n  --network=none x\n"),
        ("FROM a\nHEALTHCHECK --interval=1s curl x\n", "FROM a\nHEALTHCHECK --interval=1s CMD curl x\n"),
        ("FROM a\nSHELL /bin/sh -c\n", 'FROM a\nSHELL ["/bin/sh", "-c"]\n'),
        ("FROM a\nRUN <<EOF\nx\n", "FROM a\nRUN <<EOF\nx\nEOF\n"),
        ("FROM a\nRUN <<EOF\nx", "FROM a\nRUN <<EOF\nx\nEOF\n"),
    ],
)
def test_a_broken_file_is_mended(text: str, fixed: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    diagnostic = refusal(text, caught.value)
    assert (diagnostic.code, diagnostic.severity) == ("ParseError", "error")
    assert diagnostic.fix is not None
    assert not diagnostic.fix.safe
    assert apply(text, diagnostic.fix) == fixed
    assert parse(fixed)


@pytest.mark.parametrize("text", ["FROM a\nNONSENSE x\n", "", "RUN x\n", "FROM a b\n", "FROM a\nCOPY --from x y\n"])
def test_nothing_is_guessed_without_a_reason(text: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    assert mend(text, caught.value) is None


def test_edits() -> None:
    text = "ab\r\ncd\n"
    assert apply_edits(text, [Edit(Range(2, 1, 2, 2), "C"), Edit(Range(1, 3, 1, 3), "!")]) == "ab!\r\nCd\n"
    with pytest.raises(ValueError, match="overlap"):
        apply_edits(text, [Edit(Range(1, 1, 1, 3), ""), Edit(Range(1, 2, 1, 3), "")])
    with pytest.raises(ValueError, match="line 9"):
        apply(text, Fix("x", (Edit(Range(9, 1, 9, 1), ""),)))
    one, other = Fix("x", (Edit(Range(1, 1, 1, 2), ""),)), Fix("y", (Edit(Range(1, 2, 1, 3), ""),))
    assert together([one, other]) == [one]


def test_a_fix_as_one_edit() -> None:
    text = "ab\r\ncd\nef"
    fix = Fix("x", (Edit(Range(2, 1, 2, 2), "C"), Edit(Range(1, 3, 1, 3), "!")))
    one = as_one(text, fix)
    assert one == Edit(Range(1, 3, 2, 2), "!\r\nC")
    assert apply_edits(text, [one]) == apply(text, fix)
