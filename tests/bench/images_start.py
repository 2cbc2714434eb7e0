"""`workbench images` on the embedded engine with ten images, against `python -c 'import argparse, json, asyncio'`.

Goal: at most 3 times. Run it: python tests/bench/images_start.py
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from table import Row, medians_of, print_table

from workbench.engines.embedded.store import LayerRef, Store

RUNS = 15
IMAGES = 10


def fill(root: Path) -> None:
    """A store with IMAGES images of one layer each."""
    store = Store(root).open()
    for number in range(IMAGES):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(f"file-{number}"))
        with store.write_blob() as blob:
            blob.write(out.getvalue())
            layer = blob.commit()
        config = {
            "architecture": "amd64", "os": "linux", "created": f"2024-01-01T00:00:{number:02}Z", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]}, "history": [{"created_by": "bench"}],
        }  # fmt: skip
        reference = LayerRef(layer.digest, layer.digest, layer.size, "application/vnd.oci.image.layer.v1.tar")
        store.put_image(config, [reference], tags=[f"bench:{number}"])


def main() -> None:
    workbench = str(Path(sys.executable).with_name("workbench"))
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        ours = [workbench, "images", "--engine", "embedded", "--root", folder]
        theirs = [sys.executable, "-c", "import argparse, json, asyncio"]
        table = subprocess.run(ours, check=True, capture_output=True, text=True).stdout
        shown = len(table.splitlines()) - 1
        if shown != IMAGES:
            sys.exit(f"the table has {shown} images, not {IMAGES}:\n{table}")
        medians = medians_of(
            lambda: subprocess.run(ours, check=True, stdout=subprocess.DEVNULL),
            lambda: subprocess.run(theirs, check=True),
            RUNS,
        )
    print_table(
        f"Start of a command, median of {RUNS}",
        [Row(f"workbench images, {IMAGES} images / python -c 'import argparse, json, asyncio'", *medians, 3)],
    )


if __name__ == "__main__":
    main()
