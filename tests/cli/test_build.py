"""`workbench build` on recorded builds: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import IMAGE, Run, recording
from workbench.build.events import BuildEvent, BuildWarning, from_json
from workbench.build.history import History

Replay = Callable[[Sequence[BuildEvent]], Path]

TRANSCRIPT = """\
Sending build context to embedded engine  3.072kB
Step 1/2 : FROM scratch
 --->
Step 2/2 : RUN x
out
 ---> c5de1cf67f83
Successfully built c5de1cf67f83
Successfully tagged genesis:latest
"""


def test_the_transcript_is_data_and_the_talk_is_not(run: Run, replay: Replay, context: Path) -> None:
    replay([*recording()[:-1], BuildWarning(message="mind this", code="Care", line=2), recording()[-1]])
    done = run("build", "-t", "genesis", str(context))
    assert (done.code, done.out) == (0, TRANSCRIPT)
    assert done.err == f"workbench: warning: {context}/Dockerfile:2: Care: mind this\n"


def test_json_is_one_event_a_line_and_reads_back(run: Run, replay: Replay, context: Path) -> None:
    replay(recording())
    done = run("build", "--progress", "json", str(context))
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [it["event"] for it in events][-1] == "BuildFinished" and events[-1]["outcome"] == "succeeded"
    assert len([from_json(it) for it in events]) == len(recording())


def test_quiet_prints_the_id_alone(run: Run, replay: Replay, context: Path) -> None:
    replay(recording())
    done = run("build", "-q", str(context))
    assert (done.code, done.out, done.err) == (0, f"{IMAGE}\n", "")


def test_quiet_tells_all_of_a_failure_on_stderr(run: Run, replay: Replay, context: Path) -> None:
    replay(recording("failed"))
    done = run("build", "-q", str(context))
    assert done.code == 1 and done.out == "" and "Step 2/2 : RUN x\nout\n" in done.err
    assert f"workbench: {context}/Dockerfile:2: it broke\n" in done.err


def test_a_failure_is_1_and_a_lost_engine_is_3(run: Run, replay: Replay, context: Path) -> None:
    replay(recording("failed"))
    assert run("build", str(context)).code == 1
    replay(recording("failed", lost=True))
    assert run("build", str(context)).code == 3


def test_iidfile_is_written_on_success_and_gone_otherwise(
    run: Run, replay: Replay, context: Path, tmp_path: Path
) -> None:
    replay(recording())
    iid = tmp_path / "iid"
    assert run("build", "--iidfile", str(iid), str(context)).code == 0
    assert iid.read_text() == IMAGE
    replay(recording("failed"))
    assert run("build", "--iidfile", str(iid), str(context)).code == 1
    assert not iid.exists()


def test_the_metadata_file_has_digest_and_names(run: Run, replay: Replay, context: Path, tmp_path: Path) -> None:
    replay(recording())
    file = tmp_path / "metadata.json"
    assert run("build", "--metadata-file", str(file), str(context)).code == 0
    assert json.loads(file.read_text()) == {"containerimage.digest": IMAGE, "image.name": "genesis:latest"}
    replay(recording("failed"))
    assert run("build", "--metadata-file", str(file), str(context)).code == 1
    assert not file.exists()


def test_call_check_is_check(run: Run, context: Path) -> None:
    checked = run("build", "--check", str(context))
    assert run("build", "--call", "check", str(context)) == checked


@pytest.mark.parametrize("flag", ["--isolation=hyperv", "--cache-to=x", "--output=type=tar", "--squash"])
def test_what_the_engine_cannot_honour_is_refused_by_name(run: Run, flag: str, context: Path) -> None:
    done = run("--engine", "embedded", "build", flag, str(context))
    name = flag.split("=")[0]
    assert done.code == 2 and f"the embedded engine cannot honour {name}" in done.err
    if name == "--isolation":
        assert "engines that have it: docker" in done.err


def test_the_history_has_it(run: Run, replay: Replay, context: Path) -> None:
    replay(recording())
    run("build", "-t", "genesis", str(context))
    replay(recording("failed"))
    run("build", str(context))
    failed, well = History().list(context.resolve())
    assert (well.outcome, failed.outcome, well.revision) == ("succeeded", "failed", 0)


def test_a_missing_busybox_says_who_makes_it(run: Run, replay: Replay, context: Path) -> None:
    events = [
        from_json(
            {**json.loads(json.dumps(_json(event))), **({"text": "ADD busybox.tar.xz /"} if _step(event) else {})}
        )
        for event in recording("failed")
    ]
    replay(events)
    done = run("build", str(context))
    assert done.code == 1 and f"workbench demo --make {os.path.relpath(context)}" in done.err
    (context / "busybox.tar.xz").touch()
    assert "demo --make" not in run("build", str(context)).err


def _json(event: BuildEvent) -> dict[str, object]:
    from workbench.build.events import to_json

    return to_json(event)


def _step(event: BuildEvent) -> bool:
    return _json(event).get("text") == "RUN x"


def test_tty_needs_a_terminal(run: Run, replay: Replay, context: Path) -> None:
    replay(recording())
    done = run("build", "--progress", "tty", str(context))
    assert done.code == 2 and "needs a terminal" in done.err


def test_check_builds_nothing(run: Run, context: Path, replay: Replay) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nMAINTAINER me\n")
    done = run("build", "--check", str(context))
    assert done.code == 0 and done.out.startswith(f"{context}/Dockerfile:2:1: MaintainerDeprecated: ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_cancels_the_build_and_waits(replay: Replay, context: Path, number: int, code: int) -> None:
    events = recording()
    slow = [*events[:4], from_json({**_json(events[4]), "at": events[3].at + 3600}), *events[5:]]
    replay(slow)
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "build", "--progress", "json", str(context)],
        env={**os.environ, "WORKBENCH_REPLAY_SPEED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while "StepFinished" not in (line := process.stdout.readline()):
        assert line, "the build ended early"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code and "Traceback" not in err
    assert json.loads(out.splitlines()[-1])["outcome"] == "cancelled"


def test_a_reader_that_goes_away_ends_it_quietly(replay: Replay, context: Path) -> None:
    events = recording()
    replay([*events[:6], *[events[5]] * 20000, *events[6:]])
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "build", str(context)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == 141
    assert process.stderr.read() == b""
    process.stderr.close()
