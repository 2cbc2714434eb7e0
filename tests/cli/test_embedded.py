"""The headless workbench on the embedded engine, on the samples: what the README promises."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from workbench.cli.busybox import applets, write_archive
from workbench.cli.samples import sample


@pytest.fixture(scope="module")
def archive(static_busybox: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `busybox.tar.xz`."""
    path = tmp_path_factory.mktemp("busybox") / "busybox.tar.xz"
    write_archive(path, static_busybox.read_bytes(), applets(static_busybox))
    return path


@pytest.fixture
def samples(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every sample, ready to build on the embedded engine."""
    monkeypatch.setenv("WORKBENCH_ENGINE", "embedded")
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    for name in ("genesis", "ignore", "stages", "broken"):
        shutil.copytree(sample(name), tmp_path / name)
        shutil.copy(archive, tmp_path / name)
    return tmp_path


LAB = """\
Sending build context to embedded engine  SIZE
Step 1/4 : FROM scratch
 --->
Step 2/4 : MAINTAINER byjeon <mysummit@gmail.com>
 ---> Running in ID
Removing intermediate container ID
 ---> ID
Step 3/4 : ADD busybox.tar.xz /
 ---> ID
Step 4/4 : CMD ["sh"]
 ---> Running in ID
Removing intermediate container ID
 ---> ID
Successfully built ID
Successfully tagged genesis:latest
"""


def test_genesis_is_the_labs_transcript(samples: Path, run: Run) -> None:
    done = run("build", "--tag", "genesis", "genesis")
    shown = re.sub(r"\b[0-9a-f]{12}\b", "ID", done.out)
    assert re.sub(r"  [\d.]+kB\n", "  SIZE\n", shown) == LAB and (done.code, done.err) == (0, "")
    image = json.loads(run("inspect", "genesis").out)[0]
    built = re.search(r"Successfully built (\w+)", done.out)
    assert built is not None and image["Id"].startswith(f"sha256:{built[1]}") and image["Config"]["Cmd"] == ["sh"]
    assert run("images", "-q", "genesis").out == f"{built[1]}\n"


def test_stages_and_their_arguments(samples: Path, run: Run) -> None:
    done = run("build", "--progress", "json", "--build-arg", "NAME=you", "stages")
    logs = [json.loads(line).get("text", "") for line in done.out.splitlines() if '"StepLog"' in line]
    assert (done.code, "".join(logs)) == (0, "hello, you\n"), done.out + done.err
    assert run("build", "-q", "--target", "test", "stages").code == 0


def test_broken_fails_in_its_third_step(samples: Path, run: Run) -> None:
    done = run("build", "broken")
    assert done.code == 1 and "looking for the recipe\n" in done.out and "Step 4" not in done.out, done.err
    assert done.err.startswith("workbench: broken/Dockerfile:3: The command ")


def test_ignore_sends_what_context_says(samples: Path, run: Run) -> None:
    listed = [json.loads(line) for line in run("context", "--sent", "--format", "json", "ignore").out.splitlines()]
    size = sum(it["size"] for it in listed if it["kind"] == "file")
    done = run("build", "--progress", "json", "ignore")
    sent = next(json.loads(line) for line in done.out.splitlines() if '"ContextSent"' in line)
    assert done.code == 0 and sent["bytes"] == size
    paths = {it["path"] for it in listed}
    assert {"docs/licence.txt", "README.md", "secrets/example.env", "src/generated/version.txt"} <= paths
    assert not {"docs/index.txt", "CHANGES.md", "secrets/key.txt", "src/build.log", "cache"} & paths


def test_a_missing_busybox_says_who_makes_it(samples: Path, run: Run) -> None:
    (samples / "genesis" / "busybox.tar.xz").unlink()
    done = run("build", "genesis")
    assert done.code == 1 and "busybox.tar.xz" in done.err and "`workbench demo --make genesis`" in done.err


def test_from_a_save_to_a_load(samples: Path, run: Run) -> None:
    image = run("build", "-q", "-t", "genesis", "genesis").out
    assert run("save", "-o", "image.tar", "genesis").code == 0
    assert "Deleted: " + image in run("rmi", "genesis").out
    assert run("load", "-i", "image.tar").out == "Loaded image: genesis:latest\n"
    assert run("images", "-q", "--no-trunc").out == image


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", 2, "Dockerfile"),
        ("FROM scratch\nRUNN x\n", 2, "context/Dockerfile:2:1: unknown instruction"),
        ("FROM scratch\nCOPY nothing /\n", 1, "nothing"),
        ("FROM scratch\nCOPY ../x /\n", 1, ""),
        ("FROM no-such-image-here:1\n", 1, "no-such-image-here"),
    ],
)
def test_bad_input_is_an_error_a_person_understands(
    samples: Path, context: Path, run: Run, text: str, code: int, said: str
) -> None:
    (context / "Dockerfile").write_text(text)
    done = run("build", "context")
    assert done.code == code and said in done.err
    assert done.err.startswith("workbench: ") and "internal error" not in done.err
    assert run("images", "-q").out == "", "nothing half-written is left"


def test_explain_says_why(samples: Path, run: Run) -> None:
    assert "no earlier build" in run("build", "--explain", "genesis").out
    (samples / "genesis" / "Dockerfile").write_text('FROM scratch\nADD busybox.tar.xz /\nCMD ["sh"]\n')
    plain = run("build", "genesis").out
    assert "Not reused" not in plain
    assert "Not reused" not in run("build", "--explain", "genesis").out
    (samples / "genesis" / "busybox.tar.xz").write_bytes(b"not a tar any more")
    assert " ---> Not reused: busybox.tar.xz changed\n" in run("build", "--explain", "genesis").out
