"""EmbeddedImages: what `docker images`, inspect, history, rmi and import show and do."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from store_tools import config_of, header, make_tar, put_layer

from workbench.engines.embedded.filters import path_pattern
from workbench.engines.embedded.images import EmbeddedImages
from workbench.engines.embedded.store import Store
from workbench.errors import ImageInUse, ImageNotFound, InputError, StoreError, UsageError

MakeImage = Callable[..., str]


@pytest.fixture
def images(store: Store) -> EmbeddedImages:
    return EmbeddedImages(store)


def at(store: Store, tag: str, created: str, **config: object) -> str:
    """An image made at `created`."""
    layer = put_layer(store, make_tar(("file", tag.encode())))
    return store.put_image(config_of(layer, **config) | {"created": created}, [layer], tags=[tag] if tag else [])


async def names(images: EmbeddedImages, *filters: str, name: str = "", all: bool = False) -> list[str]:
    found = await images.list(name=name, filters=filters, all=all)
    return [tag for image in found for tag in image.tags or ("<none>",)]


async def test_a_store_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    assert await EmbeddedImages(Store(tmp_path / "a" / "b")).list() == []


async def test_images_are_newest_first_and_filtered_as_docker_does(images: EmbeddedImages, store: Store) -> None:
    at(store, "one:1", "2026-01-01T00:00:00Z", Labels={"a": "b"})
    at(store, "one:2", "2026-01-02T00:00:00.123456789Z", Labels={"a": "c", "d": ""})
    at(store, "local/one:1", "2026-01-03T00:00:00+01:00")
    at(store, "", "2026-01-04T00:00:00Z")
    assert await names(images) == ["<none>", "local/one:1", "one:2", "one:1"]
    assert await names(images, name="one") == ["one:2", "one:1"]
    assert await names(images, name="one:1") == ["one:1"]
    assert await names(images, "reference=*one*") == ["one:2", "one:1"]
    assert await names(images, "reference=*/*:[0-9]", "reference=one:2") == ["local/one:1", "one:2"]
    assert await names(images, "dangling=true") == ["<none>"]
    assert await names(images, "dangling=false", "label=a") == ["one:2", "one:1"]
    assert await names(images, "label=a=b") == ["one:1"]
    assert await names(images, "label=a", "label=d") == ["one:2"]
    assert await names(images, "since=one:1", "before=local/one:1") == ["one:2"]
    for bad in ("colour=red", "dangling=perhaps", "nothing", "reference=[a"):
        with pytest.raises(UsageError):
            await images.list(filters=[bad])
    with pytest.raises(ImageNotFound):
        await images.list(filters=["before=nothing"])


def test_patterns_are_those_of_path_match() -> None:
    for pattern, text, matches in (
        ("*", "a", True), ("*", "a/b", False), ("a?c", "abc", True), ("a?c", "a/c", False), ("[^a]", "b", True),
        ("[^a]", "a", False), ("[a-c]x", "bx", True), (r"\*", "*", True), (r"\*", "a", False), ("a.c", "abc", False),
        (r"[\]]", "]", True), ("[]a]", "]", None), ("[a", "a", None),
    ):  # fmt: skip
        if matches is None:
            with pytest.raises(UsageError):
                path_pattern(pattern)
        else:
            assert bool(path_pattern(pattern).fullmatch(text)) is matches, (pattern, text)


async def test_an_untagged_parent_is_intermediate(images: EmbeddedImages, make_image: MakeImage) -> None:
    parent = make_image(data=b"1")
    make_image("child", parent=parent, data=b"2")
    assert await names(images) == ["child:latest"]
    assert len(await images.list(all=True)) == 2
    assert (await images.prune(all=False, dry_run=True)).deleted == ()


async def test_inspect_has_dockers_shape(images: EmbeddedImages, store: Store) -> None:
    identifier = at(store, "a:1", "2026-01-01T00:00:00Z", Cmd=["sh"], Labels={"a": "b"})
    found = await images.inspect("a:1")
    assert found["Id"] == identifier
    assert found["RepoTags"] == ["a:1"]
    assert found["Created"] == "2026-01-01T00:00:00Z"
    assert found["Config"]["Cmd"] == ["sh"]
    assert found["Config"]["Entrypoint"] is None
    assert found["Size"] == 3
    assert found["RootFS"] == {"Type": "layers", "Layers": [store.image("a:1").layers[0].diff_id]}
    assert found["Metadata"]["LastTagTime"].startswith("20")


async def test_history_is_newest_first_and_knows_its_parents(images: EmbeddedImages, store: Store) -> None:
    layer = put_layer(store, make_tar(("file", b"12345")))
    config = config_of(layer)
    base = store.put_image(config, [layer], tags=["base"])
    line = {"created": "2026-01-02T03:04:06Z", "created_by": 'CMD ["sh"]', "empty_layer": True, "comment": "c"}
    child = store.put_image(config | {"history": [*config["history"], line]}, [layer], tags=["child"], parent=base)  # type: ignore[misc]
    newest, oldest = await images.history("child")
    assert (newest.id, newest.created_by, newest.size, newest.empty_layer) == (child, 'CMD ["sh"]', 0, True)
    assert (newest.comment, newest.tags) == ("c", ("child:latest",))
    assert (oldest.id, oldest.created_by, oldest.size, oldest.tags) == (base, "layer 0", 5, ("base:latest",))
    assert oldest.diff_id == layer.diff_id
    assert newest.created - oldest.created == 1


async def test_tag_and_remove(images: EmbeddedImages, make_image: MakeImage) -> None:
    identifier = make_image("a")
    await images.tag("a", "b:2")
    assert await names(images) == ["a:latest", "b:2"]
    with pytest.raises(ImageInUse):
        await images.remove([identifier])
    assert (await images.plan_removal([identifier])).blocked
    assert (await images.remove(["a", "b:2"])).deleted == (identifier,)
    with pytest.raises(ImageNotFound):
        await images.push("nosuch")


async def test_a_damaged_image_is_a_problem_beside_the_list(
    images: EmbeddedImages, store: Store, make_image: MakeImage
) -> None:
    make_image("good", data=b"1")
    bad = make_image("bad", data=b"2")
    store.blob_path(bad).write_text("{")
    assert await names(images) == ["good:latest"]
    assert str(store.blob_path(bad)) in str(images.problems[0])
    with pytest.raises(StoreError):
        await images.inspect("bad")
    await images.remove(["good"])
    with pytest.raises(StoreError, match="not what its name says"):
        await images.list()


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, bz2.compress, lzma.compress])
async def test_import_with_changes(
    images: EmbeddedImages, store: Store, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "root.tar").write_bytes(pack(make_tar(header("bin"), ("bin/sh", b"#!"))))
    changes = [
        "ENV A=b", "ENV C=${A}d A=e", "CMD sh -c x", 'ENTRYPOINT ["a"]', "EXPOSE 80 81-82/udp", 'LABEL a="b c"',
        "VOLUME /data", "ONBUILD RUN x", "USER u", "WORKDIR w", "WORKDIR x", "STOPSIGNAL 9",
        "HEALTHCHECK --interval=3s CMD true",
    ]  # fmt: skip
    identifier = await images.import_(tmp_path / "root.tar", tag="root", changes=changes, message="hello")
    assert store.image("root").id == identifier
    assert store.image("root").config["config"] == {
        "Env": ["A=e", "C=bd"],
        "Cmd": ["/bin/sh", "-c", "sh -c x"],
        "Entrypoint": ["a"],
        "ExposedPorts": {"80/tcp": {}, "81/udp": {}, "82/udp": {}},
        "Labels": {"a": "b c"},
        "Volumes": {"/data": {}},
        "OnBuild": ["RUN x"],
        "User": "u",
        "WorkingDir": "/w/x",
        "StopSignal": "9",
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 3_000_000_000},
    }
    assert (await images.history("root"))[0].comment == "hello"
    assert (store.unpacked(store.image("root").layers[0]) / "bin" / "sh").read_bytes() == b"#!"


async def test_import_refuses_what_it_cannot_use(images: EmbeddedImages, store: Store, tmp_path: Path) -> None:
    good = tmp_path / "good.tar"
    good.write_bytes(make_tar(("a", b"a")))
    for change in ("RUN x", "FROM scratch", "nonsense", "ENV", "ENV A=b\nENV C=d", "EXPOSE x"):
        with pytest.raises(UsageError):
            await images.import_(good, changes=[change])
    with pytest.raises(UsageError):
        await images.import_(good, tag="A B")
    for name, data in (
        ("empty", b""), ("noise", os.urandom(2000)), ("climbs", make_tar(("../../etc/passwd", b"x"))),
        ("cut", gzip.compress(os.urandom(5000))[:-100]), ("short", make_tar(("a", b"a" * 5000))[:2000]),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            await images.import_(tmp_path / name)
    assert await images.list() == []


async def test_changes_of_another_process_are_told(images: EmbeddedImages, store: Store, make_image: MakeImage) -> None:
    make_image("a")
    changes = images.changes()
    waiting = asyncio.ensure_future(anext(changes))
    script = (
        "import sys; from pathlib import Path; from workbench.engines.embedded.store import Store\n"
        "Store(Path(sys.argv[1])).tag('a', 'b')"
    )
    while not waiting.done():  # the watch may begin after the first tagging
        subprocess.run([sys.executable, "-c", script, store.root], check=True)
        store.tag("a", f"c:{os.urandom(4).hex()}")
        await asyncio.wait([waiting], timeout=0.5)
    await changes.aclose()
    assert "b:latest" in store.image("a").tags
