"""Tars written entry by entry, and layers and configs made of them."""

from __future__ import annotations

import io
import tarfile

from workbench.engines.embedded.store import LayerRef, Store


def make_tar(*entries: tarfile.TarInfo | tuple[str, bytes], fmt: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of regular files (name, data) and of headers as they are given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            tar.addfile(info, io.BytesIO(entry[1]))
    return out.getvalue()


def header(
    name: str, kind: bytes = tarfile.DIRTYPE, mode: int = 0o755, link: str = "", **more: object
) -> tarfile.TarInfo:
    """A header without data."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode
    info.linkname = link
    for key, value in more.items():
        setattr(info, key, value)
    return info


def put_layer(store: Store, tar: bytes) -> LayerRef:
    with store.write_blob() as blob:
        blob.write(tar)
        found = blob.commit()
    return LayerRef(found.digest, found.digest, found.size)


def put_step(store: Store, key: str, *digests: str) -> None:
    """An entry of the step cache that holds these blobs."""
    folder = store.private / "steps"
    folder.mkdir(exist_ok=True)
    (folder / f"{key}.json").write_text("{}")
    store.cache_roots.put(key, digests)


def config_of(*layers: LayerRef, **config: object) -> dict[str, object]:
    """An image config with these layers; keyword arguments go into its `config`."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": "2026-01-02T03:04:05Z", "created_by": f"layer {n}"} for n, _ in enumerate(layers)],
    }
