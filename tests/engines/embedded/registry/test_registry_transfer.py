"""Pulling from a registry that cuts, lies, refuses and waits."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_registry import Fake, Request, digest_of, fake_registry, times

from workbench.build.talk import Talk
from workbench.engines.embedded import describe
from workbench.engines.embedded.catalog import machine
from workbench.engines.embedded.images import EmbeddedImages
from workbench.engines.embedded.registry.pull import pull
from workbench.engines.embedded.registry.reference import parse_reference
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.removal import prune, remove
from workbench.engines.embedded.store import Store
from workbench.engines.worker import Cancel, Cancelled
from workbench.errors import ImageError, ImageNotFound

BIG = os.urandom(1 << 20)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fake_registry() as fake:
        yield fake


def get(store: Store, fake: Fake, name: str = "a/x:1", talk: Talk | None = None, **settings: object) -> str:
    reference = parse_reference(f"{fake.host}/{name}")
    return pull(store, reference, Registries(**settings), Cancel(), talk)  # type: ignore[arg-type]


def blob_rule(digest: str, reply: object) -> object:
    def rule(request: Request) -> bool:
        if not request.path.endswith(f"/blobs/{digest}"):
            return False
        reply(request)  # type: ignore[operator]
        return True

    return rule


def is_whole(store: Store, identifier: str) -> bool:
    image = store.image(identifier)
    return all(digest_of(store.blob_path(layer.digest).read_bytes()) == layer.diff_id for layer in image.layers)


def test_an_image_comes_with_its_id_and_its_name(store: Store, fake: Fake) -> None:
    identifier = fake.image(b"one", b"two")
    lines: list[str] = []
    counts: list[tuple[int, int]] = []
    talk = Talk(lambda current, total: counts.append((current, total)), lines.append)
    assert get(store, fake, talk=talk) == identifier
    assert store.image(f"{fake.host}/a/x:1").id == identifier and is_whole(store, identifier)
    assert lines[0] == "1: Pulling from a/x" and lines[-1].startswith("Status: Downloaded newer image for")
    assert counts[-1][0] == counts[-1][1] > 0
    fake.asked.clear()
    assert get(store, fake, talk=talk) == identifier
    assert fake.paths() == ["/v2/a/x/manifests/1"] and "up to date" in lines[-1]


def test_layers_that_are_here_are_not_fetched(store: Store, fake: Fake) -> None:
    fake.image(b"one", b"two", tag="1")
    get(store, fake)
    fake.image(b"one", b"three", tag="2")
    fake.asked.clear()
    identifier = get(store, fake, "a/x:2")
    assert len([path for path in fake.paths() if "/blobs/" in path]) == 2  # the config and one layer
    assert is_whole(store, identifier)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_whatever_a_layer_is_packed_in(store: Store, fake: Fake, pack: object) -> None:
    assert is_whole(store, get(store, fake) if fake.image(b"x", pack=pack) else "")  # type: ignore[arg-type]


def test_a_cut_connection_is_taken_up_where_it_broke(store: Store, fake: Fake) -> None:
    fake.image(BIG)
    layer = fake.first_layer()
    data = fake.blobs[layer]

    def cut(request: Request) -> None:
        start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        place = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        request.reply(206 if start else 200, data[start:], cut_after="300000", **place)

    fake.rules.append(times(3, blob_rule(layer, cut)))  # type: ignore[arg-type]
    assert is_whole(store, get(store, fake))
    ranges = [headers.get("Range") for _, path, headers in fake.asked if path.endswith(layer)]
    assert ranges == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_a_server_without_ranges_begins_again(store: Store, fake: Fake) -> None:
    fake.image(BIG)
    layer = fake.first_layer()
    fake.rules.append(times(1, blob_rule(layer, lambda it: it.reply(200, fake.blobs[layer], cut_after="70000"))))  # type: ignore[arg-type]
    fake.rules.append(blob_rule(layer, lambda it: it.reply(200, fake.blobs[layer])))  # type: ignore[arg-type]
    counts: list[tuple[int, int]] = []
    assert is_whole(store, get(store, fake, talk=Talk(lambda *both: counts.append(both))))
    assert counts[-1][0] == counts[-1][1]


def test_two_halves_of_different_things_are_fetched_again_whole(store: Store, fake: Fake) -> None:
    fake.image(BIG)
    layer = fake.first_layer()
    wrong = bytes(len(fake.blobs[layer]))
    fake.rules.append(times(1, blob_rule(layer, lambda it: it.reply(200, wrong, cut_after="70000"))))  # type: ignore[arg-type]
    assert is_whole(store, get(store, fake))


def test_a_connection_that_always_breaks_is_an_error(store: Store, fake: Fake) -> None:
    fake.image(BIG)
    layer = fake.first_layer()
    fake.rules.append(blob_rule(layer, lambda it: it.reply(200, fake.blobs[layer], cut_after="0")))  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=r"broke off after 0 of \d+ bytes of sha256:"):
        get(store, fake)
    assert not store.catalog().images


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "something else than the blob"),
        (lambda data: data + b"more", "more than the"),
    ],
)
def test_a_blob_that_is_not_what_its_digest_says(store: Store, fake: Fake, change: object, said: str) -> None:
    fake.image(b"x")
    layer = fake.first_layer()
    fake.blobs[layer] = change(fake.blobs[layer])  # type: ignore[operator]
    with pytest.raises(ImageError, match=said) as caught:
        get(store, fake)
    assert "Nothing was stored" in caught.value.hint
    assert not store.catalog().images


def test_a_layer_that_is_not_what_the_config_says(store: Store, fake: Fake) -> None:
    other = gzip.compress(b"no such tar")
    fake.image(b"x", pack=lambda tar: other)
    with pytest.raises(ImageError, match="as the config says"):
        get(store, fake)
    assert not store.catalog().images


def test_a_layer_that_is_damaged_gzip(store: Store, fake: Fake) -> None:
    fake.image(b"x", pack=lambda tar: gzip.compress(tar)[:-9])
    with pytest.raises(ImageError, match="damaged gzip"):
        get(store, fake)


def test_a_manifest_that_is_not_what_was_asked_for(store: Store, fake: Fake) -> None:
    fake.image(b"x")
    wrong = digest_of(b"another")
    fake.manifests[wrong] = fake.manifests["1"]
    with pytest.raises(ImageError, match="something else than the manifest"):
        get(store, fake, f"a/x@{wrong}")


def test_by_digest_it_gets_no_tag(store: Store, fake: Fake) -> None:
    identifier = fake.image(b"x")
    digest = digest_of(fake.manifests["1"][1])
    assert get(store, fake, f"a/x@{digest}") == identifier
    assert store.image(identifier).tags == ()


def test_what_came_by_its_digest_is_found_by_it_and_not_dangling(store: Store, fake: Fake) -> None:
    identifier = fake.image(b"x")
    digest = digest_of(fake.manifests["1"][1])
    get(store, fake, f"a/x@{digest}")
    name = f"{fake.host}/a/x@{digest}"
    image = store.image(name)
    assert (image.id, image.digests) == (identifier, (name,))
    assert describe.inspect(image)["RepoDigests"] == [name]
    shown = describe.row(image, store.catalog())
    assert shown.digests == (name,) and not shown.dangling
    assert prune(store).deleted == ()
    assert prune(store, dry_run=True).deleted == ()
    assert remove(store, [name]).deleted == (identifier,)


def test_an_old_latest_is_dangling_when_its_name_has_moved(store: Store, fake: Fake) -> None:
    old = fake.image(b"old", tag="latest")
    get(store, fake, "a/x:latest")
    assert store.image(old).digests and prune(store).deleted == ()
    new = fake.image(b"new", tag="latest")
    get(store, fake, "a/x:latest")
    assert prune(store).deleted == (old,)
    assert store.image(new).digests[0].startswith(f"{fake.host}/a/x@")


def test_of_an_index_the_one_for_this_machine(store: Store, fake: Fake) -> None:
    identifier = fake.image(b"x", tag="here")
    fake.image(b"y", tag="there")
    entries = [
        {"digest": digest_of(fake.manifests[tag][1]), "size": 1, "platform": {"os": os_, "architecture": name}}
        for tag, os_, name in (
            ("there", "linux", "s390x"),
            ("there", "windows", machine()),
            ("here", "linux", machine()),
        )
    ]
    digest = fake.manifest({"schemaVersion": 2, "manifests": entries}, "all")
    assert get(store, fake, "a/x:all") == identifier
    assert get(store, fake, f"a/x@{digest}") == identifier
    fake.manifest({"schemaVersion": 2, "manifests": entries[:2]}, "none")
    with pytest.raises(ImageNotFound, match=f"no image for linux/{machine()}") as caught:
        get(store, fake, "a/x:none")
    assert "linux/s390x" in caught.value.hint


def test_too_many_requests_are_waited_out(store: Store, fake: Fake) -> None:
    fake.image(b"x")
    fake.rules.append(times(2, lambda it: "/manifests/" in it.path and not it.reply(429, Retry_After="0")))
    fake.rules.append(times(2, lambda it: "/blobs/" in it.path and not it.reply(503)))
    assert is_whole(store, get(store, fake))


def test_too_many_requests_for_too_long(store: Store, fake: Fake) -> None:
    fake.rules.append(lambda it: "/manifests/" in it.path and not it.reply(429, Retry_After="0"))
    with pytest.raises(ImageError, match="too many requests"):
        get(store, fake)
    assert len(fake.paths()) == 5


def test_nobody_waits_for_an_hour(store: Store, fake: Fake) -> None:
    fake.rules.append(lambda it: "/manifests/" in it.path and not it.reply(429, Retry_After="3600"))
    with pytest.raises(ImageError, match="too many requests") as caught:
        get(store, fake)
    assert "3600 seconds" in caught.value.hint and len(fake.paths()) == 1


def test_retry_after_is_honoured_and_cancelling_ends_it(store: Store, fake: Fake) -> None:
    fake.rules.append(lambda it: "/manifests/" in it.path and not it.reply(429, Retry_After="30"))
    cancel = Cancel()
    timer = threading.Timer(0.1, cancel.ask)
    timer.start()
    before = time.monotonic()
    with pytest.raises(Cancelled):
        pull(store, parse_reference(f"{fake.host}/a/x:1"), Registries(), cancel)
    assert time.monotonic() - before < 5 and len(fake.paths()) == 1


def test_cancelling_ends_a_download_that_hangs(store: Store, fake: Fake) -> None:
    fake.image(BIG)
    layer = fake.first_layer()
    hangs, go_on = threading.Event(), threading.Event()

    def hang(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(fake.blobs[layer])))
        request.end_headers()
        request.wfile.write(fake.blobs[layer][:1000])
        hangs.set()
        go_on.wait(20)

    fake.rules.append(blob_rule(layer, hang))  # type: ignore[arg-type]
    cancel = Cancel()

    def ask() -> None:
        hangs.wait(20)
        cancel.ask()

    threading.Thread(target=ask, daemon=True).start()
    before = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            pull(store, parse_reference(f"{fake.host}/a/x:1"), Registries(), cancel)
        assert time.monotonic() - before < 5
    finally:
        go_on.set()


async def test_who_stops_waiting_stops_the_pull(tmp_path: Path, fake: Fake) -> None:
    fake.image(b"x")
    asked, go_on = threading.Event(), threading.Event()

    def rule(request: Request) -> bool:
        asked.set()
        go_on.wait(20)
        return False

    fake.rules.append(rule)
    images = EmbeddedImages(Store(tmp_path / "images"))
    task = asyncio.create_task(images.pull(f"{fake.host}/a/x:1"))
    await asyncio.to_thread(asked.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    before = time.monotonic()
    await asyncio.get_running_loop().shutdown_default_executor()  # waits for the thread of the pull
    assert time.monotonic() - before < 5
    go_on.set()


def test_a_proxy_is_given_the_whole_address(store: Store, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    identifier = fake.image(b"x")
    monkeypatch.setenv("http_proxy", f"http://ali:opensesame@{fake.host}")

    def rule(request: Request) -> bool:
        assert request.headers["Proxy-Authorization"] and request.headers["Host"] == "r.invalid"
        assert request.path.startswith("http://r.invalid/v2/")
        request.path = request.path.removeprefix("http://r.invalid")
        return False

    fake.rules.append(rule)
    assert pull(store, parse_reference("r.invalid/a/x:1"), Registries(insecure=("r.invalid",)), Cancel()) == identifier


def test_a_proxy_that_opens_no_tunnel(store: Store, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", fake.host)
    with pytest.raises(ImageError, match=f"its proxy {fake.host} answers 501"):
        pull(store, parse_reference("r.invalid/a/x:1"), Registries(), Cancel())


def test_layers_come_side_by_side(store: Store, fake: Fake) -> None:
    fake.image(b"a", b"b", b"c", b"d")
    layers = {layer["digest"] for layer in json.loads(fake.manifests["1"][1])["layers"]}
    together = threading.Barrier(4, timeout=20)

    def rule(request: Request) -> bool:
        if request.path.rpartition("/")[2] in layers:
            together.wait()
        return False

    fake.rules.append(rule)
    assert is_whole(store, get(store, fake))


def test_a_redirect_elsewhere_gets_no_login(store: Store, fake: Fake, tmp_path: Path) -> None:
    identifier = fake.image(b"x")
    login(tmp_path, fake.host)
    fake.rules.append(
        lambda it: "Authorization" not in it.headers and not it.reply(401, WWW_Authenticate='Basic realm="x"')
    )
    with fake_registry() as other:
        other.blobs = fake.blobs
        fake.rules.append(
            lambda it: "/blobs/" in it.path and not it.reply(307, Location=f"http://{other.host}{it.path}")
        )
        assert get(store, fake) == identifier
        assert len(other.asked) == 2 and not any("Authorization" in headers for _, _, headers in other.asked)


def test_a_mirror_is_asked_first(store: Store, fake: Fake) -> None:
    with fake_registry() as mirror:
        identifier = mirror.image(b"x", tag="1")
        mirrors = {fake.host: (mirror.host,)}
        assert get(store, fake, mirrors=mirrors) == identifier
        assert store.image(f"{fake.host}/a/x:1").id == identifier
        assert not fake.asked
        second = fake.image(b"y", tag="2")
        assert get(store, fake, "a/x:2", mirrors=mirrors) == second


def test_an_artifact_is_no_image(store: Store, fake: Fake) -> None:
    config = {"mediaType": "application/vnd.cncf.helm.config.v1+json", **fake.put(b"{}")}
    fake.manifest({"schemaVersion": 2, "config": config, "layers": []}, "1")
    with pytest.raises(ImageError, match="an artifact"):
        get(store, fake)


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"[]", "not a JSON object"), (b"{", "not JSON"), (b'{"schemaVersion": 1}', "version 1"),
     (b'{"schemaVersion": 2, "config": {"digest": "sha256:1"}}', "without a sha256 digest"),
     (b" " * ((4 << 20) + 1), "too big")],
    ids=["list", "half", "old", "no digest", "big"],
)  # fmt: skip
def test_a_manifest_that_is_none(store: Store, fake: Fake, text: bytes, said: str) -> None:
    fake.manifests["1"] = ("application/json", text)
    with pytest.raises(ImageError, match=said):
        get(store, fake)


def login(tmp_path: Path, host: str, user: str = "ali", password: str = "opensesame") -> None:
    import base64

    path = tmp_path / "home" / ".docker" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
