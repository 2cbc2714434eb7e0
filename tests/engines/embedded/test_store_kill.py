"""`kill -9` at any moment of loading, tagging, removing and unpacking leaves a store that is whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from store_tools import config_of, make_tar, put_layer

from workbench.engines.embedded.removal import GRACE, prune
from workbench.engines.embedded.save import save
from workbench.engines.embedded.store import Store

WORKER = """
import sys, random
from pathlib import Path
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.load import load
from workbench.engines.embedded.removal import prune, remove
from workbench.errors import WorkbenchError
store = Store(Path(sys.argv[1])).open()
dice = random.Random(int(sys.argv[3]))
print("ready", flush=True)
while True:
    number = dice.randrange(4)
    try:
        load(store, Path(sys.argv[2]))
        store.tag(f"many:{number}", f"other:{number}")
        store.unpacked(store.image(f"other:{number}").layers[-1])
        remove(store, [f"many:{number}", f"other:{number}"])
        if number == 0:
            prune(store, all=dice.random() < 0.5)
    except WorkbenchError as error:
        if "damaged" in str(error):
            print("DAMAGED", error, flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_process_leaves_a_whole_store(store: Store, tmp_path: Path) -> None:
    layers = [put_layer(store, make_tar((f"file{number}", os.urandom(300_000)))) for number in range(4)]
    for number in range(4):
        chain = layers[: number + 1]
        store.put_image(config_of(*chain), chain, tags=[f"many:{number}"])
    safe = put_layer(store, make_tar(("precious", b"precious")))
    store.put_image(config_of(safe), [safe], tags=["precious"])
    archive = tmp_path / "images.tar"
    save(store, ["many"], archive)
    shutil.rmtree(store.root)
    store = Store(store.root).open()
    safe = put_layer(store, make_tar(("precious", b"precious")))
    precious = store.put_image(config_of(safe), [safe], tags=["precious"])

    dice = random.Random(1)
    for attempt in range(30):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, store.root, archive, str(attempt)], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        try:
            worker.wait(timeout=dice.uniform(0.0, 0.25))
        except subprocess.TimeoutExpired:
            os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert worker.stdout.read() == ""
        store = check_whole(store.root)
        if "precious:latest" not in {tag for image in store.catalog().images.values() for tag in image.tags}:
            safe = put_layer(store, make_tar(("precious", b"precious")))  # `prune --all` took it, which it may
            assert store.put_image(config_of(safe), [safe], tags=["precious"]) == precious

    for blob in store.layout.blobs.iterdir():
        os.utime(blob, (0, blob.stat().st_mtime - GRACE - 1))
    for layer in list(store.layers.all()):
        os.utime(store.layers.path(layer).parent, (0, 0))
    prune(store, all=True)
    assert list(store.layout.blobs.iterdir()) == []
    assert list(store.layers.all()) == []


def check_whole(root: Path) -> Store:
    """Opens the store as the next process would; everything that the index names is there and right."""
    json.loads((root / "index.json").read_text())
    store = Store(root).open()
    catalog = store.catalog()
    assert catalog.problems == {}
    for image in catalog.images.values():
        for layer in image.layers:
            assert store.has_blob(layer.digest, layer.size)
            store.unpacked(layer)  # checks the digest, or was complete when it got its name
            (name,) = os.listdir(store.unpacked(layer))
            assert (store.unpacked(layer) / name).stat().st_size == layer.content
    assert list(store.layout.scratch.folder.iterdir()) == []
    with store.layout.lock.held():
        store.layout.scratch.leased()
    assert list(store.layout.scratch.leases.iterdir()) == []
    return store
