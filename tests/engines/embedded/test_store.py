"""The store as a standard OCI layout that is whole at every moment."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from store_tools import config_of, header, make_tar, put_layer

from workbench.engines.embedded.store import LayerRef, Store
from workbench.errors import ImageError, ImageNotFound, StoreError, UsageError

MakeImage = Callable[..., str]


def index_of(store: Store) -> list[dict[str, object]]:
    return json.loads((store.root / "index.json").read_text())["manifests"]


def test_an_empty_store_is_an_oci_layout(store: Store) -> None:
    assert json.loads((store.root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert index_of(store) == []
    assert store.catalog().images == {}


def test_a_blob_has_its_name_only_when_it_is_committed(store: Store) -> None:
    digest = f"sha256:{hashlib.sha256(b'ab').hexdigest()}"
    with store.write_blob() as blob:
        blob.write(b"a")
        blob.write(b"b")
        assert not store.has_blob(digest)
        found = blob.commit()
    assert (found.digest, found.size) == (digest, 2)
    assert store.blob_path(digest).read_bytes() == b"ab"
    with store.write_blob() as blob:
        blob.write(b"dropped")
    assert list(store.layout.scratch.folder.iterdir()) == []


def test_an_image_is_found_by_tag_and_id(store: Store, make_image: MakeImage) -> None:
    identifier = make_image("genesis", "other:1")
    image = store.image("genesis:latest")
    assert image.id == identifier
    assert set(image.tags) == {"genesis:latest", "other:1"}
    for reference in ("genesis", "docker.io/library/genesis", identifier, identifier[7:19], identifier[:15]):
        assert store.image(reference).id == identifier
    assert image.size == 1  # the content of its files, as Docker counts
    with pytest.raises(ImageNotFound, match="no such image: nothing"):
        store.image("nothing")


def test_the_same_config_is_the_same_image(store: Store, make_image: MakeImage) -> None:
    assert make_image("a") == make_image("b")
    assert set(store.image("a").tags) == {"a:latest", "b:latest"}
    assert len({entry["digest"] for entry in index_of(store)}) == 1


def test_a_tag_moves_and_leaves_its_image_dangling(store: Store, make_image: MakeImage) -> None:
    first = make_image("a", data=b"1")
    second = make_image("a", data=b"2")
    assert store.image("a").id == second
    assert store.image(first).tags == ()
    store.tag(first, "a")
    assert store.image("a").id == first
    assert store.image(second).tags == ()


def test_tags_are_validated(store: Store, make_image: MakeImage) -> None:
    make_image("a")
    for bad in ("A", "a b", "a:", "-a", "0" * 64):
        with pytest.raises(UsageError):
            store.tag("a", bad)


def test_an_ambiguous_prefix_is_refused(store: Store, make_image: MakeImage) -> None:
    ids = [make_image(data=str(number).encode()) for number in range(17)]
    first = {identifier[7] for identifier in ids}
    crowded = next(digit for digit in first if sum(identifier[7] == digit for identifier in ids) > 1)
    with pytest.raises(ImageError, match="beginning of"):
        store.image(crowded)


def test_put_image_refuses_a_missing_layer_and_changes_nothing(store: Store) -> None:
    lost = LayerRef("sha256:" + "0" * 64, "sha256:" + "0" * 64, 1)
    with pytest.raises(StoreError, match="went away"):
        store.put_image(config_of(lost), [lost], tags=["a"])
    assert index_of(store) == []


def test_one_damaged_image_does_not_hide_the_others(store: Store, make_image: MakeImage) -> None:
    make_image("good", data=b"1")
    bad = make_image("bad", data=b"2")
    store.blob_path(bad).unlink()
    catalog = store.catalog()
    assert [image.tags for image in catalog.images.values()] == [("good:latest",)]
    assert len(catalog.problems) == 1
    with pytest.raises(StoreError, match=r"this blob is missing") as caught:
        store.image("bad")
    assert str(store.blob_path(bad)) in str(caught.value)
    store.blob_path(store.image("good").manifest_digest).write_text("{")
    with pytest.raises(StoreError, match="not what its name says"):
        store.image("good")


def test_an_index_that_is_not_json_is_named(store: Store) -> None:
    (store.root / "index.json").write_text("{")
    with pytest.raises(StoreError, match=r"index\.json: the store is damaged: not JSON"):
        store.catalog()


def test_what_another_tool_wrote_into_the_index_stays(store: Store, make_image: MakeImage) -> None:
    path = store.root / "index.json"
    strange = {"mediaType": "x", "digest": "sha512:" + "0" * 128, "size": 1}
    path.write_text(json.dumps({"schemaVersion": 2, "manifests": [strange], "annotations": {"a": "b"}}))
    make_image("a")
    index = json.loads(path.read_text())
    assert strange in index["manifests"]
    assert index["annotations"] == {"a": "b"}
    assert store.image("a").tags == ("a:latest",)


def test_building_again_mends_a_damaged_image(store: Store, make_image: MakeImage) -> None:
    path = store.blob_path(make_image("a"))
    path.write_bytes(path.read_bytes().replace(b"amd64", b"AMD64"))
    with pytest.raises(StoreError):
        store.image("a")
    make_image("a")
    assert store.image("a").config["architecture"] == "amd64"
    assert len(index_of(store)) == 1


def test_a_chain_is_flattened_where_there_is_no_overlay(store: Store, tmp_path: Path) -> None:
    tars = make_tar(("a", b"1"), ("b", b"1")), make_tar((".wh.a", b""), ("c", b"2"))
    layers = [put_layer(store, tar) for tar in tars]
    (tmp_path / "root").mkdir()
    store.flatten(layers, tmp_path / "root")
    assert sorted(os.listdir(tmp_path / "root")) == ["b", "c"]


def test_leases_of_several_threads(store: Store) -> None:
    def work() -> None:
        for _ in range(30):
            with store.keep(), store.write_blob() as blob:
                blob.write(os.urandom(8))
                found = blob.commit()
                with store.layout.lock.held():
                    assert found.digest in store.layout.scratch.leased()

    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(store.layout.scratch.leases.iterdir()) == []


def test_a_folder_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(StoreError, match=r"not an image store: it holds 'precious.txt'"):
        Store(tmp_path).open()
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_full_disk_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    layer = put_layer(store, make_tar(("a", b"a")))
    with pytest.raises(StoreError, match="No space left on device") as caught:
        store.put_image(config_of(layer), [layer], tags=["a"])
    assert "free some space" in caught.value.hint
    monkeypatch.undo()
    assert Store(store.root).open().catalog().images == {}


def test_scratch_lives_as_long_as_its_owner(store: Store) -> None:
    with store.temporary() as folder:
        (folder / "x").mkdir(mode=0)
        Store(store.root).open()
        assert folder.exists()
    assert not folder.exists()


def test_scratch_of_a_dead_process_is_swept(store: Store) -> None:
    script = (
        "import os, sys; from pathlib import Path; from workbench.engines.embedded.store import Store\n"
        "store = Store(Path(sys.argv[1])).open(); scratch = store.temporary(); folder = scratch.__enter__()\n"
        "(folder / 'a').mkdir(); blob = store.write_blob(); blob.write(b'x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, store.root], check=False)
    assert len(list(store.layout.scratch.folder.iterdir())) == 2
    store.open()
    assert list(store.layout.scratch.folder.iterdir()) == []


def test_two_processes_tagging_lose_nothing(store: Store, make_image: MakeImage) -> None:
    make_image("base")
    script = (
        "import sys; from pathlib import Path; from workbench.engines.embedded.store import Store\n"
        "store = Store(Path(sys.argv[1])).open()\n"
        "for n in range(15): store.tag('base', f'{sys.argv[2]}:{n}')"
    )
    workers = [subprocess.Popen([sys.executable, "-c", script, store.root, name]) for name in ("one", "two")]
    thread = threading.Thread(target=lambda: [store.tag("base", f"three:{n}") for n in range(15)])
    thread.start()
    assert [worker.wait() for worker in workers] == [0, 0]
    thread.join()
    expected = {f"{name}:{n}" for name in ("one", "two", "three") for n in range(15)} | {"base:latest"}
    assert set(store.image("base").tags) == expected


def test_a_layer_is_unpacked_once_and_adopted_folders_serve(store: Store, tmp_path: Path) -> None:
    layer = put_layer(store, make_tar(header("d", mode=0o700), ("d/file", b"data")))
    folder = store.unpacked(layer)
    assert (folder / "d" / "file").read_bytes() == b"data"
    assert stat.S_IMODE((folder / "d").stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    marker = folder.stat().st_ino
    assert store.unpacked(layer.diff_id).stat().st_ino == marker
    with store.temporary() as scratch:
        (scratch / "upper").mkdir()
        (scratch / "upper" / "new").write_text("x")
        digest = "sha256:" + "1" * 64
        assert (store.adopt(digest, scratch / "upper", content=1) / "new").read_text() == "x"
    assert store.layers.get(digest) is not None


def test_what_an_earlier_boot_unpacked_is_unpacked_again(store: Store) -> None:
    layer = put_layer(store, make_tar(("file", b"data")))
    folder = store.unpacked(layer)
    (folder / "file").write_bytes(b"")  # as a power loss may leave it
    facts = folder.parent / "facts.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"boot": "another"}))
    assert (store.unpacked(layer) / "file").read_bytes() == b"data"


def test_a_damaged_layer_is_not_unpacked(store: Store) -> None:
    layer = put_layer(store, make_tar(("file", b"data")))
    store.blob_path(layer.digest).write_bytes(make_tar(("file", b"DATA")))
    with pytest.raises(StoreError, match="not what its name says"):
        store.unpacked(layer)
    assert store.layers.get(layer.diff_id) is None


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_the_store_by_tag(store: Store, make_image: MakeImage, tmp_path: Path) -> None:
    identifier = make_image("genesis", "second:1.0", Cmd=["sh"])
    for tag in ("genesis:latest", "second:1.0"):
        found = subprocess.run(
            ["skopeo", "inspect", "--raw", "--config", f"oci:{store.root}:{tag}"], capture_output=True, check=True
        )
        assert f"sha256:{hashlib.sha256(found.stdout).hexdigest()}" == identifier
    subprocess.run(
        ["skopeo", "copy", "--insecure-policy", f"oci:{store.root}:genesis:latest", f"oci:{store.root}:copied:1"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert store.image("copied:1").layers[0].diff_id == store.image("genesis").layers[0].diff_id
    assert (store.unpacked(store.image("copied:1").layers[0]) / "file").read_bytes() == b"x"


@pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed")
def test_umoci_lists_the_store(store: Store, make_image: MakeImage) -> None:
    make_image("genesis")
    found = subprocess.run(["umoci", "ls", "--layout", store.root], capture_output=True, check=True, text=True)
    assert "genesis:latest" in found.stdout
