"""Against Debian's docker-registry: build, push, pull, with and without TLS and a password."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_registry import digest_of
from test_registry_transfer import login

from tests.conftest import missing
from workbench.build.events import BuildFinished, StepLog, StepProgress
from workbench.build.request import BuildRequest
from workbench.build.talk import Talk
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.registry.access import Access
from workbench.engines.embedded.registry.manifests import Blob
from workbench.engines.embedded.registry.pull import pull
from workbench.engines.embedded.registry.push import push
from workbench.engines.embedded.registry.records import Records
from workbench.engines.embedded.registry.reference import parse_reference
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.registry.upload import has_blob, upload
from workbench.engines.embedded.store import Store
from workbench.engines.worker import Cancel
from workbench.errors import ImageError, ImageNotFound, UsageError

TWO_STAGES = """\
FROM {base} AS one
COPY made /made
FROM {base}
COPY --from=one /made /srv/made
CMD ["/srv/made"]
"""


def send(store: Store, name: str, **settings: object) -> list[str]:
    lines: list[str] = []
    push(store, parse_reference(name), Registries(**settings), Cancel(), Talk(say=lines.append))  # type: ignore[arg-type]
    return lines


def get(store: Store, name: str, **settings: object) -> str:
    return pull(store, parse_reference(name), Registries(**settings), Cancel())  # type: ignore[arg-type]


def skopeo(name: str, *options: str) -> dict[str, object]:
    if shutil.which("skopeo") is None:
        missing("no skopeo on this machine")
    done = subprocess.run(["skopeo", "inspect", *options, f"docker://{name}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


async def build(engine: EmbeddedEngine, context: Path, text: str, **options: object) -> list[object]:
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(text)
    request = BuildRequest(context=context, **options)  # type: ignore[arg-type]
    return [event async for event in engine.build(request)]


async def test_built_from_a_registry_pushed_and_pulled_elsewhere(registry, make_image, store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    base, made = f"{registry.host}/contract/base:1", f"{registry.host}/contract/made:2"
    base_id = make_image(base, data=b"base" * 100_000, Env=["A=1"])
    send(store, base)
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "made").write_text("made")
    engine = EmbeddedEngine(tmp_path / "builder")
    events = await build(engine, tmp_path / "context", TWO_STAGES.format(base=base), tags=(made,))
    end = events[-1]
    assert isinstance(end, BuildFinished) and end.outcome == "succeeded", end
    progress = [event for event in events if isinstance(event, StepProgress)]
    assert progress and {event.step for event in progress} == {1}
    assert progress[-1].current == progress[-1].total and progress[-1].what == f"Pulling {base}"
    said = "".join(event.text for event in events if isinstance(event, StepLog) and event.step == 1)
    assert said.startswith("1: Pulling from contract/base\n") and "Status: Downloaded newer image" in said
    assert (await engine.images.inspect(base))["Id"] == base_id
    await engine.images.push(made)
    other = EmbeddedEngine(tmp_path / "elsewhere")
    assert await other.images.pull(made) == end.image
    assert (await other.images.inspect(made))["Config"]["Cmd"] == ["/srv/made"]
    assert (await other.images.inspect(made))["RootFS"] == (await engine.images.inspect(made))["RootFS"]
    seen = skopeo(made, "--tls-verify=false")
    assert len(seen["Layers"]) == 2 and "A=1" in seen["Env"]  # type: ignore[arg-type, operator]
    raw = skopeo(made, "--tls-verify=false", "--raw")
    assert raw["config"]["digest"] == end.image  # type: ignore[index]
    await engine.close()
    await other.close()


def test_what_is_there_is_not_sent_again(registry, make_image, store, second) -> None:  # type: ignore[no-untyped-def]
    one, two = f"{registry.host}/again/one:1", f"{registry.host}/again/two:1"
    identifier = make_image(one, two, data=b"again")
    assert any("Pushed" in line for line in send(store, one))
    assert any("already exists" in line for line in send(store, one))
    assert any("Mounted from again/one" in line for line in send(store, two))
    assert get(second, two) == identifier
    assert any("already exists" in line for line in send(second, two))  # known from the pull


def test_a_record_that_is_not_true_any_more(registry, make_image, store, second) -> None:  # type: ignore[no-untyped-def]
    name = f"{registry.host}/gone/x:1"
    identifier = make_image(name, data=b"gone")
    send(store, name)
    place = Records(store).places(store.image(name).layers[0].diff_id)[0]
    with Access(parse_reference(name), registry.host, Registries(), Cancel(), push=True) as access:
        access.request("DELETE", f"blobs/{place.blob.digest}", expect=(202,)).close()
        assert not has_blob(access, place.blob.digest)
    assert any("Pushed" in line for line in send(store, name))
    assert get(second, name) == identifier


@pytest.mark.parametrize("chunk", [1 << 10, 300, 5000])
def test_a_blob_in_chunks(registry, tmp_path: Path, chunk: int) -> None:  # type: ignore[no-untyped-def]
    data = bytes(range(256)) * 16 + str(chunk).encode()
    path = tmp_path / "blob"
    path.write_bytes(data)
    blob = Blob(digest_of(data), len(data))
    told: list[int] = []
    reference = parse_reference(f"{registry.host}/chunks/x:1")
    with Access(reference, registry.host, Registries(), Cancel(), push=True) as access:
        upload(access, blob, path, told.append, chunk=chunk)
        assert sum(told) == len(data)
        with access.request("GET", f"blobs/{blob.digest}") as answer:
            assert answer.read_all(len(data)) == data


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_skopeo_pushed_as_docker_does(registry, make_image, store, second, compression: str) -> None:  # type: ignore[no-untyped-def]
    """Docker's own media types with gzip; zstd where this Python can read it."""
    make_image("theirs:1", data=compression.encode() * 1000)
    name = f"{registry.host}/skopeo/{compression}:1"
    if shutil.which("skopeo") is None:
        missing("no skopeo on this machine")
    form = ["--format", "v2s2"] if compression == "gzip" else ["--format", "oci", "--dest-compress-format", "zstd"]
    subprocess.run(
        ["skopeo", "copy", "-q", *form, "--dest-tls-verify=false", f"oci:{store.root}:theirs:1", f"docker://{name}"],
        check=True,
    )
    modules = ("zstandard", "pyzstd", "compression")
    readable = shutil.which("zstd") or any(importlib.util.find_spec(name) for name in modules)
    raw = skopeo(name, "--tls-verify=false", "--raw")
    assert ("zstd" in raw["layers"][0]["mediaType"]) == (compression == "zstd")  # type: ignore[index]
    if compression == "zstd" and not readable:
        with pytest.raises(ImageError, match="compressed with zstd") as caught:
            get(second, name)
        assert "zstandard" in caught.value.hint
        return
    assert get(second, name) == raw["config"]["digest"]  # type: ignore[index]
    assert [layer.diff_id for layer in second.image(name).layers] == [
        layer.diff_id for layer in store.image("theirs:1").layers
    ]


def test_what_a_registry_has_not(registry, store) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ImageNotFound, match=f"{registry.host} has no no/such:1"):
        get(store, f"{registry.host}/no/such:1")


def test_what_the_store_has_not(registry, store) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ImageNotFound):
        send(store, f"{registry.host}/no/such:1")
    with pytest.raises(UsageError, match="not by a digest"):
        send(store, f"{registry.host}/no/such@{digest_of(b'')}")


async def test_pull_looks_for_a_newer_image(registry, make_image, store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    base = f"{registry.host}/newer/base:1"
    old = make_image(base, data=b"old")
    send(store, base)
    engine = EmbeddedEngine(tmp_path / "builder")
    text = f"FROM {base}\nCMD x\n"
    await build(engine, tmp_path / "context", text)
    new = make_image(base, data=b"new")
    assert old != new
    send(store, base)
    events = await build(engine, tmp_path / "context", text)
    assert not [event for event in events if isinstance(event, StepProgress)]
    assert (await engine.images.inspect(base))["Id"] == old
    await build(engine, tmp_path / "context", text, pull=True)
    assert (await engine.images.inspect(base))["Id"] == new
    events = await build(engine, tmp_path / "context", text, pull=True)
    said = "".join(event.text for event in events if isinstance(event, StepLog))
    assert "Status: Image is up to date" in said
    await engine.close()


async def test_by_digest_a_second_build_asks_nobody(registry, make_image, store, tmp_path) -> None:  # type: ignore[no-untyped-def]
    name = f"{registry.host}/digest/base:1"
    make_image(name, data=b"by digest")
    digest = send(store, name)[-1].split("digest: ")[1].split()[0]
    engine = EmbeddedEngine(tmp_path / "builder")
    text = f"FROM {name.removesuffix(':1')}@{digest}\nCMD x\n"
    first = await build(engine, tmp_path / "context", text)
    assert first[-1].outcome == "succeeded", first[-1]  # type: ignore[attr-defined]
    second = await build(engine, tmp_path / "context", text)
    assert not [event for event in second if isinstance(event, StepLog) and "Pulling" in event.text]
    await engine.close()


# -- TLS and a password --------------------------------------------------------------------------------------------


@pytest.fixture
def trusted(locked, tmp_path: Path):  # type: ignore[no-untyped-def]
    """The registry with a password, its certificate where Docker looks for it."""
    folder = tmp_path / "home" / ".config" / "docker" / "certs.d" / locked.host
    folder.mkdir(parents=True)
    shutil.copy(locked.certificate, folder / "ca.crt")
    return locked


def test_with_tls_and_a_password(trusted, make_image, store, second, tmp_path) -> None:  # type: ignore[no-untyped-def]
    login(tmp_path, trusted.host)
    name = f"{trusted.host}/locked/x:1"
    identifier = make_image(name, data=b"locked")
    send(store, name)
    assert get(second, name) == identifier
    assert len(skopeo(name, "--tls-verify=false", "--creds", "ali:opensesame")["Layers"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("password", ["", "wr0ngw0rd"])
def test_without_the_right_password(trusted, store, tmp_path, password: str) -> None:  # type: ignore[no-untyped-def]
    if password:
        login(tmp_path, trusted.host, password=password)
    with pytest.raises(ImageError, match="refuses access") as caught:
        get(store, f"{trusted.host}/locked/x:1")
    assert "docker login" in caught.value.hint
    assert not password or password not in str(caught.value) + caught.value.hint


def test_a_certificate_that_nobody_trusts(locked, store) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ImageError, match="its certificate is not trusted") as caught:
        get(store, f"{locked.host}/locked/x:1")
    assert "certs.d" in caught.value.hint


def test_an_insecure_registry_may_have_any_certificate(locked, make_image, store, second, tmp_path) -> None:  # type: ignore[no-untyped-def]
    login(tmp_path, locked.host)
    name = f"{locked.host}/insecure/x:1"
    identifier = make_image(name, data=b"insecure")
    send(store, name, insecure=(locked.host,))
    assert get(second, name, insecure=(locked.host,)) == identifier
