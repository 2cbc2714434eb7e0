"""Edits of a build context, to see that a forecast is what the next build then does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.build.events import BuildEvent, StepFinished, StepStarted
from workbench.build.forecast import Forecast
from workbench.build.request import BuildRequest

# MINE is replaced: a shared engine must not know any of it. The two stages do not begin alike: of equal steps on equal
# parents, which a build without cache leaves, the classic builder takes the youngest, and that may be another stage's.
TEXT = """\
ARG TAG=latest
FROM busybox:$TAG AS tools
LABEL run=MINE
ARG VERSION=1.0
COPY tools /tools
RUN echo $VERSION > /version
FROM busybox
LABEL last=MINE
ENV PLACE=/srv
WORKDIR $PLACE
COPY *.txt notes/
RUN cat notes/*.txt > all
COPY --from=tools /version .
LABEL done=yes
RUN cat version
"""
FILES = {"tools/a.sh": "a", "tools/b/c.sh": "c", "one.txt": "1", "two.txt": "2", "other": "o"}


@dataclass(frozen=True)
class Edit:
    """One change between two builds."""

    name: str
    replace: tuple[str, str] = ("", "")
    files: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    remove: str = ""


EDITS = (
    Edit("nothing"),
    Edit("a file of the first stage", files={"tools/b/c.sh": "C"}),
    Edit("a file that a pattern takes", files={"three.txt": "3"}),
    Edit("a file that nobody takes", files={"other": "p"}),
    Edit("a file is gone", remove="two.txt"),
    Edit("an argument's default", ("VERSION=1.0", "VERSION=1.1")),
    Edit("a build argument", options={"build_args": {"VERSION": "2.0"}}),
    Edit("a variable", ("PLACE=/srv", "PLACE=/opt")),
    Edit("a command", ("> all", "> everything")),
    Edit("a label", ("done=yes", "done=no")),
    Edit("another spelling", ("COPY tools /tools", "COPY   ./tools/   /tools")),
    Edit("a step more", ("LABEL done", "RUN true\nLABEL done")),
    Edit("a step less", ("ENV PLACE=/srv\nWORKDIR $PLACE", "WORKDIR /srv")),
    Edit("another order", ("ENV PLACE=/srv\n", "LABEL early=1\nENV PLACE=/srv\n")),
    Edit("no cache", options={"no_cache": True}),
    Edit("target", options={"target": "tools"}),
)


def edited(edit: Edit, request: BuildRequest) -> BuildRequest:
    """The context of `request` after the edit, and the request for it: the text is unsaved."""
    context = request.context
    assert context is not None
    for name, content in edit.files.items():
        (context / name).write_text(content)
    if edit.remove:
        (context / edit.remove).unlink()
    text = (context / "Dockerfile").read_text()
    assert edit.replace[0] in text
    text = text.replace(*edit.replace) if edit.replace[0] else text
    return dataclasses.replace(request, dockerfile_text=text, **edit.options)  # type: ignore[arg-type]


def check_forecast(forecast: Forecast, events: list[BuildEvent], name: str = "") -> None:
    """What the build did is what was foreseen, step by step; `unknown` may be either."""
    finished = {event.step: event for event in events if isinstance(event, StepFinished)}
    assert {step.step for step in forecast.steps} == set(finished)
    for step in forecast.steps:
        if step.verdict == "unknown" or not counts(step.step, events):
            continue
        assert finished[step.step].cached == (step.verdict == "reuse"), (name, step)
        if finished[step.step].why and step.why:
            assert finished[step.step].why == step.why, (finished[step.step].why, step.why)


def counts(number: int, events: list[BuildEvent]) -> bool:
    """Whether an engine tells of this step that it was reused: not of a FROM, nor of an ARG before it."""
    started = next(event for event in events if isinstance(event, StepStarted) and event.step == number)
    keyword = started.text.split()[0]
    first = next(event.step for event in events if isinstance(event, StepStarted) and event.text.startswith("FROM"))
    return keyword != "FROM" and number > first
