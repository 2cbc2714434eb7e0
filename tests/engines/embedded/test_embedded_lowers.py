"""What an overlay stands on: layers joined where they are too many, and the places to mount on, each made once."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from builds import make_tar

from workbench.engines.embedded.layer_index import LayerIndex
from workbench.engines.embedded.lowers import MountPoints, fit
from workbench.engines.embedded.view import ImageView
from workbench.errors import InputError


def test_layers_that_are_too_many_are_joined_once(tmp_path: Path) -> None:
    """A build of a hundred steps, each on one layer more than the one before."""
    layers: list[Path] = []
    for number in range(100):
        layers.append(tmp_path / f"{number:060}")
        layers[-1].mkdir()
        (layers[-1] / f"file{number}").write_text("own")
        (layers[-1] / "same").write_text(str(number))
        found = fit(layers, tmp_path)
        assert sum(len(os.fsencode(path)) + 9 for path in found) < 3500
        assert {name for path in found for name in os.listdir(path)} == {
            "same",
            *(f"file{n}" for n in range(number + 1)),
        }
        assert (found[-1] / "same").read_text() == str(number)
    assert len(list(tmp_path.glob("joined-*"))) < 20


@pytest.fixture
def image(tmp_path: Path) -> ImageView:
    tar = tmp_path / "base.tar"
    folder = {"type": tarfile.DIRTYPE, "mode": 0o750}
    tar.write_bytes(make_tar(("etc", folder), ("proc", folder), ("sys", folder), ("dev", folder)))
    return ImageView((LayerIndex.read(tar),))


def plus(view: ImageView, tar: Path, *entries: tuple[str, dict[str, object]]) -> ImageView:
    tar.write_bytes(make_tar(*entries))
    return view.plus(LayerIndex.read(tar))


def test_what_steps_lack_alike_is_made_once(image: ImageView, tmp_path: Path) -> None:
    points = MountPoints(tmp_path)
    first, places = points.of(image, {"mnt/cache": True})
    assert first is not None
    assert places["mnt/cache"] == "mnt/cache"
    assert (first / "mnt/cache").is_dir() and (first / "etc/hosts").is_file()
    assert (first / "etc").stat().st_mode & 0o777 == 0o750, "the image's own folder is not hidden"
    other = plus(image, tmp_path / "1.tar", ("srv/x", {}))
    assert points.of(other, {"mnt/cache": True})[0] == first
    changed = plus(other, tmp_path / "2.tar", ("etc", {"type": tarfile.DIRTYPE, "mode": 0o700}))
    second, _ = points.of(changed, {"mnt/cache": True})
    assert second is not None and second != first
    assert (second / "etc").stat().st_mode & 0o777 == 0o700
    assert points.of(changed, {})[0] not in (first, second)


def test_no_link_says_where_proc_is(image: ImageView, tmp_path: Path) -> None:
    linked = plus(image, tmp_path / "1.tar", ("proc", {"type": tarfile.SYMTYPE, "link": "etc"}))
    with pytest.raises(InputError, match="not a folder"):
        MountPoints(tmp_path).of(linked, {})
