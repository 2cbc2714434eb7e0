"""`kill -9` at any moment of building, loading, tagging, deleting and pruning leaves a store that is whole, and loses
no image that was reported; two processes on one store do not harm each other."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nursery import Ended, Nursery
from store_tools import config_of, make_tar, put_layer

from workbench.engines.embedded.bwrap import ability
from workbench.engines.embedded.checking.examine import examine
from workbench.engines.embedded.removal import GRACE, prune
from workbench.engines.embedded.save import save
from workbench.engines.embedded.store import Store

KILLS = 200
KINDS = [*["build", "run", "rmi"] * 3, *["load", "tag", "import", "prune"] * 2, "prune_all"]
_NAMES = 4


def write_archive(path: Path) -> None:
    """Four images `many:N`, each with one layer more."""
    store = Store(path.parent / "elsewhere").open()
    layers = [put_layer(store, make_tar((f"file{number}", os.urandom(300_000)))) for number in range(_NAMES)]
    for number in range(_NAMES):
        chain = layers[: number + 1]
        store.put_image(config_of(*chain), chain, tags=[f"many:{number}"])
    save(store, ["many"], path)


class Life:
    """Commands in a seeded order on one store, and what it must hold after each."""

    def __init__(self, folder: Path, root: Path, seed: int, base: str) -> None:
        """`base` is an archive of busybox, or "" where RUN does not work."""
        self.folder = folder
        self.store = Store(root)
        self.dice = random.Random(seed)
        self.base = base
        self.number = 0
        self.tags: dict[str, str] = {}
        self.ids: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.killed: dict[str, int] = {}
        self.archive = folder / "many.tar"
        self.context = folder / "context"
        self.context.mkdir()
        write_archive(self.archive)
        self.nursery = Nursery(folder / "nursery", root)

    def step(self) -> bool:
        """One command, killed at a random moment of the time that it takes; whether it was."""
        kind = self.dice.choice(KINDS)
        if self.base and "busybox:latest" not in self.tags:
            kind = "base"
        argv, touched, may_go = getattr(self, f"_{kind}")()
        usual = self.seconds.get(kind)
        delay = 60.0 if usual is None or kind == "base" else self.dice.uniform(0.0, usual * 1.05)
        ended = self.nursery.run(*argv, delay=delay)
        if not ended.killed:
            assert ended.code == 0 or argv[1] == "none:1", (argv, ended)
            self.seconds[kind] = ended.seconds if usual is None else (usual + ended.seconds) / 2
        self.killed[kind] = self.killed.get(kind, 0) + ended.killed
        self._verify(argv, ended, touched, may_go)
        return ended.killed

    def _verify(self, argv: list[str], ended: Ended, touched: set[str], may_go: set[str]) -> None:
        what = (argv, ended)
        report = examine(self.store)
        assert report.whole, (what, report.damage)
        images = self.store.catalog().images
        tags = {tag: image.id for image in images.values() for tag in image.tags}
        for tag, identifier in self.tags.items():
            if tag not in touched:
                assert tags.get(tag) == identifier, (what, tag)
        assert self.ids - may_go <= set(images), what
        for tag, identifier in self._reported(argv, ended):
            assert tags.get(tag) == identifier if identifier else tag in tags, (what, tag)
        self.tags, self.ids = tags, set(images)

    def _reported(self, argv: list[str], ended: Ended) -> list[tuple[str, str]]:
        """Tags that stdout spoke of, and the ID where it was said."""
        if argv[0] == "build" and ended.out.endswith("\n"):
            return [(argv[argv.index("-t") + 1], ended.out.strip())]
        if argv[0] == "load":
            return [(line.removeprefix("Loaded image: "), "") for line in ended.out.splitlines(keepends=False)]
        return []

    # -- what is done: the words, the tags that it may change, the images that it may take ------------------------

    def _build(self, run: str = "") -> tuple[list[str], set[str], set[str]]:
        self.number += 1
        (self.context / "data").write_bytes(self.dice.randbytes(200_000))
        same = self.dice.random() < 0.5  # its first step is cached then
        lines = [f"FROM {'busybox' if run else 'scratch'}", f"COPY Dockerfile.same /same{0 if same else self.number}"]
        (self.context / "Dockerfile.same").write_text("the same\n")
        lines += [run] if run else []
        lines += ["COPY data /data", f"LABEL number={self.number}"]
        (self.context / "Dockerfile").write_text("\n".join(lines) + "\n")
        tag = f"built:{self.dice.randrange(_NAMES)}"
        return ["build", "-q", "-t", tag, str(self.context)], {tag}, set()

    def _run(self) -> tuple[list[str], set[str], set[str]]:
        return self._build(f"RUN mkdir -p /a/b && echo {self.dice.randrange(3)} >/a/b/c" if self.base else "")

    def _load(self) -> tuple[list[str], set[str], set[str]]:
        return ["load", "-i", str(self.archive)], {f"many:{number}" for number in range(_NAMES)}, set()

    def _import(self) -> tuple[list[str], set[str], set[str]]:
        path = self.folder / "root.tar"
        path.write_bytes(make_tar(("file", self.dice.randbytes(50_000))))
        return ["import", str(path), "imported:1"], {"imported:1"}, set()

    def _any_tag(self) -> str:
        usable = sorted(tag for tag in self.tags if not tag.startswith(("busybox", "precious")))
        return self.dice.choice(usable or ["none:1"])

    def _tag(self) -> tuple[list[str], set[str], set[str]]:
        target = f"other:{self.dice.randrange(_NAMES)}"
        return ["tag", self._any_tag(), target], {target}, set()

    def _rmi(self) -> tuple[list[str], set[str], set[str]]:
        tag = self._any_tag()
        nameless = self.ids - set(self.tags.values())
        return ["rmi", tag], {tag}, nameless | {self.tags.get(tag, "")}

    def _prune(self) -> tuple[list[str], set[str], set[str]]:
        return ["prune", "--force"], set(), self.ids - set(self.tags.values())

    def _prune_all(self) -> tuple[list[str], set[str], set[str]]:
        return ["prune", "--all", "--force"], set(self.tags), set(self.ids)

    def _base(self) -> tuple[list[str], set[str], set[str]]:
        return ["load", "-i", self.base], {"busybox:latest"}, set()


@pytest.fixture
def life(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Life]:
    base = ""
    if ability().mode is not None:
        base = str(request.getfixturevalue("conformance") / "bases" / "busybox.tar")
    life = Life(tmp_path, tmp_path / "store", 20, base)
    life.store.open()
    yield life
    life.nursery.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_kill_at_any_moment(life: Life) -> None:
    kills = 0
    while kills < KILLS:
        kills += life.step()
    assert min(life.killed.get(kind, 0) for kind in KINDS) > 2, life.killed
    assert_nothing_stays(life.store)


def assert_nothing_stays(store: Store) -> None:
    """What crashes left is found in the end: a prune when it is old leaves nothing."""
    store.open()
    for blob in store.layout.blobs.iterdir():
        os.utime(blob, (0, blob.stat().st_mtime - GRACE - 1))
    for layer in list(store.layers.all()):
        os.utime(store.layers.path(layer).parent, (0, 0))
    prune(store, all=True)
    store.open()  # once more: what a killed step's children had open could not be swept before
    report = examine(store)
    assert report.findings == [], report
    assert (report.blobs, report.layers) == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_two_workbenches_on_one_store(life: Life, tmp_path: Path) -> None:
    """Each builds, and finds what it has built, while the other deletes and prunes."""
    if life.base:
        assert life.nursery.run("load", "-i", life.base).code == 0
    until = time.monotonic() + 20
    failures: list[str] = []
    done: dict[str, int] = {}

    def work(name: str) -> None:
        dice = random.Random(name)
        context = tmp_path / name
        context.mkdir()
        nursery = Nursery(tmp_path / f"nursery-{name}", life.store.root)
        try:
            while time.monotonic() < until and not failures:
                number = dice.randrange(3)
                (context / "data").write_bytes(dice.randbytes(100_000) if dice.random() < 0.7 else b"same")
                run = f"RUN echo {dice.randrange(3)} >/x\n" if life.base else ""
                (context / "Dockerfile").write_text(f"FROM {'busybox' if life.base else 'scratch'}\n{run}COPY data /\n")
                orders = [
                    ["build", "-q", "-t", f"{name}:{number}", str(context)],
                    ["inspect", f"{name}:{number}"],
                    ["tag", f"{name}:{number}", f"{name}:more"],
                    ["prune", "--force"],
                    ["rmi", f"{name}:{number}"],
                    ["load", "-i", str(life.archive)],
                ]
                for argv in orders:
                    ended = nursery.run(*argv)
                    done[argv[0]] = done.get(argv[0], 0) + 1
                    if ended.code != 0:
                        failures.append(f"{argv}: {ended}")
        finally:
            nursery.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert done["build"] > 4
    report = examine(life.store)
    assert (report.whole, report.findings) == (True, [])
    assert {"one:more", "two:more"} <= {tag for image in life.store.catalog().images.values() for tag in image.tags}
