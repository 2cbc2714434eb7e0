"""FROM: archives and layouts by path, and images that no registry gives."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_registry import fake_registry
from test_registry_server import build

from tests.conftest import missing
from workbench.build.events import BuildFinished, StepFinished, StepStarted
from workbench.engines.embedded.archive_base import ArchiveName, archive_name
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.registry.dial import Unreachable
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.save import save
from workbench.engines.embedded.store import Store


def ended(events: list[object]) -> BuildFinished:
    end = events[-1]
    assert isinstance(end, BuildFinished)
    return end


@pytest.fixture
def engine(tmp_path: Path) -> EmbeddedEngine:
    return EmbeddedEngine(tmp_path / "builder")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("oci:./a/b", ArchiveName("oci", "./a/b")),
        ("oci:.", ArchiveName("oci", ".")),
        ("oci:/a:1", ArchiveName("oci", "/a", "1")),
        ("oci-archive:./x.tar:r.example:5000/x:1", ArchiveName("oci-archive", "./x.tar", "r.example:5000/x:1")),
        ("docker-archive:/x.tar", ArchiveName("docker-archive", "/x.tar")),
        ("oci:latest", None),
        ("oci:.x", None),
        ("oci-archive:x.tar", None),
        ("busybox", None),
    ],
)
def test_names_of_archives(text: str, wanted: ArchiveName | None) -> None:
    assert archive_name(text) == wanted


@pytest.fixture
def layout(store: Store, make_image: Callable[..., str], tmp_path: Path) -> str:
    """The context has an OCI layout with two images; the ID of `one`."""
    identifier = make_image("one:1", data=b"1", Env=["ONE=1"])
    make_image("two:1", data=b"2")
    shutil.copytree(store.root, tmp_path / "context" / "layout", ignore=shutil.ignore_patterns("workbench"))
    return identifier


async def test_from_a_layout(engine: EmbeddedEngine, layout: str, tmp_path: Path) -> None:
    for name in ("oci:./layout:one:1", f"oci:{tmp_path}/context/layout:one:1", "oci:./layout:docker.io/library/one:1"):
        end = ended(await build(engine, tmp_path / "context", f"FROM {name}\nCMD x\n", tags=("made",)))
        assert end.outcome == "succeeded", end
        assert (await engine.images.inspect("made"))["Config"]["Env"][0] == "ONE=1"
    assert [image.tags for image in await engine.images.list()] == [("made:latest",)]


async def test_a_layout_of_several_images_wants_a_name(engine: EmbeddedEngine, layout: str, tmp_path: Path) -> None:
    end = ended(await build(engine, tmp_path / "context", "FROM oci:./layout\nCMD x\n"))
    assert (end.outcome, end.step) == ("failed", 1)
    assert "has 2 images: name one" in (end.error or "") and "one:1" in end.hint
    end = ended(await build(engine, tmp_path / "context", "FROM oci:./layout:three\nCMD x\n"))
    assert "has no image three" in (end.error or "")


async def test_from_a_docker_archive(engine: EmbeddedEngine, store: Store, layout: str, tmp_path: Path) -> None:
    save(store, ["one:1"], tmp_path / "context" / "one.tar")
    end = ended(await build(engine, tmp_path / "context", "FROM docker-archive:./one.tar\nCMD x\n"))
    assert end.outcome == "succeeded", end


async def test_from_an_oci_archive_of_skopeo(engine: EmbeddedEngine, layout: str, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        missing("no skopeo on this machine")
    context = tmp_path / "context"
    subprocess.run(
        ["skopeo", "copy", "-q", f"oci:{context}/layout:one:1", f"oci-archive:{context}/one.tar:v1"], check=True
    )
    for name in ("oci-archive:./one.tar", "oci-archive:./one.tar:v1"):
        end = ended(await build(engine, context, f"FROM {name}\nCMD x\n", tags=("made",)))
        assert end.outcome == "succeeded", end
    assert (await engine.images.inspect("made"))["Config"]["Env"][0] == "ONE=1"


@pytest.mark.parametrize(
    ("name", "said"),
    [("oci:../store", "leads out"), ("oci:./none", "there is no"), ("oci-archive:./layout", "is a folder"),
     ("oci:./Dockerfile", "is a file"), ("oci:./link", "leads out")],
)  # fmt: skip
async def test_archives_that_are_none(
    engine: EmbeddedEngine, layout: str, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "context" / "link").symlink_to(tmp_path / "store")
    end = ended(await build(engine, tmp_path / "context", f"FROM {name}\nCMD x\n"))
    assert (end.outcome, end.step, end.line) == ("failed", 1, 1)
    assert said in (end.error or "")


# -- no registry ---------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_nothing_is_built_for_a_base_that_is_not_to_be_had(
    engine: EmbeddedEngine, make_image: object, tmp_path: Path
) -> None:
    host = f"localhost:{closed_port()}"
    text = f"FROM scratch AS one\nCOPY Dockerfile /\nFROM {host}/x\nCOPY --from=one / /\n"
    before = time.monotonic()
    events = await build(engine, tmp_path / "context", text)
    end = ended(events)
    assert time.monotonic() - before < 3
    assert (end.outcome, end.step, end.line) == ("failed", 3, 3)
    assert end.error == f"no image {host}/x:latest in the store, and {host} could not be reached: Connection refused"
    assert "workbench load" in end.hint
    assert [event.step for event in events if isinstance(event, StepStarted)] == [3]


async def test_without_a_network(engine: EmbeddedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*about: object, **more: object) -> socket.socket:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", nobody)
    end = ended(await build(engine, tmp_path / "context", "FROM busybox\nCMD x\n"))
    assert end.error == (
        "no image busybox:latest in the store, and docker.io could not be reached: "
        "its name is not known here (no network?)"
    )


async def test_a_name_server_that_does_not_answer(
    engine: EmbeddedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    ever = threading.Event()

    def slow(*about: object, **more: object) -> socket.socket:
        ever.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", slow)
    monkeypatch.setattr("workbench.engines.embedded.registry.dial.CONNECT_SECONDS", 0.1)
    before = time.monotonic()
    end = ended(await build(engine, tmp_path / "context", "FROM busybox\nCMD x\n"))
    ever.set()
    assert time.monotonic() - before < 5
    assert "docker.io could not be reached: it does not answer" in (end.error or "")


async def test_a_build_whose_base_is_there_asks_nobody(
    engine: EmbeddedEngine, store: Store, make_image: Callable[..., str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def never(*about: object, **more: object) -> None:
        raise Unreachable("nobody may be asked")

    make_image("r.example/base:1")
    save(store, ["r.example/base:1"], tmp_path / "base.tar")
    await engine.images.load(tmp_path / "base.tar")
    monkeypatch.setattr("workbench.engines.embedded.registry.transport.connect", never)
    end = ended(await build(engine, tmp_path / "context", "FROM r.example/base:1\nCMD x\n"))
    assert end.outcome == "succeeded", end
    end = ended(await build(engine, tmp_path / "context", "FROM r.example/base:1\nCMD x\n", pull=True))
    assert end.error == "--pull: r.example could not be reached: nobody may be asked"


async def test_an_id_is_no_name_to_pull(engine: EmbeddedEngine, tmp_path: Path) -> None:
    end = ended(await build(engine, tmp_path / "context", f"FROM sha256:{'a' * 64}\nCMD x\n"))
    assert end.error == f"no image sha256:{'a' * 64} in the store"


async def test_copy_from_an_image_of_a_registry(engine: EmbeddedEngine, tmp_path: Path) -> None:
    with fake_registry() as fake:
        fake.image(b"content")
        text = f"FROM scratch\nCOPY --from={fake.host}/a/x:1 /file /here\n"
        events = await build(engine, tmp_path / "context", text)
        assert ended(events).outcome == "succeeded", events[-1]
        assert [event.step for event in events if isinstance(event, StepFinished)] == [1, 2]


async def test_a_cancelled_pull_ends_the_build(engine: EmbeddedEngine, tmp_path: Path) -> None:
    import threading

    with fake_registry() as fake:
        fake.image(b"content")
        go_on = threading.Event()
        waits = threading.Event()

        def rule(request: object) -> bool:
            if "/blobs/" not in request.path:  # type: ignore[attr-defined]
                return False
            waits.set()
            go_on.wait(20)
            return False

        fake.rules.append(rule)
        context = tmp_path / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM {fake.host}/a/x:1\nCMD x\n")
        from workbench.build.request import BuildRequest

        running = engine.build(BuildRequest(context=context))

        def cancel() -> None:
            waits.wait(20)
            running.cancel()

        threading.Thread(target=cancel, daemon=True).start()
        before = time.monotonic()
        try:
            events = [event async for event in running]
            assert ended(events).outcome == "cancelled" and time.monotonic() - before < 5  # type: ignore[arg-type]
        finally:
            go_on.set()


def test_settings_reach_the_engine(tmp_path: Path) -> None:
    from workbench.config import load_config
    from workbench.engines.choose import make

    config = load_config(
        {"WORKBENCH_REGISTRY_MIRRORS": "docker.io=a:1, docker.io=b", "WORKBENCH_INSECURE_REGISTRIES": "a:1,c",
         "WORKBENCH_ROOT": str(tmp_path)},
        tmp_path / "none",
    )  # fmt: skip
    engine = make("embedded", config)
    assert engine._registries == Registries({"docker.io": ("a:1", "b")}, ("a:1", "c"))  # type: ignore[attr-defined]
