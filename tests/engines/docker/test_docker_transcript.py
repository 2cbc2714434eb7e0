"""Messages of the builder as they were seen on the wire, and the events that become of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildWarning,
    ContainerEvent,
    StepFinished,
    StepLog,
    StepProgress,
    StepStarted,
)
from workbench.dockerfile import parse
from workbench.engines.docker.containers import Containers
from workbench.engines.docker.plan import Plan, make_plan
from workbench.engines.docker.transcript import Transcript

C1, C2 = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
I1, I2 = "111111111111", "222222222222"


def tell(
    text: str,
    *messages: str | dict[str, Any],
    rm: bool = True,
    running: Callable[[str], bool] = lambda identifier: False,
    fed: Callable[[Containers], None] = lambda containers: None,
    size: Callable[[str], int | None] = lambda image: None,
) -> tuple[list[BuildEvent], BuildFinished | None]:
    events: list[BuildEvent] = []
    containers = Containers(events.append)
    fed(containers)
    plan = make_plan(parse(text), None, {}) if text else Plan()
    transcript = Transcript(
        events.append, plan, containers, tags=("asked:latest",), rm=rm, running=running, size=size
    )  # fmt: skip
    for message in messages:
        transcript.take({"stream": message} if isinstance(message, str) else message)
    return events, transcript.outcome()


def lives(events: list[BuildEvent]) -> list[tuple[str, str, int | None]]:
    return [(it.container, it.action, it.exit_code) for it in events if isinstance(it, ContainerEvent)]


def images(events: list[BuildEvent]) -> list[tuple[int, str, bool]]:
    return [(it.step, it.image, it.cached) for it in events if isinstance(it, StepFinished)]


def logs(events: list[BuildEvent]) -> list[tuple[int, str, str]]:
    return [(it.step, it.text, it.stream) for it in events if isinstance(it, StepLog)]


def heading(number: int, total: int, text: str) -> list[str]:
    return [f"Step {number}/{total} : {text}", "\n"]


SHORT = "FROM busybox\nRUN echo hi\n"
BUILT: list[str | dict[str, Any]] = [
    {"aux": {"ID": f"sha256:{I2}{'0' * 52}"}},
    f"Successfully built {I2}\n",
    "Successfully tagged a:latest\n",
    "Successfully tagged b:2\n",
]


def begun(keyword: str = "RUN echo hi") -> list[str]:
    return [*heading(1, 2, "FROM busybox"), f" ---> {I1}\n", *heading(2, 2, keyword), f" ---> Running in {C1}\n"]


def test_the_bytes_that_a_step_added_are_those_of_its_image_beyond_the_one_before() -> None:
    text = "FROM busybox\nCOPY a /\nENV a=b\nRUN x\nRUN y\nFROM scratch\nADD b /\n"
    sizes = {"1" * 12: 100, "2" * 12: 142, "3" * 12: 142, "5" * 12: 149, "7" * 12: 60}
    asked = []

    def size(image: str) -> int | None:
        asked.append(image)
        return sizes.get(image)

    words: list[str | dict[str, Any]] = []
    for number, keyword in enumerate(text.strip().split("\n"), 1):
        words += heading(number, 7, keyword)
        words += [" ---> Using cache\n"] if keyword == "RUN x" else []
        words.append(" --->\n" if keyword == "FROM scratch" else f" ---> {str(number) * 12}\n")
    events, _ = tell(text, *words, *BUILT, size=size)
    added = {it.step: it.bytes for it in events if isinstance(it, StepFinished)}
    assert added == {1: None, 2: 42, 3: None, 4: None, 5: None, 6: None, 7: 60}, "of 4 the size is not known"
    assert "3" * 12 not in asked, "metadata adds nothing"


def test_a_run_without_a_feed() -> None:
    events, end = tell(
        SHORT,
        *begun(),
        "hi\n",
        "\x1b[91moops\n\x1b[0m",
        f"Removing intermediate container {C1}\n",
        f" ---> {I2}\n",
        *BUILT,
    )
    assert images(events) == [(1, I1, False), (2, I2, False)]
    assert logs(events) == [(2, "hi\n", "stdout"), (2, "oops\n", "stderr")]
    assert lives(events) == [
        (C1, "created", None), (C1, "started", None), (C1, "exited", 0), (C1, "committed", None), (C1, "removed", None),
    ]  # fmt: skip
    assert end is not None
    assert (end.outcome, end.image, end.tags) == ("succeeded", f"sha256:{I2}{'0' * 52}", ("a:latest", "b:2"))


def test_events_that_came_before_the_container_was_named() -> None:
    def feed(containers: Containers) -> None:
        containers.fed = True
        for action, code in (("created", None), ("started", None), ("exited", 0), ("removed", None)):
            containers.happened(C1 + "0" * 52, action, code)
        containers.happened(C2 + "0" * 52, "created", None)  # somebody else's

    events, _ = tell(SHORT, *begun(), f" ---> Removed intermediate container {C1}\n", f" ---> {I2}\n", *BUILT, fed=feed)
    assert [action for _, action, _ in lives(events)] == ["created", "started", "exited", "committed", "removed"]


def test_a_metadata_step_never_runs() -> None:
    text = 'FROM busybox\nCMD ["sh"]\n'
    events, _ = tell(
        text, *begun('CMD ["sh"]'), f"Removing intermediate container {C1}\n", f" ---> {I2}\n", *BUILT,
        running=lambda identifier: True,
    )  # fmt: skip
    assert [action for _, action, _ in lives(events)] == ["created", "committed", "removed"]


def test_without_rm_the_image_ends_the_container() -> None:
    events, end = tell(SHORT, *begun(), "hi\n", f" ---> {I2}\n", *BUILT, rm=False)
    assert [action for _, action, _ in lives(events)] == ["created", "started", "exited", "committed"]
    assert images(events)[-1] == (2, I2, False)
    assert end is not None
    assert end.outcome == "succeeded"


def test_what_a_running_command_prints_is_its_log() -> None:
    said = [f"Removing intermediate container {C1}\n", f" ---> {I2}\n", "Successfully built 333333333333\n"]
    answers = iter([True, False])
    events, end = tell(
        SHORT, *begun(), *said, f"Removing intermediate container {C1}\n", f" ---> {I2}\n", *BUILT,
        running=lambda identifier: next(answers),
    )  # fmt: skip
    assert [text for _, text, _ in logs(events)] == said
    assert end is not None
    assert end.image.startswith(f"sha256:{I2}")


def test_a_failing_command() -> None:
    message = "The command '/bin/sh -c echo hi' returned a non-zero code: 7"
    error = {"errorDetail": {"code": 7, "message": message}, "error": message}
    events, end = tell(SHORT, *begun(), "hi\n", error)
    assert lives(events)[1:] == [(C1, "started", None), (C1, "exited", 7)]
    assert [(it.step, it.error) for it in events if isinstance(it, StepFinished)][-1] == (2, message)
    assert end is not None
    assert (end.outcome, end.step, end.line, end.error) == ("failed", 2, 2, message)
    assert end.hint


def test_a_failing_command_with_force_rm() -> None:
    error = {"errorDetail": {"code": 7, "message": "no"}, "error": "no"}
    events, _ = tell(SHORT, *begun(), f"Removing intermediate container {C1}\n", error)
    assert lives(events)[1:] == [(C1, "started", None), (C1, "exited", 7), (C1, "removed", None)]


def test_triggers_belong_to_their_from() -> None:
    def feed(containers: Containers) -> None:
        containers.fed = True
        for action, code in (("started", None), ("exited", 0), ("removed", None)):
            containers.happened(C1, action, code)
        containers.happened(C2, "removed", None)

    events, _ = tell(
        "FROM base\n", *heading(1, 1, "FROM base"),
        "# Executing 2 build trigger", "s", "\n", f" ---> Running in {C1}\n",
        "trig\n", f"Removing intermediate container {C1}\n", f" ---> Running in {C2}\n",
        f"Removing intermediate container {C2}\n", f" ---> {I2}\n", *BUILT, fed=feed,
    )  # fmt: skip
    assert "".join(text for _, text, _ in logs(events)) == "# Executing 2 build triggers\ntrig\n"
    assert lives(events) == [
        (C1, "created", None), (C1, "started", None), (C1, "exited", 0), (C1, "committed", None), (C1, "removed", None),
        (C2, "created", None), (C2, "committed", None), (C2, "removed", None),
    ]  # fmt: skip
    assert images(events) == [(1, I2, False)]


def test_cached_scratch_and_arguments() -> None:
    text = "ARG A=1\nFROM scratch\nCOPY a /\n"
    events, _ = tell(
        text, *heading(1, 3, "ARG A=1"), *heading(2, 3, "FROM scratch"), " ---> \n", *heading(3, 3, "COPY a /"),
        " ---> Using cache\n", f" ---> {I2}\n", *BUILT,
    )  # fmt: skip
    assert images(events) == [(1, "", False), (2, "", False), (3, I2, True)]
    assert [it.line for it in events if isinstance(it, StepStarted)] == [1, 2, 3]


def test_progress_and_status_of_a_pull() -> None:
    events, _ = tell(
        SHORT, *heading(1, 2, "FROM busybox"), {"status": "Pulling from library/busybox", "id": "latest"},
        {"status": "Downloading", "progressDetail": {"current": 5, "total": 10}, "progress": "[=>]", "id": "abc"},
        {"status": "Extracting", "progressDetail": {"current": 7}, "id": "abc"},
        {"status": "Digest: sha256:1"}, f" ---> {I1}\n",
    )  # fmt: skip
    progress = [(it.what, it.current, it.total) for it in events if isinstance(it, StepProgress)]
    assert progress == [("abc Downloading", 5, 10), ("abc Extracting", 7, None)]
    assert logs(events) == [(1, "Digest: sha256:1\n", "stdout")]


def test_what_is_said_between_the_steps_is_a_warning() -> None:
    events, end = tell(
        "FROM busybox\n", *heading(1, 1, "FROM busybox"), f" ---> {I2}\n",
        "\x1b[91m[Warning] One or more build-args [X] were not consumed\n\x1b[0m", *BUILT,
    )  # fmt: skip
    warnings = [it.message for it in events if isinstance(it, BuildWarning)]
    assert warnings == ["[Warning] One or more build-args [X] were not consumed"]
    assert end is not None


def test_an_end_without_a_word_is_no_outcome() -> None:
    assert tell(SHORT, *begun(), "hi\n")[1] is None
    assert tell(SHORT, *begun()[:3], {"aux": {"ID": "sha256:1"}})[1] is None


def test_labels_of_the_command_line_are_steps() -> None:
    plan = make_plan(parse("FROM busybox\n"), None, {"b": "2", "a": "1"})
    assert [(it.step, it.text, it.line) for it in plan.steps] == [
        (1, "FROM busybox", 1), (2, "LABEL a=1", 0), (3, "LABEL b=2", 0),
    ]  # fmt: skip
