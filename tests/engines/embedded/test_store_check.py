"""A whole store is found whole; each damage is named with what suffers from it, and can be set apart."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from store_tools import put_layer, put_step

from tests.cli.conftest import Run, run  # noqa: F401
from workbench.engines.embedded.checking.examine import examine
from workbench.engines.embedded.checking.repair import repair
from workbench.engines.embedded.layout import CONFIG
from workbench.engines.embedded.store import Store
from workbench.errors import StoreError

MakeImage = Callable[..., str]


@pytest.fixture
def filled(store: Store, make_image: MakeImage) -> Store:
    """Images `good` and `bad`, both unpacked, and a cached step."""
    for name in ("good", "bad"):
        make_image(f"{name}:1", data=name.encode() * 1000)
        store.lowers(store.image(name + ":1").layers)
    put_step(store, "a", store.image("good:1").layers[0].digest)
    return store


def layer_of(store: Store, tag: str) -> str:
    return store.image(tag).layers[0].digest


def blob(store: Store, tag: str) -> Path:
    return store.blob_path(layer_of(store, tag))


def overwrite(path: Path) -> None:
    """One byte of the content is another one; the size stays."""
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)


def test_a_whole_store(filled: Store) -> None:
    report = examine(filled)
    assert report.whole and report.findings == []
    assert (report.images, report.blobs, report.layers, report.steps) == (2, 6, 2, 1)
    assert report.bytes == sum(path.stat().st_size for path in filled.layout.blobs.iterdir())


def remove_layer(store: Store) -> None:
    blob(store, "bad:1").unlink()


def remove_manifest(store: Store) -> None:
    store.blob_path(store.image("bad:1").manifest_digest).unlink()


def remove_config(store: Store) -> None:
    store.blob_path(store.image("bad:1").id).unlink()


def cut_layer(store: Store) -> None:
    os.truncate(blob(store, "bad:1"), 1000)


def change_layer(store: Store) -> None:
    overwrite(blob(store, "bad:1"))


@pytest.mark.parametrize(
    ("damage", "kinds"),
    [
        (remove_layer, {"blob-missing"}),
        (remove_manifest, {"index"}),
        (remove_config, {"image"}),
        (cut_layer, {"blob-damaged"}),
        (change_layer, {"blob-damaged"}),
    ],
)
def test_a_damaged_image_is_named_and_set_apart(
    filled: Store, damage: Callable[[Store], None], kinds: set[str]
) -> None:
    good = filled.image("good:1")
    damage(filled)
    report = examine(filled)
    assert {finding.kind for finding in report.damage} == kinds
    assert {finding.images for finding in report.damage} == {("bad:1",)}
    after, done = repair(filled)
    assert after.whole and done and examine(filled).whole
    assert filled.catalog().images == {good.id: good} and filled.catalog().problems == {}
    (kept,) = filled.private.joinpath("damaged").iterdir()
    assert json.loads((kept / "index.json").read_text())["manifests"]


def test_a_changed_blob_that_no_image_names(filled: Store) -> None:
    layer = put_layer(filled, b"\0" * 100_000)
    overwrite(filled.blob_path(layer.digest))
    (finding,) = examine(filled).damage
    assert (finding.kind, finding.subject, finding.images) == ("blob-damaged", layer.digest, ())
    assert examine(filled, quick=True).whole
    repair(filled)
    assert not filled.has_blob(layer.digest) and len(filled.catalog().images) == 2


def test_an_incomplete_unpacked_layer(filled: Store) -> None:
    root = filled.layers.path(layer_of(filled, "bad:1"))
    (root / "file").unlink()
    (finding,) = examine(filled).damage
    assert finding.kind == "layer" and "/file is missing" in finding.message
    assert repair(filled)[0].whole
    assert (filled.unpacked(layer_of(filled, "bad:1")) / "file").read_bytes() == b"bad" * 1000


def test_what_a_kill_leaves_is_a_note(filled: Store) -> None:
    (filled.layout.scratch.folder / "file-0123").write_bytes(b"left")
    (filled.layout.scratch.leases / "0123").write_text("")
    blob(filled, "good:1").unlink()
    filled.blob_path(filled.image("good:1").manifest_digest).unlink()
    with filled.layout.changing() as entries:
        entries[:] = [entry for entry in entries if "good" not in json.dumps(entry)]
    report = examine(filled)
    assert report.whole and [finding.kind for finding in report.findings] == ["cache", "leftover", "leftover"]
    with filled.temporary():
        assert len(examine(filled).findings) == 3  # what lives is no leftover
    after, _ = repair(filled)
    assert after.findings == []


def test_the_next_command_clears_it_away(filled: Store) -> None:
    (filled.layout.scratch.folder / "file-0123").write_bytes(b"left")
    (filled.layout.scratch.leases / "0123").write_text("")
    with filled.keep():
        again = Store(filled.root).open()
        assert not [finding for finding in examine(again).findings if finding.kind == "leftover"]
        assert len(list(again.layout.scratch.leases.iterdir())) == 1, "the lease of who lives stays"


def test_a_lost_index_is_written_anew(filled: Store) -> None:
    ids = set(filled.catalog().images)
    (filled.root / "index.json").write_text("{")
    (finding,) = examine(filled).damage
    assert (finding.kind, finding.subject) == ("index", "index.json")
    after, _ = repair(filled)
    assert after.whole and set(filled.catalog().images) == ids


def test_another_tools_artifact_is_no_damage(filled: Store) -> None:
    empty = filled.put_json({})
    manifest = filled.put_json(
        {"schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
         "layers": [{"mediaType": "text/plain", "digest": empty, "size": 2}]}
    )  # fmt: skip
    with filled.layout.changing() as entries:
        entries.append({"mediaType": CONFIG, "digest": manifest, "size": 1})
    assert examine(filled).whole


def test_the_command(filled: Store, run: Run) -> None:  # noqa: F811
    at = ("check-store", "--root", str(filled.root))
    done = run(*at)
    assert (done.code, done.err) == (0, "") and f"{filled.root} is whole: 2 images, 6 blobs" in done.out
    remove_layer(filled)
    done = run(*at)
    assert done.code == 1 and "--repair" in done.err
    assert "this layer is missing (images: bad:1)" in done.out and "is damaged (1 findings)" in done.out
    found = json.loads(run(*at, "--format", "json").out)
    assert not found["whole"] and found["findings"][0]["images"] == ["bad:1"]
    assert run(*at, "--repair").code == 0
    assert run(*at).code == 0
    shutil.rmtree(filled.root)
    assert run(*at).code == 1
    assert run(*at, "--engine", "docker").code == 2
    with pytest.raises(StoreError, match="no store here"):
        examine(filled)
